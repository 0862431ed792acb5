"""The pictures of a table, each opened once: what cannot be read, what is odd, which are the same."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from automl.data.columnar import Array
from automl.data.dataset import Rows
from automl.data.pictures import Glance, glance
from automl.data.schema import Column
from automl.errors import DataError
from automl.inspection.alike import alike_pictures, joined
from automl.search.budget import usable_cores

SIDE = 32  # of the small pictures that are compared
COMPARED = 20_000  # of a column; each is held against each other


@dataclass(frozen=True, eq=False)
class Gallery:
    """The pictures of one column of n rows.

    `cells` (n,): a path, bytes or None. `complaints` (n,): why a picture cannot be read, '' where it can or where there
    is none. `sizes` int32 (n, 2): width and height, 0 where unread. `modes` (n,): Pillow's, '' where unread. `turned`
    bool (n,): EXIF says so. `spread` float32 (n,): standard deviation of the pixels in the liveliest colour, 0 to 255.
    `small` uint8 (min(n, COMPARED), SIDE, SIDE, 3): black where unread. `files` (n,): where each came from, or empty.
    """

    name: str
    cells: Array
    complaints: tuple[str, ...]
    sizes: Array
    modes: tuple[str, ...]
    turned: Array
    spread: Array
    small: Array
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def broken(self) -> Array:
        """bool (n,): there is a picture, and it cannot be read."""
        return np.array([bool(complaint) for complaint in self.complaints], dtype=bool)

    @property
    def read(self) -> Array:
        """bool (n,): there is a picture, and it was read."""
        return self.sizes[:, 0] > 0

    @cached_property
    def same(self) -> Array:
        """int64 (n,): the first row whose file has the same bytes; its own if none has."""
        first: dict[str, int] = {}
        found = digests([cell if good else None for cell, good in zip(self.cells, self.read, strict=True)])
        codes = [first.setdefault(digest, row) if digest else row for row, digest in enumerate(found)]
        return np.array(codes, dtype=np.int64)

    @cached_property
    def alike(self) -> Array:
        """int64 (n,): the first row with the same or nearly the same picture; its own if none has."""
        near = np.arange(len(self))
        near[: len(self.small)] = alike_pictures(self.small, self.read[: len(self.small)])
        return joined([self.same, near])

    def take(self, rows: Array) -> Gallery:
        """The pictures of these rows, which must rise."""
        few = rows[rows < len(self.small)]
        return Gallery(
            self.name,
            self.cells[rows],
            tuple(self.complaints[row] for row in rows),
            self.sizes[rows],
            tuple(self.modes[row] for row in rows),
            self.turned[rows],
            self.spread[rows],
            self.small[few],
            tuple(self.files[row] for row in rows) if self.files else (),
        )

    def named(self, row: int) -> str:
        """How a user knows the picture of a row: the end of its path, or where its bytes came from."""
        cell = self.files[row] if self.files else self.cells[row]
        return f"row {row + 1:,}" if isinstance(cell, bytes) else "/".join(Path(cell or "").parts[-2:])


Galleries = Mapping[str, Gallery]


def open_galleries(columns: Sequence[Column], rows: Rows, files: tuple[str, ...] = ()) -> dict[str, Gallery]:
    """Every picture of the image columns opened and decoded to its end; by column. `files`: see `Table`."""
    return {column.name: _opened(column.name, rows[column.name], files) for column in columns if column.kind == "image"}


def _opened(name: str, cells: Array, files: tuple[str, ...]) -> Gallery:
    count = len(cells)
    sizes = np.zeros((count, 2), dtype=np.int32)
    turned, spread = np.zeros(count, dtype=bool), np.zeros(count, dtype=np.float32)
    small = np.zeros((min(count, COMPARED), SIDE, SIDE, 3), dtype=np.uint8)
    complaints, modes = [""] * count, [""] * count
    with warnings.catch_warnings(), ThreadPoolExecutor(usable_cores()) as pool:  # decoders let go of the interpreter
        warnings.simplefilter("ignore", UserWarning)  # Pillow's about bytes that are odd but readable
        for row, seen in enumerate(pool.map(_glance, cells)):
            if isinstance(seen, str):
                complaints[row] = seen
            elif seen is not None:
                sizes[row] = seen.width, seen.height
                modes[row], turned[row], spread[row] = seen.mode, seen.turned, seen.pixels.std(axis=(0, 1)).max()
                if row < COMPARED:
                    small[row] = seen.pixels
    return Gallery(name, cells, tuple(complaints), sizes, tuple(modes), turned, spread, small, files)


def _glance(cell: str | bytes | None) -> Glance | str | None:
    """The picture, or why it cannot be read; None where there is none."""
    try:
        return None if cell is None else glance(cell, "", SIDE)
    except DataError as error:
        return _reason(error)


def _reason(error: DataError) -> str:
    """What is wrong, without the name of the image, which stands beside it."""
    what = re.sub(r"^The image\s+(?:cannot be read: )?", "", error.problem)
    return re.sub(r"^There is no image\s*\.", "there is no such file", what).rstrip(".")[:80]


def digests(cells: Sequence[str | bytes | None]) -> list[str]:
    """One text per picture, the same for the same bytes; empty where there is none or the size is unique."""
    sizes = [_size(cell) for cell in cells]
    shared = {size for size, count in Counter(sizes).items() if count > 1 and size > 0}
    return [_digest(cell) if size in shared else "" for cell, size in zip(cells, sizes, strict=True)]


def _size(cell: str | bytes | None) -> int:
    if cell is None or isinstance(cell, bytes):
        return len(cell or b"")
    try:
        return Path(cell).stat().st_size
    except OSError:
        return 0


def _digest(cell: str | bytes | None) -> str:
    try:
        content = Path(cell).read_bytes() if isinstance(cell, str) else cell or b""
    except OSError:
        return ""
    return hashlib.sha256(content).hexdigest()
