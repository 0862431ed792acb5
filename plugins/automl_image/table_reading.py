"""Reads a folder of images beside a table that names them, with what else is known of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automl.data.reading import IMAGE_SUFFIXES, Reader, Table, TableReader, Wanted, stem
from automl.errors import SourceError, nearest

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
PREFERRED = ("train", "labels", "data")
ANSWERS = (b"file,prediction", b"id,file,prediction")  # how `automl predict -o` begins
LOOKED_AT = 64 << 10  # bytes of a table tell whether it names images


class ImageTableReader(Reader):
    """FOLDER/labels.csv with cells like images/1.jpg becomes that table; paths start at the folder, or at the one of
    its sub-folders that has the files."""

    name = "image table in a folder"

    def accepts(self, path: Path) -> bool:
        return path.is_dir() and bool(_tables(path))

    def read(self, path: Path, wanted: Wanted) -> Table:
        """The table that is wanted, else train, labels or data, else the only one; SourceError if it is not clear."""
        tables = {table.name: table for table in _tables(path)}
        chosen, note = _chosen(path, tables, wanted.table)
        table = TableReader().read(chosen, Wanted())
        notes = (*table.notes, note) if note else table.notes
        return replace(table, base=_base(path.resolve(), table), name=stem(path), notes=notes)


def _tables(folder: Path) -> list[Path]:
    """The tables in a folder that name images."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in TABLE_SUFFIXES and file.is_file())
        return [file for file in files if not file.name.startswith(".") and _names_images(file)]
    except OSError:
        return []


def _names_images(file: Path) -> bool:
    """Not one of our own answers, which name images too."""
    with file.open("rb") as opened:
        text = opened.read(LOOKED_AT).lower()
    return not text.startswith(ANSWERS) and any(suffix.encode() in text for suffix in IMAGE_SUFFIXES)


def _chosen(folder: Path, tables: dict[str, Path], name: str | None) -> tuple[Path, str]:
    """The table, and a note where others were left."""
    if name is not None:
        if name not in tables:
            raise SourceError(f"There is no table {name!r} that names images in {folder}.", nearest(name, list(tables)))
        return tables[name], ""
    if len(tables) == 1:
        table = next(iter(tables.values()))
        return table, f"the table {table.name} was read, with the images that it names"
    for stem_ in PREFERRED:
        for table in tables.values():
            if table.stem.lower() == stem_:
                left = ", ".join(sorted(set(tables) - {table.name}))
                return table, f"{table.name} was read, not {left}; to change it: --table NAME"
    raise SourceError(f"{folder} holds several tables: {', '.join(tables)}.", "Choose one with --table NAME.")


def _base(folder: Path, table: Table) -> Path:
    """Where the files lie that the first rows name."""
    named = [
        cell
        for name in table.frame.columns
        for cell in table.frame[name].head(20)
        if isinstance(cell, str) and Path(cell).suffix.lower() in IMAGE_SUFFIXES
    ]
    places = [folder, *sorted(place for place in folder.iterdir() if place.is_dir())]
    return next((place for place in places if any((place / cell).is_file() for cell in named)), folder)
