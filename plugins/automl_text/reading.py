"""Reads a folder of class sub-folders with text files, also in a zip archive."""

from __future__ import annotations

from pathlib import Path

from automl.data.class_folders import Listing, holds, list_classes, read_each
from automl.data.encoding import text_of
from automl.data.left_alone import note_of_copies
from automl.data.reading import Reader, Table, Wanted, stem
from automl.errors import SourceError

TEXT = "text"
LABEL = "label"
SUFFIXES = frozenset({".txt"})
MOST_TEXT_BYTES = 16 << 20


class TextFolderReader(Reader):
    """FOLDER/CLASS/*.txt becomes the columns `text` (what the file says) and `label` (CLASS).

    A folder of text files without sub-folders has no column `label`. Of FOLDER/train/CLASS and FOLDER/test/CLASS the
    first is read.
    """

    name = "text folder"

    def accepts(self, path: Path) -> bool:
        if not holds(path, SUFFIXES):
            return False
        listing = list_classes(path, SUFFIXES)
        return listing.labelled or (bool(listing.entries) and listing.others == 0)

    def read(self, path: Path, wanted: Wanted) -> Table:
        """Raises SourceError when no file is a text."""
        import pandas as pd

        listing = list_classes(path, SUFFIXES)
        raw = read_each(path, listing.entries, MOST_TEXT_BYTES)
        texts = [None if content is None else text_of(content) for content in raw]
        kept = [(text, entry) for text, entry in zip(texts, listing.entries, strict=True) if text is not None]
        if not kept:
            raise SourceError(f"None of the {len(texts):,} files in {path} is a text.", "Are they damaged?")
        columns = {TEXT: pd.Series([text for text, _ in kept], dtype="str")}
        if listing.labelled:
            columns[LABEL] = pd.Series([entry.label for _, entry in kept], dtype="str")
        return Table(
            pd.DataFrame(columns),
            base=path.resolve() if path.is_dir() else path.resolve().parent,
            name=stem(path),
            target=LABEL if listing.labelled else None,
            kinds={TEXT: "text"},
            notes=(*_notes(listing, len(texts) - len(kept)), *note_of_copies(path, listing)),
            files=tuple(entry.path for _, entry in kept),
        )


def _notes(listing: Listing, damaged: int) -> tuple[str, ...]:
    notes = []
    if listing.left:
        notes.append(f"the texts in train/ were read; those in {' and '.join(listing.left)}/ were left alone")
    if damaged:
        notes.append(f"{damaged:,} files are no texts and were left out")
    if listing.others:
        notes.append(f"{listing.others:,} files do not end in .txt and were left out")
    unlabelled = sum(entry.label is None for entry in listing.entries) if listing.labelled else 0
    if unlabelled:
        notes.append(f"{unlabelled:,} texts lie outside the class sub-folders and have no label")
    return tuple(notes)
