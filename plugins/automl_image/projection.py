"""Blocks of descriptions of very different length made into one short row of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl_image.descriptors import Blocks

LEARNED_ROWS = 1_000  # their principal components hardly differ from those of all


@dataclass(frozen=True)
class Projection:
    """(block - centre) × scale of each block, side by side, onto the principal components.

    `names`: the order of the blocks; `centre`, `scale` (d,), `axes` (d, p) float32.
    """

    names: tuple[str, ...]
    centre: Array
    scale: Array
    axes: Array

    @classmethod
    def learn(cls, blocks: Blocks, weights: Mapping[str, float], components: int) -> Projection:
        """Of training rows. Each block has the mean square length of its weight, whatever its own scale."""
        names = tuple(blocks)
        centres = {name: block.mean(axis=0, dtype=np.float64) for name, block in blocks.items()}
        scales = {}
        for name, block in blocks.items():
            length = np.sqrt(np.mean(((block - centres[name]) ** 2).sum(axis=1)))
            scales[name] = np.full(block.shape[1], weights[name] / (length if length > 1e-6 else 1.0))
        centre = np.concatenate([centres[name] for name in names])
        scale = np.concatenate([scales[name] for name in names])
        some = slice(None, None, max(len(blocks[names[0]]) // LEARNED_ROWS, 1))
        x = (np.concatenate([blocks[name][some] for name in names], axis=1) - centre) * scale
        made = (np.ascontiguousarray(part, dtype=np.float32) for part in (centre, scale, _axes(x, components)))
        return cls(names, *made)

    def rows(self, blocks: Blocks) -> Array:
        """float32 (n, p). One row after the other: a matrix product rounds otherwise in other company."""
        x = (np.concatenate([blocks[name] for name in self.names], axis=1) - self.centre) * self.scale
        return np.stack([row @ self.axes for row in x])

    def arrays(self) -> dict[str, Array]:
        return {"centre": self.centre, "scale": self.scale, "axes": self.axes}


def _axes(x: Array, components: int) -> Array:
    """The first principal axes of centred rows, (d, p), the largest first; as many as there can be at most."""
    from scipy.linalg import eigh

    count = min(components, *x.shape)
    wide = x.shape[1] > x.shape[0]
    gram = x @ x.T if wide else x.T @ x
    size = len(gram)
    values, vectors = eigh(gram, subset_by_index=[size - count, size - 1])
    axes = x.T @ vectors if wide else vectors
    length = np.maximum(np.linalg.norm(axes, axis=0), 1e-12)
    axes = np.where(values > 1e-9 * max(values[-1], 1e-12), axes / length, 0.0)
    return np.asarray(axes[:, ::-1])
