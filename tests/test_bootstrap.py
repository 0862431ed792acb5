"""Bootstrap distributions: honest also where neighbours in time tell the same story twice."""

from __future__ import annotations

import numpy as np
import pytest

from automl.bootstrap import block_length, paired_gain
from automl.metrics import find_metric

ROWS = 600


def _series(rng: np.random.Generator, persistence: float) -> np.ndarray:
    """A stationary series of mean 0 and variance 1, in which a value keeps so much of the one before."""
    noise = rng.normal(size=ROWS) * np.sqrt(1 - persistence**2)
    values = np.empty(ROWS)
    values[0] = rng.normal()
    for place in range(1, ROWS):
        values[place] = persistence * values[place - 1] + noise[place]
    return values


def test_blocks_are_as_long_as_the_memory_of_the_series() -> None:
    rng = np.random.default_rng(0)
    alone = [block_length(_series(rng, 0.0)) for _ in range(50)]
    together = [block_length(_series(rng, 0.9)) for _ in range(50)]
    assert np.median(alone) == 1
    assert 10 <= np.median(together) <= 30


@pytest.mark.parametrize("series", [np.zeros(500), np.arange(5.0), np.full(100, np.nan)])
def test_where_nothing_can_be_told_each_row_stands_alone(series: np.ndarray) -> None:
    assert block_length(series) == 1


def test_blocks_keep_a_gain_by_chance_from_looking_sure() -> None:
    """Two models that are equally good, whose differences last for some rows: how often does one look surely better?"""
    rng, metric, sure = np.random.default_rng(1), find_metric("mae"), {"rows": 0, "blocks": 0}
    tries = 60
    for _ in range(tries):
        difference = _series(rng, 0.9)
        target, champion = np.zeros(ROWS), np.full(ROWS, 10.0)
        challenger = champion + difference
        lengths = {"rows": 1, "blocks": block_length(difference)}
        for how, block in lengths.items():
            gains = paired_gain(metric, target, champion, challenger, resamples=200, block=block)
            sure[how] += bool(np.quantile(gains, 0.05) > 0)
    assert sure["rows"] / tries > 0.25
    assert sure["blocks"] / tries < 0.15
