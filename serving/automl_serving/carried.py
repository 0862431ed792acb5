"""Our own code as files of a package, so that it needs no index, and no dependency that answering does not need."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from automl.hooks import GROUP, Plugin, find_architecture, find_task, plugins

DISTRIBUTION = "automl-loop"
ALWAYS = ("automl", "automl_serving")
SUFFIXES = frozenset({".py", ".typed", ".html", ".css", ".js", ".svg"})  # whatever else lies there stays out


@dataclass(frozen=True)
class Carried:
    """What a model needs of ours and of plugins: `packages` are carried as files, `distributions` are installed.

    `watched`: the packages whose imports are to be looked at, the foreign plugins' among them.
    """

    packages: tuple[str, ...]
    plugins: tuple[Plugin, ...]
    distributions: tuple[str, ...]

    @property
    def watched(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.packages, *(_top(plugin.module) for plugin in self.plugins))))


def carried_for(artifact: Path) -> Carried:
    """What the model of an artifact is answered by."""
    told = json.loads((artifact / "model.json").read_text(encoding="utf-8"))
    modality: str = told["modality"]
    families = [find_architecture(modality, member["architecture"]) for member in told["members"]]
    tops = {_top(type(each).__module__) for each in (find_task(modality), *families)}
    needed = tuple(plugin for plugin in plugins().records() if _top(plugin.module) in tops)
    ours = [_top(plugin.module) for plugin in needed if plugin.distribution == DISTRIBUTION]
    foreign = {plugin.distribution for plugin in needed if plugin.distribution != DISTRIBUTION}
    return Carried((*ALWAYS, *ours), needed, tuple(sorted(foreign)))


def copy_code(carried: Carried, folder: Path) -> None:
    """Write the packages into a folder, with the metadata by which plugins are found.

    Taken from where they are imported from, so an editable install is packed like any other.
    """
    for package in carried.packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        shutil.copytree(spec.submodule_search_locations[0], folder / package, ignore=_not_code)
    version = metadata.version(DISTRIBUTION)
    home = folder / f"{DISTRIBUTION.replace('-', '_')}-{version}.dist-info"
    home.mkdir()
    about = ("Metadata-Version: 2.4", f"Name: {DISTRIBUTION}", f"Version: {version}", "License-Expression: Apache-2.0")
    (home / "METADATA").write_text("\n".join(about) + "\n", encoding="utf-8")
    ours = [plugin for plugin in carried.plugins if plugin.distribution == DISTRIBUTION]
    lines = [f"[{GROUP}]", *(f"{plugin.name} = {plugin.module}" for plugin in ours)]
    (home / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _not_code(folder: str, names: Sequence[str]) -> Iterable[str]:
    """What of a folder's names is neither code nor a folder of code."""
    here = Path(folder)
    return [
        name
        for name in names
        if name == "__pycache__" or not ((here / name).is_dir() or (here / name).suffix in SUFFIXES)
    ]


def _top(module: str) -> str:
    return module.partition(".")[0]
