"""Test files that are copies of training files: what is scored on them was learned by heart."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from automl.data.class_folders import Listing


def note_of_copies(path: Path, listing: Listing) -> tuple[str, ...]:
    """A note where files of the folders that were left alone have the same bytes as files that were read; without any
    an empty tuple."""
    if not listing.left or not listing.entries:
        return ()
    read = {entry.path for entry in listing.entries if entry.label is not None}
    suffixes = {PurePosixPath(name).suffix.lower() for name in read}
    around = PurePosixPath(min(read)).parents[2] if read else PurePosixPath()
    homes = tuple(f"{(around / left).as_posix()}/" for left in listing.left)
    names = _in_archive(path) if path.is_file() else _on_disk(path, [around / part for part in listing.left], read)
    left = [name for name in names if name.startswith(homes) and PurePosixPath(name).suffix.lower() in suffixes]
    first = {names[name]: name for name in sorted(read & names.keys(), reverse=True) if names[name]}
    copies = [name for name in sorted(left) if names[name] in first]
    if not copies:
        return ()
    of = f"{len(copies):,} of the {len(left):,} files in {' and '.join(listing.left)}/"
    example = f"{_end(copies[0])} = {_end(first[names[copies[0]]])}"
    return (f"{of} are copies of files that were read ({example}): a score on them flatters",)


def _in_archive(path: Path) -> dict[str, str]:
    """Name: size and checksum, as the archive says them."""
    with zipfile.ZipFile(path) as archive:
        return {each.filename: f"{each.file_size} {each.CRC}" for each in archive.infolist() if each.file_size}


def _on_disk(path: Path, folders: Iterable[PurePosixPath], read: Iterable[str]) -> Mapping[str, str]:
    """Name: digest of the bytes, '' where no other file has its size."""
    files = {name: path / name for name in read}
    for folder in folders:
        files |= {each.relative_to(path).as_posix(): each for each in sorted((path / folder).glob("*/*"))}
    sizes = {name: _size(file) for name, file in files.items()}
    counts = Counter(sizes.values())
    return {name: _digest(file) if sizes[name] and counts[sizes[name]] > 1 else "" for name, file in files.items()}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _end(name: str) -> str:
    return "/".join(PurePosixPath(name).parts[-3:])
