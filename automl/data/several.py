"""Several files of one shape, named by a pattern, as one table."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from automl.data.memory import Sample
from automl.data.reading import Table
from automl.errors import SourceError


def is_pattern(source: str) -> bool:
    """Does this name files by a pattern, such as data/part-*.csv? A path that exists is a path."""
    return glob.has_magic(source) and not Path(source).expanduser().exists()


def read_several(pattern: str, read: Callable[[str], Table]) -> Table:
    """The rows of all files that match, in the order of their names. SourceError if there is none, or if one has other
    columns than the first; another order of the same columns is no matter."""
    paths = sorted(path for path in glob.glob(str(Path(pattern).expanduser()), recursive=True) if Path(path).is_file())
    if not paths:
        raise SourceError(f"No file matches {pattern}.", "Is the folder right? Quote the pattern for the shell.")
    rows = Sample()
    notes: dict[str, None] = {}
    commas: frozenset[str] = frozenset()
    first: Table | None = None
    for path in paths:
        table = read(path)
        first = first or replace(table, base=Path(path).resolve().parent)
        names = first.frame.columns.tolist()
        if set(table.frame.columns) != set(names):
            raise SourceError(
                f"{path} has other columns than {paths[0]}: {_difference(names, table.frame.columns.tolist())}.",
                "Files that are read together need the same columns.",
            )
        notes.update(dict.fromkeys(f"{Path(path).name}: {note}" for note in table.notes))
        commas |= table.commas
        rows.add(table.frame[names])
    assert first is not None  # there is at least one path
    frame, sampled = rows.result()
    said = f"{len(paths)} files were read as one table"
    return replace(first, frame=frame, notes=(said, *list(notes)[:8], *sampled), commas=commas)


def _difference(first: list[str], other: list[str]) -> str:
    lacking = [name for name in first if name not in other]
    surplus = [name for name in other if name not in first]
    parts = [f"it lacks {lacking[0]!r}"] if lacking else []
    parts += [f"it has {surplus[0]!r}"] if surplus else []
    return " and ".join(parts)
