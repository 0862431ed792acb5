"""An image in numbers that nobody had to learn: its colours, its edges, its texture, its layout.

Sources: gradients after Felzenszwalb et al., "Object Detection with Discriminatively Trained Part Based Models" (2010),
section 6; local binary patterns after Ojala et al. (2002), uniform patterns of 8 neighbours; the layout after the
small images of Torralba et al. (2008). Histograms are given as square roots (Hellinger), in which a straight line
compares them well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from automl.data.dataset import Array

EDGE_SIDE, CELL = 64, 8  # pixels that gradients are taken on, and of a cell
SIGNED, UNSIGNED = 18, 9  # directions of a gradient, with and without its sign
CUT = 0.2  # of a normalised gradient histogram
COLOUR_SIDE, COLOUR_PARTS = 32, 4
HUES, SATURATIONS, VALUES = 8, 3, 4
LAYOUT_SIDE = 8
TEXTURE_SIDES = (64, 32)
PARTS = 2  # texture is counted in each quarter

MOST_REMEMBERED = 20_000  # descriptions of 12 KB each

Blocks = dict[str, Array]
_remembered: dict[bytes, Blocks] = {}


def blocks_of(
    images: Iterable[Array], mirrored: bool, remember: bool = False, go_on: Callable[[], bool] = lambda: True
) -> Blocks:
    """Each block of the descriptions of rows of images, each uint8 (k, S, S, 3): float32 (rows, k × length).

    `mirrored`: the mean of the descriptions of an image and of its mirror image, which are then the same. `remember`
    them by their pixels: a worker describes the same images in every fold and trial. Ends with the row after which
    `go_on` says no.
    """
    rows: list[Blocks] = []
    for row in images:
        each = [_described(pixels, mirrored, remember) for pixels in row]
        rows.append({name: np.concatenate([one[name] for one in each]) for name in each[0]})
        if not go_on():
            break
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _described(pixels: Array, mirrored: bool, remember: bool) -> Blocks:
    if not remember and not _remembered:  # where nothing is ever taught, as in an endpoint
        return _fresh(pixels, mirrored)
    key = hashlib.blake2b(pixels.tobytes(), digest_size=16, key=b"mirrored" if mirrored else b"").digest()
    known = _remembered.get(key)
    if known is None:
        known = _fresh(pixels, mirrored)
        if remember and len(_remembered) < MOST_REMEMBERED:
            _remembered[key] = known
    return known


def _fresh(pixels: Array, mirrored: bool) -> Blocks:
    blocks = describe(pixels)
    if mirrored:
        other = describe(np.ascontiguousarray(pixels[:, ::-1]))
        blocks = {name: (block + other[name]) * np.float32(0.5) for name, block in blocks.items()}
    return blocks


def describe(pixels: Array) -> Blocks:
    """The blocks of float32 numbers that describe an image, uint8 (S, S, 3); each has a fixed length."""
    image = Image.fromarray(pixels)
    return {
        "edges": _edges(_scaled(image, EDGE_SIDE)),
        "colours": _colours(_scaled(image, COLOUR_SIDE)),
        "texture": np.concatenate([_texture(_scaled(image, side).mean(axis=2)) for side in TEXTURE_SIDES]),
        "layout": (_scaled(image, LAYOUT_SIDE) / np.float32(255)).ravel(),
    }


def _scaled(image: Image.Image, side: int) -> Array:
    """float32 (side, side, 3), 0 to 255."""
    small = image if image.width == side else image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32)


def _edges(x: Array) -> Array:
    """Histograms of gradients of each cell: 18 signed and 9 unsigned directions, 4 energies."""
    x = np.sqrt(x)
    down, right = np.zeros_like(x), np.zeros_like(x)
    down[1:-1] = x[2:] - x[:-2]
    right[:, 1:-1] = x[:, 2:] - x[:, :-2]
    strength = down**2 + right**2
    channel = strength.argmax(axis=2)[..., None]  # the channel that changes most
    down, right, strength = (np.take_along_axis(part, channel, 2)[..., 0] for part in (down, right, strength))
    strength = np.sqrt(strength)
    turn = np.arctan2(down, right) * np.float32(SIGNED / (2 * np.pi)) % SIGNED
    low = np.floor(turn)
    part = turn - low
    cells = EDGE_SIDE // CELL
    rows = np.arange(EDGE_SIDE) // CELL
    where = (rows[:, None] * cells + rows[None]) * SIGNED
    low = low.astype(np.int64) % SIGNED
    size = cells * cells * SIGNED
    counted = np.bincount((where + low).ravel(), (strength * (1 - part)).ravel(), size)
    counted += np.bincount((where + (low + 1) % SIGNED).ravel(), (strength * part).ravel(), size)
    signed = counted.reshape(cells, cells, SIGNED)
    unsigned = signed[..., :UNSIGNED] + signed[..., UNSIGNED:]
    energy = np.pad((unsigned**2).sum(axis=2), 1, mode="edge")
    square = energy[:-1, :-1] + energy[1:, :-1] + energy[:-1, 1:] + energy[1:, 1:]
    norms = np.sqrt(np.stack([square[:-1, :-1], square[1:, :-1], square[:-1, 1:], square[1:, 1:]], axis=2)) + 1e-2
    cut_signed = np.minimum(signed[..., None] / norms[:, :, None], CUT)
    cut_unsigned = np.minimum(unsigned[..., None] / norms[:, :, None], CUT)
    blocks = [cut_signed.sum(axis=3), cut_unsigned.sum(axis=3), cut_signed.sum(axis=2)]
    return np.concatenate(blocks, axis=2).ravel().astype(np.float32)


def _colours(x: Array) -> Array:
    """A histogram of hue, saturation and value of the whole and of its middle; mean and spread of each part."""
    hue, saturation, value = _hsv(x)
    bins = ((hue * HUES).astype(np.int64) % HUES * SATURATIONS + _bins(saturation, SATURATIONS)) * VALUES
    bins += _bins(value, VALUES)
    size = HUES * SATURATIONS * VALUES
    quarter = len(x) // 4
    middle = bins[quarter:-quarter, quarter:-quarter]
    counted = [np.sqrt(np.bincount(part.ravel(), minlength=size) / part.size) for part in (bins, middle)]
    x = x / np.float32(255)
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    opponent = np.stack([x.mean(axis=2), red - green, (red + green) / 2 - blue, saturation], axis=2)
    side = len(x) // COLOUR_PARTS
    parts = opponent.reshape(COLOUR_PARTS, side, COLOUR_PARTS, side, 4)
    moments = [parts.mean(axis=(1, 3)).ravel(), parts.std(axis=(1, 3)).ravel()]
    return np.concatenate([*counted, *moments]).astype(np.float32)


def _bins(x: Array, count: int) -> Array:
    return np.minimum((x * count).astype(np.int64), count - 1)


def _hsv(x: Array) -> tuple[Array, Array, Array]:
    """Hue, saturation and value of float32 (H, W, 3), each 0 to 1."""
    most, least = x.max(axis=2), x.min(axis=2)
    spread = most - least
    safe = np.maximum(spread, 1)
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    hue = np.where(most == red, (green - blue) / safe, np.where(most == green, 2 + (blue - red) / safe, 4))
    hue = np.where((most == blue) & (most != red) & (most != green), 4 + (red - green) / safe, hue) / 6 % 1
    return hue, spread / np.maximum(most, 1), most / 255


def _uniform_patterns() -> Array:
    """The bin of each of the 256 patterns: its own with at most two changes around the circle, one for all others."""
    bins = np.full(256, 58, dtype=np.int64)
    found = 0
    for pattern in range(256):
        turned = (pattern >> 1) | ((pattern & 1) << 7)
        if (pattern ^ turned).bit_count() <= 2:
            bins[pattern] = found
            found += 1
    return bins


UNIFORM = _uniform_patterns()
AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _texture(grey: Array) -> Array:
    """Which of its neighbours each pixel is darker than, counted as patterns in each quarter."""
    side = len(grey)
    middle = grey[1:-1, 1:-1]
    pattern = np.zeros(middle.shape, dtype=np.int64)
    for bit, (down, right) in enumerate(AROUND):
        beside = grey[1 + down : side - 1 + down, 1 + right : side - 1 + right]
        pattern |= (beside > middle + 1).astype(np.int64) << bit  # a level of grey apart is noise
    half = np.arange(side - 2) * PARTS // (side - 2)
    bins = UNIFORM[pattern] + (half[:, None] * PARTS + half[None]) * 59
    counted = np.bincount(bins.ravel(), minlength=59 * PARTS * PARTS)
    return np.sqrt(counted * (PARTS * PARTS / pattern.size)).astype(np.float32)
