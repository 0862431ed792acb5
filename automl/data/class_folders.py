"""Files in class sub-folders, on disk or in a zip archive: FOLDER/CLASS/file, or FOLDER/train/CLASS/file."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from automl.data.content import members, packing_of
from automl.errors import SourceError

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")
DEPTH = 3  # train/CLASS/file


@dataclass(frozen=True)
class Entry:
    """One file: its path within the source (with / between parts), and its class if it lies in a sub-folder."""

    path: str
    label: str | None


@dataclass(frozen=True)
class Listing:
    """The wanted files in a fixed order. `others` counts files with other endings beside them, `deeper` is a wanted
    file in a folder too deep to be a class, `left` names the folders of test files that were left alone."""

    entries: tuple[Entry, ...]
    others: int = 0
    deeper: str | None = None
    left: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Does any file have a class?"""
        return any(entry.label is not None for entry in self.entries)


def holds(path: Path, suffixes: Collection[str]) -> bool:
    """Does this folder or zip archive hold any file with one of these endings, not too deep?"""
    try:
        return any(PurePosixPath(name).suffix.lower() in suffixes for name in _names(path))
    except SourceError:
        return False


def list_classes(path: Path, suffixes: Collection[str]) -> Listing:
    """The files with these endings in the folder itself and in its direct sub-folders.

    Where classes lie in train/ and test/ folders, those of train/ are taken. A zip archive may hold one folder around
    them all.
    """
    names = [PurePosixPath(name) for name in _names(path)]
    wanted = [name for name in names if name.suffix.lower() in suffixes]
    home = _top(wanted) if path.is_file() else PurePosixPath()
    inner = {name: name.relative_to(home) for name in names if name.is_relative_to(home)}
    parts = {inner[name].parts[0] for name in wanted if len(inner[name].parts) == DEPTH}
    train = next((part for part in TRAIN if part in parts), None)
    left: list[str] = []
    if train is not None and all(len(inner[name].parts) >= DEPTH for name in wanted):
        left = sorted(part for part in parts if part in TEST)
        if left:
            home = home / train
    entries, others, deeper = [], 0, None
    for name in names:
        if not name.is_relative_to(home):
            continue
        inside = name.relative_to(home).parts
        fits = name.suffix.lower() in suffixes
        if len(inside) > 2:
            deeper = deeper or (name.as_posix() if fits else None)
        elif fits:
            entries.append(Entry(name.as_posix(), inside[0] if len(inside) == 2 else None))
        else:
            others += 1
    return Listing(tuple(entries), others, deeper, tuple(left))


def read_each(path: Path, entries: Collection[Entry], most_bytes: int) -> Iterator[bytes | None]:
    """The bytes of each file; None for one that cannot be read or is larger than `most_bytes`."""
    if path.is_dir():
        for entry in entries:
            try:
                with (path / entry.path).open("rb") as file:
                    yield _at_most(file.read(most_bytes + 1), most_bytes)
            except OSError:
                yield None
        return
    with zipfile.ZipFile(path) as archive:
        for entry in entries:
            yield member_bytes(archive, entry.path, most_bytes)


def member_bytes(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes | None:
    """The bytes of a member; None when it is damaged or larger, whatever size the archive declares."""
    try:
        with archive.open(name) as file:
            return _at_most(file.read(most_bytes + 1), most_bytes)
    except Exception:  # each packing has errors of its own
        return None


def _at_most(content: bytes, most: int) -> bytes | None:
    return content if len(content) <= most else None


def _names(path: Path) -> Iterator[str]:
    """Every file without hidden ones (.DS_Store, ._copy.jpg), of a folder not deeper than DEPTH."""
    if path.is_dir():
        yield from (name.relative_to(path).as_posix() for name in _walk(path, DEPTH))
    elif path.is_file() and packing_of(path) == "zip":
        yield from members(path)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # a folder that may not be read holds nothing for us
        return
    yield from (entry for entry in entries if entry.is_file())
    if depth > 1:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry, depth - 1)


def _top(wanted: list[PurePosixPath]) -> PurePosixPath:
    """The folders around all files of an archive, above those of the classes."""
    home = PurePosixPath()
    while True:
        inside = [name.relative_to(home).parts for name in wanted]
        tops = {parts[0] for parts in inside}
        if len(tops) != 1 or not inside or min(len(parts) for parts in inside) < DEPTH:
            return home
        home = home / tops.pop()
