"""Reads a folder of class sub-folders with images, or a flat folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from automl.data.inference import IMAGE_SUFFIXES
from automl.data.reading import Reader, Table
from automl.errors import SourceError
from automl_image.decoding import is_readable

IMAGE = "image"
LABEL = "label"


class ImageFolderReader(Reader):
    """FOLDER/CLASS/*.jpg becomes the columns `image` (path relative to the folder) and `label` (CLASS).

    Images directly in the folder have no label; a folder with only such has no column `label` and can be
    predicted but not learned from. Deeper folders (train/CLASS) are not searched.
    """

    name = "image folder"

    def accepts(self, path: Path) -> bool:
        return path.is_dir() and _first_image(path, depth=3) is not None

    def read(self, path: Path) -> Table:
        """Raises SourceError when no image that can be read lies where it is looked for."""
        import pandas as pd

        folder = path.resolve()
        images: list[str] = []
        labels: list[str | None] = []
        damaged = others = 0
        for home in [folder, *(entry for entry in _visible(folder) if entry.is_dir())]:
            for file in _visible(home):
                if not file.is_file():
                    continue
                if file.suffix.lower() not in IMAGE_SUFFIXES:
                    others += 1
                elif not is_readable(file):
                    damaged += 1
                else:
                    images.append(file.relative_to(folder).as_posix())
                    labels.append(None if home == folder else home.name)
        if not images:
            raise _nothing_found(path, damaged)
        columns: dict[str, list[str] | list[str | None]] = {IMAGE: images}
        classes = {label for label in labels if label is not None}
        if classes:
            columns[LABEL] = labels
        return Table(
            pd.DataFrame(columns),
            base=folder,
            name=folder.name,
            target=LABEL if classes else None,
            kinds={IMAGE: "image"},
            notes=_notes(damaged, others, labels.count(None) if classes else 0),
        )


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder in a fixed order, without hidden ones (.DS_Store, ._copy.jpg)."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _first_image(folder: Path, depth: int) -> Path | None:
    """Any file with an image's ending, at most `depth` levels down."""
    return next(_images(folder, depth), None)


def _images(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = _visible(folder)
    except OSError:  # a folder that may not be read holds nothing for us
        return
    yield from (entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file())
    if depth > 1:
        for entry in entries:
            if entry.is_dir():
                yield from _images(entry, depth - 1)


def _nothing_found(path: Path, damaged: int) -> SourceError:
    if damaged:
        return SourceError(f"None of the {damaged:,} images in {path} can be read.", "Are they damaged?")
    found = _first_image(path / "train", depth=2) or _first_image(path, depth=3)
    deeper = f"Images lie deeper: give the folder {found.parents[1]} instead." if found else ""
    return SourceError(
        f"{path} is a folder without images: none lies in it or in its direct sub-folders.",
        deeper or "It needs one sub-folder of images per class.",
    )


def _notes(damaged: int, others: int, unlabelled: int) -> tuple[str, ...]:
    notes = []
    if damaged:
        notes.append(f"{damaged:,} images could not be read and were left out")
    if others:
        notes.append(f"{others:,} files are no images and were left out")
    if unlabelled:
        notes.append(f"{unlabelled:,} images lie outside the class sub-folders and have no label")
    return tuple(notes)
