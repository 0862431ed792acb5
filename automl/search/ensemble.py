"""Greedy ensemble selection over out-of-fold predictions.

Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004: add, with replacement, whichever
member helps most; the counts are the weights.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping

from automl.data.dataset import Array
from automl.metrics import Metric

ROUNDS = 25  # more gave no measurable gain (Salinas & Erickson, TabRepo, AutoML 2024)
CANDIDATES = 30  # the best by their own loss; each round tries all of them


def select_members(
    outputs: Mapping[int, Array], target: Array, metric: Metric, deadline: float = math.inf
) -> dict[int, int]:
    """Counts by trial number. `outputs`: number -> out-of-fold outputs aligned with `target`.

    Ends early at the `deadline` (a `time.time()` instant); at least the single best trial is chosen. Of equally
    good ensembles the smaller is taken.
    """
    losses = {number: metric.loss(target, output) for number, output in outputs.items()}
    candidates = sorted(losses, key=lambda number: losses[number])[:CANDIDATES]
    chosen = [candidates[0]]
    total = outputs[candidates[0]].copy()
    best, best_size = losses[candidates[0]], 1
    for size in range(2, ROUNDS + 1):
        if time.time() >= deadline:
            break
        trials = {number: metric.loss(target, (total + outputs[number]) / size) for number in candidates}
        winner = min(candidates, key=lambda number: trials[number])
        chosen.append(winner)
        total += outputs[winner]
        if trials[winner] < best:
            best, best_size = trials[winner], size
    return dict(Counter(chosen[:best_size]))
