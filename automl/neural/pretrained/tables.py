"""Networks that others trained to learn tables in context: where TabICL's checkpoints lie on this machine.

Qu et al., "TabICL" (ICML 2025, arXiv 2502.05564). Its authors name each checkpoint tabicl-KIND-VERSION-DATE.ckpt.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from automl.errors import OptionError
from automl.neural.pretrained.checkpoint import licence_of, name_of

REPOSITORY = "jingang/TabICL"
KINDS = {"classify": "classifier", "regress": "regressor"}
INSTALL = "pip install 'automl-loop[tabicl]'"


def table_checkpoint(folder: Path, task: str) -> Path | None:
    """The newest checkpoint for `classify` or `regress` in a folder."""
    found = folder.glob(f"tabicl-{KINDS[task]}-*.ckpt")
    return max(found, key=lambda path: path.stem.rsplit("-", 1)[-1], default=None)


def installed() -> bool:
    """Is the library there that these networks answer by?"""
    return importlib.util.find_spec("tabicl") is not None


def table_weights(asked: Sequence[str], named: bool, cached: Mapping[str, Path]) -> dict[str, str]:
    """The folders with checkpoints among those asked for, or that a cache holds, by name.

    Raises OptionError where one was `named` by the user and has none, or the library is not installed.
    """
    if named and not installed():
        raise OptionError("Pretrained weights for tables need the library tabicl, which is not installed.", INSTALL)
    short = {name.split("/")[-1]: folder for name, folder in cached.items()}
    chosen = {}
    for each in asked or (REPOSITORY,):
        folder = (cached.get(each) or short.get(each) or Path(each).expanduser()).absolute()
        if any(table_checkpoint(folder, task) for task in KINDS):
            name = name_of(folder)
            chosen[str(folder) if name in chosen else name] = str(folder)
        elif named:
            raise OptionError(
                f"There are no weights for tables in {each!r}: no folder or cache has tabicl-*.ckpt there.",
                f"Fetch them from {REPOSITORY} on the hub of Hugging Face, or leave --weights out.",
            )
    return chosen


def told_of_tables(chosen: Mapping[str, str]) -> list[str]:
    """A line for each checkpoint that may be used, with licence and hash."""
    lines = []
    for name, folder in chosen.items():
        for path in filter(None, (table_checkpoint(Path(folder), task) for task in KINDS)):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(
                f"pretrained weights: {name} ({path.name}, {path.stat().st_size / 1e6:,.1f} MB, "
                f"{licence_of(Path(folder), {})}, SHA-256 {digest[:16]}…); without them: --weights none"
            )
    return lines
