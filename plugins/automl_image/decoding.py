"""From an image cell to pixels: the only place where image files are opened."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 48  # pixels of the square that every image becomes
MOST_PIXELS = 25_000_000  # read from the header, so that a decompression bomb is never unpacked
# Pillow knows many more formats, some of which start other programs or are rarely tested.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


def decode(cell: str | bytes, name: str) -> Array:
    """The pixels of a file or of its bytes as uint8 (SIDE, SIDE, 3): upright, RGB, stretched to the square.

    Transparent parts become white; of several frames the first is taken. Raises DataError with `name` when
    the image is absent, has too many pixels, is truncated or is no image.
    """
    from PIL import Image

    Image.init()  # a Pillow that opens by a list of formats does not load their decoders by itself
    known = [form for form in FORMATS if form in Image.OPEN]
    try:
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell, formats=known) as image:
            pixels = image.width * image.height
            if pixels <= MOST_PIXELS:
                return np.asarray(_to_square(image), dtype=np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"There is no image {name}.", "Relative paths start at the folder of the table.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "far more") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        reason = str(error).split("\n")[0].split(" <")[0].rstrip(".") or type(error).__name__
        raise DataError(f"The image {name} cannot be read: {reason}.", "Is it damaged, or no image?") from error
    raise _too_large(name, f"{pixels / 1e6:,.0f} million")


def is_readable(cell: str | bytes) -> bool:
    """Does this file, or what was in it, decode to the end?"""
    try:
        decode(cell, "")
    except DataError:
        return False
    return True


def _too_large(name: str, count: str) -> DataError:
    most = MOST_PIXELS // 1_000_000
    return DataError(f"The image {name} has {count} pixels; at most {most} million are read.", "Make it smaller.")


def _to_square(image: Image) -> Image:
    from PIL import Image, ImageOps

    # JPEG decodes at a fraction of its size in a fraction of the time; twice the side leaves room to filter.
    image.draft("RGB", (2 * SIDE, 2 * SIDE))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright, dtype=np.uint16) >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        opaque = Image.new("RGBA", upright.size, "white")
        opaque.alpha_composite(upright.convert("RGBA"))
        upright = opaque
    return upright.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
