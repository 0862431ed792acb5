"""Features as one dense matrix for models that need numbers without holes: linear ones and networks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.task import Features

MOST_LEVELS = 64  # per category; the rarer ones share one column
CLIP = 4.0  # robustly scaled numbers beyond this carry no more than "extreme"


@dataclass(frozen=True)
class DenseEncoder:
    """Learned on training rows alone.

    Numbers: (value - center) / scale by median and half the interdecile range, squashed beyond CLIP; missing ones
    become 0 and set an indicator if any was missing. Categories: one-hot of the frequent levels, one column for the
    rest. `slots[j, code + 1]` is the one-hot column of a code of category j; column 0 of it is for missing ones.
    """

    center: Array
    scale: Array
    indicator: Array
    slots: Array
    width: int

    @classmethod
    def fit(cls, features: Features) -> DenseEncoder:
        """Learn the encoding of these rows."""
        numbers = features["numbers"].astype(np.float64)
        holes = np.isnan(numbers)
        filled = np.where(holes.all(axis=0), 0.0, numbers)
        low, center, high = np.nanquantile(filled, [0.1, 0.5, 0.9], axis=0) if filled.shape[1] else np.zeros((3, 0))
        spread = np.nanstd(filled, axis=0) if filled.shape[1] else np.zeros(0)
        scale = np.where(high > low, (high - low) / 2, np.where(spread > 0, spread, 1.0))
        slots, width = cls._number_slots(features["codes"])
        return cls(center, scale, np.flatnonzero(holes.any(axis=0)), slots, width)

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
        return len(self.center) + len(self.indicator) + self.width

    def transform(self, features: Features) -> Array:
        """float64 (rows, columns)."""
        numbers = features["numbers"].astype(np.float64)
        rows = len(numbers)
        holes = np.isnan(numbers)
        scaled = np.where(holes, 0.0, (numbers - self.center) / self.scale)
        scaled = CLIP * np.tanh(scaled / CLIP)
        onehot = np.zeros((rows, self.width))
        codes = features["codes"]
        if codes.shape[1]:
            shifted = codes.astype(np.int64) + 1
            shifted = np.where(shifted < self.slots.shape[1], shifted, 0)
            columns = np.take_along_axis(self.slots, shifted.T, axis=1).T
            onehot[np.arange(rows)[:, None], columns] = 1.0
        return np.concatenate([scaled, holes[:, self.indicator].astype(np.float64), onehot], axis=1)

    def save(self, path: Path) -> None:
        """Write the encoder as safetensors."""
        arrays = {field.name: np.atleast_1d(getattr(self, field.name)) for field in fields(self)}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)

    @classmethod
    def load(cls, path: Path) -> DenseEncoder:
        arrays = load_file(path)
        return cls(**{**arrays, "width": int(arrays["width"][0])})


def softmax(scores: Array) -> Array:
    """Row-wise probabilities of (rows, classes) scores."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
