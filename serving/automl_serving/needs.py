"""What answering imports, found by letting a packed model answer: `python -P needs.py`, run in the package's folder.

Prints, as a JSON list, the modules that our own code and the plugins ask for. Not what is loaded in the end: libraries
take others along where they find them (XGBoost takes scikit-learn), and those would be packed for nothing.
It is run by its path, and imports nothing of ours before it watches.
"""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MANY = 200  # rows, answered in another way than a few (see automl.data.row_path)


def watch(packages: Sequence[str]) -> set[str]:
    """A set that fills with the top-level modules that these packages import from now on."""
    asked: set[str] = set()
    plain = builtins.__import__

    def noting(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level == 0 and str((globals or {}).get("__name__", "")).partition(".")[0] in packages:
            asked.add(name.partition(".")[0])
        return plain(name, globals, locals, fromlist, level)

    builtins.__import__ = noting
    return asked


async def answer_everything(model: Path, log: Path) -> None:
    """Send the site of a packed model each request that it describes, and rows of every sort."""
    from automl_serving.asking import ask, examples_of, openapi_of
    from automl_serving.assets import swagger_assets
    from automl_serving.packed import packed_site

    site = packed_site(model, "model", 1, swagger_assets(), log)
    await site.start()
    try:
        for path in ("/", "/docs", "/livez", "/readyz", "/metrics"):
            await ask(site, "get", path)
        for method, path, example in examples_of(await openapi_of(site)):
            await ask(site, method, path, example)
            if path == "/predict":
                for rows in _sorts(example):
                    await ask(site, "post", path, {"rows": rows})
    finally:
        await site.stop()


def _sorts(example: Any) -> Iterator[list[dict[str, Any]]]:
    rows = example["rows"]
    row = rows if isinstance(rows, dict) else rows[0]
    yield [row] * MANY
    yield [dict.fromkeys(row)]
    yield [{name: "?!" if isinstance(cell, str) else cell for name, cell in row.items()}]
    yield [{name: str(cell) for name, cell in row.items()}]


def main() -> None:
    """The process: packages to watch as arguments, the package as the current folder."""
    packages = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    asked = watch(packages)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(answer_everything(Path("model"), Path(scratch) / "predictions.jsonl"))
    print(json.dumps(sorted(asked - set(packages) - sys.stdlib_module_names)))  # noqa: T201


if __name__ == "__main__":
    main()
