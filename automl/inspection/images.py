"""What is odd about the pictures: unreadable, there more than once, tiny, huge, empty, stored in several ways."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from automl.data.columnar import Array
from automl.data.dataset import Dataset
from automl.data.splits import are_kept_together
from automl.inspection.findings import Finding, counted, listed, percent
from automl.inspection.gallery import COMPARED, Galleries, Gallery

TINY = 16  # pixels of the shorter side
HUGE = 12_000_000  # pixels: slow to decode, and hardly more than a smaller one says
LONG = 3.0  # times as long as wide: squeezed to a square little is left
BLANK = 2.0  # standard deviation of the pixels, of 255
MANY = 0.05  # of the pictures
SHOWN = 3
# Pillow's modes as people say them; what is not here is called by its name.
MODES = {
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "RGBX": "colour",
    "L": "grey",
    "LA": "grey with transparency",
    "1": "black and white",
    "P": "palette",
    "PA": "palette with transparency",
    "CMYK": "CMYK",
    "YCbCr": "colour",
    "I": "32-bit grey",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "F": "32-bit grey",
}


def find(galleries: Galleries, dataset: Dataset | None = None) -> list[Finding]:
    """All that is odd, by column; with a dataset also the same pictures under different labels."""
    found: list[Finding] = []
    for gallery in galleries.values():
        found += [*_broken(gallery), *_copies(gallery), *_sizes(gallery), *_blank(gallery), *_modes(gallery)]
        if dataset is not None and dataset.schema.task == "classify":
            found += _contradictions(gallery, dataset)
    return found


def _broken(gallery: Gallery) -> Iterator[Finding]:
    rows = np.flatnonzero(gallery.broken)
    if len(rows):
        there = len(rows) + int(gallery.read.sum())
        share = len(rows) / there
        yield Finding(
            "quality.broken_image",
            "problem" if share > 0.5 else "warning",
            f"Column {gallery.name!r}: {len(rows):,} of {there:,} pictures cannot be read ({percent(share)}).",
            (gallery.name,),
            len(rows),
            "learned as missing; a row that holds nothing else is left out",
            "remove or replace the files",
            tuple(f"{gallery.named(row)}: {gallery.complaints[row]}" for row in rows[:SHOWN]),
        )


def _copies(gallery: Gallery) -> Iterator[Finding]:
    every, pictures = np.arange(len(gallery)), int(gallery.read.sum())
    action = (
        "kept, and validated together so that none is judged by its twin"
        if are_kept_together(gallery.alike)
        else "kept: with so few different pictures, or so many of one, they are not kept together"
    )
    same = np.flatnonzero(gallery.same != every)
    near = np.flatnonzero((gallery.alike != every) & (gallery.same == every))
    limit = f" (of the first {COMPARED:,})" if len(gallery) > COMPARED else ""
    for check, rows, firsts, what in (
        ("quality.image_copies", same, gallery.same, f"of {pictures:,} {_copy(same)} of an earlier one"),
        (
            "quality.image_near_copies",
            near,
            gallery.alike,
            f"of {pictures:,} {_are(near)} nearly the same as an earlier one{limit}, at another size, quality or "
            "brightness",
        ),
    ):
        if len(rows):
            yield Finding(
                check,
                "warning" if len(rows) > MANY * pictures else "note",
                f"Column {gallery.name!r}: {counted(len(rows), 'picture')} {what}.",
                (gallery.name,),
                len(rows),
                action,
                "remove the copies",
                _pairs(gallery, rows, firsts),
            )


def _contradictions(gallery: Gallery, dataset: Dataset) -> Iterator[Finding]:
    """The same picture in two classes: one of the labels is wrong, or a picture shows both."""
    target = dataset.target
    firsts = gallery.alike
    low, high = np.full(len(target), len(dataset.schema.classes)), np.full(len(target), -1)
    np.minimum.at(low, firsts, target)
    np.maximum.at(high, firsts, target)
    rows = np.flatnonzero((low < high)[firsts])
    if len(rows):
        others = [int(row) for row in rows if firsts[row] != row and target[row] != target[firsts[row]]]
        yield Finding(
            "quality.image_contradictions",
            "warning",
            f"Column {gallery.name!r}: {counted(len(rows), 'picture')} (nearly) the same as another one that has a "
            f"different {dataset.schema.target!r}.",
            (gallery.name,),
            len(rows),
            "kept: the model learns how likely each label is",
            "look at them: one of the labels is wrong, or both are right",
            _pairs(gallery, others, firsts),
        )


def _sizes(gallery: Gallery) -> Iterator[Finding]:
    wide, high = gallery.sizes[:, 0].astype(np.int64), gallery.sizes[:, 1].astype(np.int64)
    shorter, longer = np.minimum(wide, high), np.maximum(wide, high)
    for check, odd, what, action in (
        ("tiny", gallery.read & (shorter < TINY), f"less than {TINY} pixels wide or high", "blown up"),
        ("huge", gallery.read & (wide * high > HUGE), f"more than {HUGE // 10**6} million pixels", "scaled down"),
        (
            "long",
            gallery.read & (shorter >= TINY) & (longer > LONG * shorter),
            f"more than {LONG:.0f} times as long as wide",
            "squeezed to squares",
        ),
    ):
        rows = np.flatnonzero(odd)
        if len(rows):
            verb = "has" if check == "huge" and len(rows) == 1 else "have" if check == "huge" else _are(rows)
            yield Finding(
                f"quality.image_{check}",
                "warning" if len(rows) > MANY * gallery.read.sum() else "note",
                f"Column {gallery.name!r}: {counted(len(rows), 'picture')} {verb} {what}.",
                (gallery.name,),
                len(rows),
                action,
                examples=tuple(f"{gallery.named(row)}: {wide[row]} x {high[row]}" for row in rows[:SHOWN]),
            )


def _blank(gallery: Gallery) -> Iterator[Finding]:
    rows = np.flatnonzero(gallery.read & (gallery.spread < BLANK))
    if len(rows):
        yield Finding(
            "quality.image_blank",
            "warning" if len(rows) > MANY * gallery.read.sum() else "note",
            f"Column {gallery.name!r}: {counted(len(rows), 'picture')} {_are(rows)} of one colour all over.",
            (gallery.name,),
            len(rows),
            "kept",
            "remove them, if they show nothing",
            tuple(gallery.named(row) for row in rows[:SHOWN]),
        )


def _modes(gallery: Gallery) -> Iterator[Finding]:
    """Several ways of storing, or turned ones: no harm here, but other programs may read them otherwise."""
    kinds = Counter(MODES.get(mode, mode) for mode in gallery.modes if mode)
    turned = int((gallery.turned & gallery.read).sum())
    if len(kinds) > 1 or turned:
        said = [f"{kind} {count:,}" for kind, count in kinds.most_common()]
        said += [f"turned by their camera's mark (EXIF) {turned:,}"] * bool(turned)
        yield Finding(
            "quality.image_modes",
            "note",
            f"Column {gallery.name!r}: pictures are stored in several ways: {listed(said, most=8)}.",
            (gallery.name,),
            sum(kinds.values()) - max(kinds.values(), default=0) + turned,
            "all are read alike, here and when predicting: upright, red green blue, on white",
        )


def _are(rows: Array) -> str:
    return "is" if len(rows) == 1 else "are"


def _copy(rows: Array) -> str:
    return "is a copy" if len(rows) == 1 else "are copies"


def _pairs(gallery: Gallery, rows: Iterable[int], firsts: Array) -> tuple[str, ...]:
    shown = itertools.islice(rows, SHOWN)
    return tuple(f"{gallery.named(row)} = {gallery.named(firsts[row])}" for row in shown)
