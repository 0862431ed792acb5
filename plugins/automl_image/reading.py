"""Reads a folder of class sub-folders with images, or a flat folder of images, also in a zip archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl.data.class_folders import Listing, holds, list_classes, read_each
from automl.data.left_alone import note_of_copies
from automl.data.memory import table_limit
from automl.data.pictures import is_readable
from automl.data.reading import IMAGE_SUFFIXES, Reader, Table, Wanted, stem
from automl.errors import SourceError

IMAGE = "image"
LABEL = "label"
MOST_IMAGE_BYTES = 64 << 20


class ImageFolderReader(Reader):
    """FOLDER/CLASS/*.jpg becomes the columns `image` (path relative to the folder; bytes from a zip archive) and
    `label` (CLASS).

    Images directly in the folder have no label; a folder with only such has no column `label` and can be predicted but
    not learned from. Of FOLDER/train/CLASS and FOLDER/test/CLASS the first is read.
    """

    name = "image folder"

    def accepts(self, path: Path) -> bool:
        return holds(path, IMAGE_SUFFIXES)

    def read(self, path: Path, wanted: Wanted) -> Table:
        """Raises SourceError when no image that can be read lies where it is looked for."""
        import pandas as pd

        listing = list_classes(path, IMAGE_SUFFIXES)
        images, labels, files = _packed(path, listing) if path.is_file() else _loose(path, listing)
        damaged = len(listing.entries) - len(images)
        if not images:
            raise _nothing_found(path, damaged, listing)
        columns: dict[str, Any] = {IMAGE: pd.Series(images, dtype=object if path.is_file() else "str")}
        classes = {label for label in labels if label is not None}
        if classes:
            columns[LABEL] = pd.Series(labels, dtype="str")
        return Table(
            pd.DataFrame(columns),
            base=path.resolve() if path.is_dir() else path.resolve().parent,
            name=stem(path),
            target=LABEL if classes else None,
            kinds={IMAGE: "image"},
            notes=(*_notes(damaged, listing, labels.count(None) if classes else 0), *note_of_copies(path, listing)),
            files=tuple(files),
        )


def _loose(path: Path, listing: Listing) -> tuple[list[str], list[str | None], list[str]]:
    """Paths, labels and names of the images on disk that can be read."""
    good = [entry for entry in listing.entries if is_readable(str(path / entry.path))]
    paths = [entry.path for entry in good]
    return paths, [entry.label for entry in good], paths


def _packed(path: Path, listing: Listing) -> tuple[list[bytes], list[str | None], list[str]]:
    """Bytes, labels and names of the images in an archive that can be read."""
    images: list[bytes] = []
    labels: list[str | None] = []
    files: list[str] = []
    left = table_limit()
    for entry, image in zip(listing.entries, read_each(path, listing.entries, MOST_IMAGE_BYTES), strict=True):
        if image is not None and is_readable(image):
            images.append(image)
            labels.append(entry.label)
            files.append(entry.path)
            left -= len(image)
        if left < 0:
            raise SourceError(
                f"The images in {path} do not fit into memory.", "Unpack the archive and give the folder."
            )
    return images, labels, files


def _nothing_found(path: Path, damaged: int, listing: Listing) -> SourceError:
    if damaged:
        return SourceError(f"None of the {damaged:,} images in {path} can be read.", "Are they damaged?")
    what = "a folder" if path.is_dir() else "an archive"
    deeper = ""
    if listing.deeper and path.is_dir():
        deeper = f"Images lie deeper: give the folder {(path / listing.deeper).parents[1]} instead."
    return SourceError(
        f"{path} is {what} without images: none lies in it or in its direct sub-folders.",
        deeper or "It needs one sub-folder of images per class.",
    )


def _notes(damaged: int, listing: Listing, unlabelled: int) -> tuple[str, ...]:
    notes = []
    if listing.left:
        notes.append(f"the images in train/ were read; those in {' and '.join(listing.left)}/ were left alone")
    if damaged:
        notes.append(f"{damaged:,} images could not be read and were left out")
    if listing.others:
        notes.append(f"{listing.others:,} files are no images and were left out")
    if unlabelled:
        notes.append(f"{unlabelled:,} images lie outside the class sub-folders and have no label")
    return tuple(notes)
