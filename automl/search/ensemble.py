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
WORTH = 1e-4  # relative gain that pays for a further member; below it lies the noise of choosing


def select_members(
    outputs: Mapping[int, Array], target: Array, metric: Metric, floor: float = math.inf, deadline: float = math.inf
) -> dict[int, int]:
    """Counts by trial number. `outputs`: number -> out-of-fold outputs aligned with `target`.

    Trials no better than `floor`, the loss of the best constant, are no candidates if there is any better one. Ends
    early at the `deadline` (a `time.time()` instant); at least the single best trial is chosen. Of equally good
    ensembles the smaller is taken.
    """
    losses = {number: metric.loss(target, output) for number, output in outputs.items()}
    ranked = sorted(losses, key=lambda number: losses[number])[:CANDIDATES]
    candidates = [number for number in ranked if not losses[number] >= floor] or ranked[:1]
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
        if trials[winner] < best - WORTH * abs(best):
            best, best_size = trials[winner], size
    return dict(Counter(chosen[:best_size]))
