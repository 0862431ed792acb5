"""Features as one dense matrix for models that need numbers without holes: linear ones and networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.task import Features

MOST_LEVELS = 64  # per category; the rarer ones share one column
MOST_RAMPS = 512  # of all numbers together
CLIP = 4.0  # robustly scaled numbers beyond this carry no more than "extreme"
KEPT_BYTES = 8 * 2**20  # a larger matrix is not remembered for the next trial
BLOCK_ROWS = 4_096


@dataclass(frozen=True)
class DenseEncoder:
    """Learned on training rows alone.

    Numbers: (value - center) / scale by median and half the interdecile range, squashed beyond CLIP; missing ones
    become the median and set an indicator if any was missing. Ramps: number `ramp_column` clipped between two of its
    neighbouring quantiles, `ramp_low` and `ramp_low + 1 / ramp_slope`, as 0 to 1; a linear function of a number's ramps
    is any function that is linear between its quantiles (piecewise-linear encoding, Gorishniy et al.,
    arXiv 2203.05556). Categories: one-hot of the frequent levels, one column for the rest. `slots[j, code + 1]` is the
    one-hot column of a code of category j; column 0 of it is for missing ones.
    """

    center: Array
    scale: Array
    indicator: Array
    ramp_column: Array
    ramp_low: Array
    ramp_slope: Array
    slots: Array
    width: int

    @classmethod
    def fit(cls, features: Features, ramps: int = 0) -> DenseEncoder:
        """Learn the encoding of these rows, with at most so many ramps a number (fewer where numbers are many)."""
        numbers = features["numbers"].astype(np.float64)
        holes = np.isnan(numbers)
        filled = np.where(holes.all(axis=0), 0.0, numbers)
        low, center, high = np.nanquantile(filled, [0.1, 0.5, 0.9], axis=0) if filled.shape[1] else np.zeros((3, 0))
        spread = np.nanstd(filled, axis=0) if filled.shape[1] else np.zeros(0)
        scale = np.where(high > low, (high - low) / 2, np.where(spread > 0, spread, 1.0))
        bends = cls._bends(filled, min(ramps, MOST_RAMPS // max(filled.shape[1], 1)))
        slots, width = cls._number_slots(features["codes"])
        return cls(center, scale, np.flatnonzero(holes.any(axis=0)), *bends, slots, width)

    @staticmethod
    def _bends(numbers: Array, ramps: int) -> tuple[Array, Array, Array]:
        """Column, lower end and slope of each ramp; a number of two values has none, for it is a ramp already."""
        columns, lows, slopes = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [np.zeros(0)]
        if ramps >= 2 and len(numbers):
            ends = np.nanquantile(numbers, np.linspace(0, 1, ramps + 1), axis=0)
            for column in range(numbers.shape[1]):
                different = np.unique(ends[:, column])
                if len(different) > 2:
                    columns.append(np.full(len(different) - 1, column))
                    lows.append(different[:-1])
                    slopes.append(1.0 / np.diff(different))
        return np.concatenate(columns), np.concatenate(lows), np.concatenate(slopes)

    @staticmethod
    def _number_slots(codes: Array) -> tuple[Array, int]:
        """Give each frequent level a one-hot column and the rest of its category a shared one."""
        most = int(codes.max(initial=-1)) + 2
        slots = np.zeros((codes.shape[1], most), dtype=np.int64)
        width = 0
        for position in range(codes.shape[1]):
            counts = np.bincount(codes[:, position] + 1, minlength=most)
            frequent = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
            frequent = frequent[counts[frequent] > 0]
            slots[position] = width + len(frequent)
            slots[position, frequent] = width + np.arange(len(frequent))
            width += len(frequent) + 1
        return slots, width

    @property
    def columns(self) -> int:
        """Columns of the dense matrix."""
        return len(self.center) + len(self.ramp_column) + len(self.indicator) + self.width

    def transform(self, features: Features) -> Array:
        """float64 (rows, columns)."""
        numbers = features["numbers"].astype(np.float64)
        codes = features["codes"]
        holes = np.isnan(numbers)
        filled = np.where(holes, self.center, numbers)
        matrix = np.zeros((len(numbers), self.columns))
        ends = np.cumsum([len(self.center), len(self.ramp_column), len(self.indicator)])
        matrix[:, : ends[0]] = CLIP * np.tanh((filled - self.center) / (self.scale * CLIP))
        if len(self.ramp_column):
            rise = (filled[:, self.ramp_column] - self.ramp_low) * self.ramp_slope
            matrix[:, ends[0] : ends[1]] = np.minimum(np.maximum(rise, 0.0), 1.0)
        matrix[:, ends[1] : ends[2]] = holes[:, self.indicator]
        if codes.shape[1]:
            shifted = codes + 1
            shifted = np.where(shifted < self.slots.shape[1], shifted, 0)
            columns = self.slots[np.arange(codes.shape[1]), shifted]
            matrix[np.arange(len(codes))[:, None], ends[2] + columns] = 1.0
        return matrix

    def blocks(self, features: Features, rows: int = BLOCK_ROWS) -> Iterator[Array]:
        """The matrix in blocks of so many rows, which bounds the memory; a single empty one for no rows."""
        for start in range(0, max(len(features), 1), rows):
            yield self.transform(
                Features({name: array[start : start + rows] for name, array in features.arrays.items()})
            )

    def matrix(self, features: Features) -> Array:
        """float32 (rows, columns), to learn from."""
        made = np.empty((len(features), self.columns), dtype=np.float32)
        for number, block in enumerate(self.blocks(features)):
            made[number * BLOCK_ROWS : number * BLOCK_ROWS + len(block)] = block
        return made

    def save(self, path: Path) -> None:
        """Write the encoder as safetensors."""
        arrays = {field.name: np.atleast_1d(getattr(self, field.name)) for field in fields(self)}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)

    @classmethod
    def load(cls, path: Path) -> DenseEncoder:
        arrays = load_file(path)
        return cls(**{**arrays, "width": int(arrays["width"][0])})


_known: WeakKeyDictionary[Features, dict[int, tuple[DenseEncoder, Array]]] = WeakKeyDictionary()


def encoded(train: Features, ramps: int = 0) -> tuple[DenseEncoder, Array]:
    """The encoder of these rows and their matrix, float32 and read-only; remembered, as each trial of a fold asks."""
    known = _known.setdefault(train, {})
    if ramps not in known:
        encoder = DenseEncoder.fit(train, ramps)
        matrix = encoder.matrix(train)
        matrix.flags.writeable = False
        if matrix.nbytes > KEPT_BYTES:
            return encoder, matrix
        known[ramps] = (encoder, matrix)
    return known[ramps]


def softmax(scores: Array) -> Array:
    """Probabilities of scores (..., classes)."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
