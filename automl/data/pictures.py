"""From an image cell to pixels: the only place where image files are opened.

One way for fit, prediction, monitoring and examination: upright (EXIF), RGB, transparent parts white, the first of
several frames, stretched to a square.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.columnar import Array, Cells
from automl.data.columns import image_of
from automl.data.schema import Column
from automl.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

MOST_PIXELS = 25_000_000  # read from the header, so that a decompression bomb is never unpacked
# Pillow knows many more formats, some of which start other programs or are rarely tested.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
LEAST_SIDE, MOST_SIDE = 28, 224
MOST_BYTES = 512 << 20  # of all the pixels of a table
ORIENTATION = 0x0112  # the EXIF tag
MEASURED = 200  # files of a column tell how large its images are


def decode(cell: str | bytes, name: str, side: int) -> Array:
    """The pixels of a file or of its bytes as uint8 (side, side, 3).

    Raises DataError with `name` when the image is absent, has too many pixels, is truncated or is no image.
    """
    with _opened(cell, name) as image:
        return np.asarray(_to_square(image, side), dtype=np.uint8)


def size_of(cell: str | bytes) -> tuple[int, int]:
    """Width and height as the file's header says them; DataError as of `decode`."""
    with _opened(cell, "") as image:
        return image.size


@dataclass(frozen=True)
class Glance:
    """An image opened once: its size and mode as the file says them, whether EXIF turns it, and its pixels, uint8
    (side, side, 3), as of `decode`."""

    width: int
    height: int
    mode: str
    turned: bool
    pixels: Array


def glance(cell: str | bytes, name: str, side: int) -> Glance:
    """What an examination asks of an image; DataError as of `decode`."""
    with _opened(cell, name) as image:
        (width, height), mode, turned = image.size, image.mode, image.getexif().get(ORIENTATION, 1) not in (0, 1)
        return Glance(width, height, mode, turned, np.asarray(_to_square(image, side), dtype=np.uint8))


def is_readable(cell: str | bytes) -> bool:
    """Does this file, or what was in it, decode to the end?"""
    try:
        decode(cell, "", LEAST_SIDE)
    except DataError:
        return False
    return True


def with_sides(columns: Sequence[Column], frame: pd.DataFrame, base: Path) -> tuple[Column, ...]:
    """The columns, those of images with the side of the squares that all of them become: see `Column.side`."""
    images = [column for column in columns if column.kind == "image"]
    if not images:
        return tuple(columns)
    shorter = []
    for column in images:
        for cell in Cells.of(frame[column.name]).spread(MEASURED):
            try:
                shorter.append(min(size_of(image_of(cell, base) or b"")))
            except DataError:
                continue
    fitting = int((MOST_BYTES / (3 * max(len(frame), 1) * len(images))) ** 0.5)
    median = int(np.median(shorter)) if shorter else LEAST_SIDE
    side = max(min(median, fitting, MOST_SIDE), LEAST_SIDE)
    return tuple(replace(column, side=side) if column.kind == "image" else column for column in columns)


@contextmanager
def _opened(cell: str | bytes, name: str) -> Iterator[Image]:
    """The image with its header read, and nothing else yet; errors of all that is done inside, told as a DataError."""
    from PIL import Image

    Image.init()  # a Pillow that opens by a list of formats does not load their decoders by itself
    known = [form for form in FORMATS if form in Image.OPEN]
    try:
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell, formats=known) as image:
            pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                raise _too_large(name, f"{pixels / 1e6:,.0f} million")
            yield image
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"There is no image {name}.", "Relative paths start at the folder of the table.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "far more") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        raise DataError(f"The image {name} cannot be read: {_why(error)}.", "Is it damaged, or no image?") from error


def _why(error: Exception) -> str:
    """What a decoder says, without the path that it may name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).split("\n")[0].split(" <")[0].split(" '")[0].rstrip(".") or type(error).__name__


def _too_large(name: str, count: str) -> DataError:
    most = MOST_PIXELS // 1_000_000
    return DataError(f"The image {name} has {count} pixels; at most {most} million are read.", "Make it smaller.")


def _to_square(image: Image, side: int) -> Image:
    from PIL import Image, ImageOps

    # JPEG decodes at a fraction of its size in a fraction of the time; twice the side leaves room to filter.
    image.draft("RGB", (2 * side, 2 * side))
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F" or upright.mode.startswith("I"):
        upright = Image.fromarray(_eight_bits(np.asarray(upright)))
    if upright.has_transparency_data:
        opaque = Image.new("RGBA", upright.size, "white")
        opaque.alpha_composite(upright.convert("RGBA"))
        upright = opaque
    return upright.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)


def _eight_bits(grey: Array) -> Array:
    """Grey of 16 or 32 bits as uint8. Where a type does not say what is white, 65,535 is, or 255 if none is above."""
    values = np.nan_to_num(grey.astype(np.float64))
    if grey.dtype.itemsize == 2 or values.max(initial=0.0) > 255:
        values = values // 256
    return np.asarray(values.clip(0, 255), dtype=np.uint8)
