"""What is nearly the same: pictures stored anew at another size or quality, texts that differ in a few words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from automl.data.columnar import Array
from automl.data.splits import MANY_COPIES

# Of pictures: correlation of pixels, so that brightness and contrast do not count. Measured on photographs at a quarter
# of the quality, half the size or cut by 2% a side, the same picture has 0.98 to 0.999, the next other one 0.75.
COARSE, COARSE_SIDE = 0.97, 8
ALIKE = 0.98
TIMES_NEARER = 10.0  # than the nearest other picture usually is: digits and scans are all alike
USUAL_OF = 1_000
BLOCK = 1_024
FLAT = 4.0  # of 255: a picture without more contrast has nothing to be compared by

# Of texts: the Jaccard similarity of pairs of words, found by min-hashing (Broder 1997) in bands.
WORDS = 6  # fewer are compared as a whole
SIMILAR = 0.8
HASHES, BAND = 32, 4
MOST_CANDIDATES = 50  # neighbours in a band that a text is held against
MOST_CANDIDATES_EACH = 10  # of a picture are looked at closely: copies are the very nearest
MOST_TEXTS, LONGEST_COMPARED = 20_000, 2_000  # different texts that are compared word by word, and characters of each


def joined(partitions: Sequence[Array]) -> Array:
    """int64 per row: the first row that is linked to it by any of the partitions, each of the same form."""
    rows = np.arange(len(partitions[0]))
    return linked(len(rows), np.tile(rows, len(partitions)), np.concatenate(partitions))


def linked(count: int, ones: Array, others: Array) -> Array:
    """int64 per row, of so many: the first row that these pairs link it to, through others if need be."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(ones), dtype=np.int8), (ones, others)), shape=(count, count))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(first[group], dtype=np.int64)


def without_common(codes: Array) -> Array:
    """The partition with every large group parted: what a good part of the rows share is no copy."""
    counts = np.bincount(codes, minlength=len(codes))[codes]
    return np.where(counts > max(MANY_COPIES * len(codes), 2), np.arange(len(codes)), codes)


def alike_pictures(small: Array, known: Array) -> Array:
    """int64 (n,): the first picture that is nearly the same, linked through others if need be; its own if none is.

    `small`: uint8 (n, side, side, 3). `known`: bool (n,), which of them are pictures.
    """
    codes = np.arange(len(small))
    rows = np.flatnonzero(known & (small.std(axis=(1, 2)).max(axis=1) >= FLAT)) if len(small) else codes
    if len(rows) < 2:
        return codes
    part = small.shape[1] // COARSE_SIDE
    coarse = np.concatenate(
        [
            _scaled(small[block].reshape(-1, COARSE_SIDE, part, COARSE_SIDE, part, 3).mean(axis=(2, 4)))
            for block in np.array_split(rows, -(-len(rows) // BLOCK))
        ]
    )
    least = max(ALIKE, 1.0 - (1.0 - _usual(coarse)) / TIMES_NEARER)
    ones, others = [codes[:0]], [codes[:0]]
    for start in range(0, len(rows), BLOCK):
        near = coarse[start : start + BLOCK] @ coarse[start:].T
        one, other = np.nonzero(_nearest(np.triu(near, 1)))
        for some in np.array_split(np.arange(len(one)), -(-len(one) // BLOCK)) if len(one) else ():
            a, b = rows[start + one[some]], rows[start + other[some]]
            sure = np.einsum("ij,ij->i", _scaled(small[a]), _scaled(small[b])) >= least
            ones.append(a[sure])
            others.append(b[sure])
    return linked(len(codes), np.concatenate(ones), np.concatenate(others))


def _nearest(near: Array) -> Array:
    """Which pairs are worth a closer look: of each row the nearest few. Of one background all are near to all."""
    worth = near >= COARSE
    if near.shape[1] > MOST_CANDIDATES_EACH:
        worth &= near >= np.partition(near, -MOST_CANDIDATES_EACH, axis=1)[:, -MOST_CANDIDATES_EACH, None]
    return np.asarray(worth)


def _usual(coarse: Array) -> float:
    """The correlation that a picture usually has with the nearest one that is no candidate for a copy."""
    some = np.unique(np.linspace(0, len(coarse) - 1, min(USUAL_OF, len(coarse))).astype(np.int64))
    near = coarse[some] @ coarse.T
    near[near >= COARSE] = -1.0
    return float(np.median(near.max(axis=1)))


def _scaled(pixels: Array) -> Array:
    """float32 (n, values), each colour with mean 0 and the whole of length 1, so that a product is a correlation."""
    centred = pixels.astype(np.float32)
    centred -= centred.mean(axis=(1, 2), keepdims=True)
    flat = centred.reshape(len(pixels), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def plain(text: str) -> str:
    """A text without what copies often differ in: case, marks, blanks, and which digits."""
    return " ".join(re.findall(r"\w+", re.sub(r"\d", "0", text.casefold())))


def alike_texts(texts: Sequence[str]) -> Array:
    """int64 (n,): the first text that is nearly the same; its own if none is. Empty ones are alike with none.

    Texts are the same by `plain`; longer ones also when most of their pairs of words are.
    """
    codes = np.arange(len(texts))
    first: dict[str, int] = {}
    plains = [plain(text) for text in texts]
    for row, text in enumerate(plains):
        if text:
            codes[row] = first.setdefault(text, row)
    some = itertools.islice(first.items(), MOST_TEXTS)
    pairs = {row: _pairs(text[:LONGEST_COMPARED]) for text, row in some}
    rows = np.array([row for row, each in pairs.items() if len(each) >= WORDS - 1], dtype=np.int64)
    if len(rows) < 2:
        return codes
    ones, others = [], []
    for one, other in zip(*_candidates([pairs[row] for row in rows]), strict=True):
        a, b = pairs[rows[one]], pairs[rows[other]]
        if min(len(a), len(b)) >= SIMILAR * max(len(a), len(b)):
            shared = len(np.intersect1d(a, b, assume_unique=True))
            if shared >= SIMILAR * (len(a) + len(b) - shared):
                ones.append(rows[one])
                others.append(rows[other])
    near = linked(len(texts), np.array(ones, dtype=np.int64), np.array(others, dtype=np.int64))
    return joined([codes, near])


def _pairs(text: str) -> Array:
    """The different pairs of neighbouring words, as sorted int64 hashes."""
    words = text.split()
    return np.unique(
        np.array([crc32(f"{one} {two}".encode()) for one, two in itertools.pairwise(words)], dtype=np.int64)
    )


def _candidates(sets: Sequence[Array]) -> tuple[Array, Array]:
    """Positions of sets that share a band of min-hashes, each pair once."""
    rng = np.random.default_rng(0)
    ends = np.cumsum([len(each) for each in sets])
    flat, starts = np.concatenate(sets).astype(np.uint64), np.concatenate([[0], ends[:-1]])
    found: set[tuple[int, int]] = set()
    for _ in range(HASHES // BAND):
        band = np.zeros(len(sets), dtype=np.uint64)
        for factor in rng.integers(1, 1 << 63, BAND, dtype=np.uint64) | np.uint64(1):
            mixed = flat * factor  # modulo 2**64: multiply-shift hashing
            mixed ^= mixed >> np.uint64(32)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            band = band * np.uint64(1_000_003) ^ np.minimum.reduceat(mixed, starts)
        order = np.argsort(band, kind="stable")
        for step in range(1, MOST_CANDIDATES + 1):
            near = np.flatnonzero(band[order[step:]] == band[order[:-step]])
            if not len(near):
                break
            found.update(zip(order[near].tolist(), order[near + step].tolist(), strict=True))
    pairs = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
