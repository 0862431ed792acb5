"""What the monitor watches of an image: plain numbers that are measured without having learned anything."""

from __future__ import annotations

from functools import cache

import numpy as np

from automl.data.dataset import Array
from automl.data.pictures import decode, size_of
from automl.errors import DataError
from automl_image.descriptors import describe

LOOKS = 8
MEASURES = (
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "megapixels",
    "width by height",
    *(f"look {number}" for number in range(1, LOOKS + 1)),
)


def measure(cell: str | bytes | None, side: int) -> tuple[float, ...]:
    """MEASURES of one image; NaN where there is none that can be read.

    The first four are on the scale 0 to 1 and measured on the square that models see, so that the size of the file does
    not matter. The looks are random mixtures of the descriptors, the same for ever: what changes in edges, colours,
    texture or layout changes some of them (Johnson and Lindenstrauss, 1984).
    """
    try:
        if cell is None:
            return (float("nan"),) * len(MEASURES)
        pixels = decode(cell, "", side)
        width, height = size_of(cell)
    except DataError:  # a file that is gone since its prediction must not stop the monitor
        return (float("nan"),) * len(MEASURES)
    scaled = pixels.astype(np.float64) / 255
    grey = scaled.mean(axis=2)
    edges = (np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2
    saturation = (scaled.max(axis=2) - scaled.min(axis=2)).mean()
    plain = (grey.mean(), grey.std(), saturation, edges, width * height / 1e6, width / height)
    return (*map(float, plain), *_looks(pixels))


def _looks(pixels: Array) -> list[float]:
    """Each block of the descriptors counts alike, however long it is."""
    blocks = describe(pixels).values()
    row = np.concatenate([block / np.sqrt(len(block)) for block in blocks]).astype(np.float64)
    return [float(look) for look in _signs(len(row)) @ row]


@cache
def _signs(length: int) -> Array:
    """Fixed signs, float64 (LOOKS, length), from integers alone: a generator may change with NumPy's version.

    The mixing steps are those of the finaliser of MurmurHash3 (Appleby, 2011).
    """
    mixed = np.arange(1, LOOKS * length + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return np.where(mixed >> np.uint64(63), 1.0, -1.0).reshape(LOOKS, length)
