"""Performance without labels: right under a shift of the rows, and no claim where it could be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl.data.dataset import Array, Rows
from automl.metrics import Metric, find_metric
from automl_monitoring.checks.estimate import Estimate, estimate_score
from automl_monitoring.trust import thin_reference
from automl_monitoring.window import Side

AUC = find_metric("roc_auc")


def classified(rows: int, seed: int, spread: float = 1.0, slope: float = 1.0, concept: float = 1.0) -> Side:
    """Rows of one number that tells the class. `slope`: 1 where the model's log odds are right, 2 where they are twice
    as sure; `concept`: what the number means now, 1 as the model learned it."""
    rng = np.random.default_rng(seed)
    number = rng.normal(scale=spread, size=rows)
    target = (rng.random(rows) < 1 / (1 + np.exp(-2 * concept * number))).astype(np.int64)
    positive = 1 / (1 + np.exp(-2 * slope * number))
    return side(number, np.stack([1 - positive, positive], axis=1), target)


def measured(rows: int, seed: int, low: float = 0.0) -> Side:
    """Rows of one number, whose answers are the wronger, the larger it is."""
    rng = np.random.default_rng(seed)
    number = rng.uniform(low, 1, size=rows)
    noise = rng.standard_t(5, size=rows) * (0.2 + number)
    return side(number, 10 * number, 10 * number + noise)


def side(number: Array, outputs: Array, target: Array) -> Side:
    features = {"number": number, "level": np.where(number > 0.5, "high", "low").astype(object)}
    return Side(Rows({"number": number}), features, outputs, target)


def estimated(metric: Metric, reference: Side, window: Side, labels: int = 0) -> Estimate:
    """The estimate where only the first labels of the window are known."""
    target = window.target.copy()
    target[labels:] = -1 if target.dtype.kind == "i" else np.nan
    found = estimate_score(metric, reference, replace(window, target=target), 50)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "accuracy", "f1", "average_precision"])
@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_the_score_of_a_shifted_window_is_met(name: str, slope: float) -> None:
    metric, reference = find_metric(name), classified(3_000, 0, slope=slope)
    window = classified(2_000, 1, spread=0.6, slope=slope)
    found, real = estimated(metric, reference, window), metric.score(*window.scored)
    assert found.doubts == ()
    assert found.score == pytest.approx(real, abs=0.04)
    assert found.low <= real <= found.high
    assert abs(metric.score(*reference.scored) - real) > 0.04  # there was a fall to be estimated


@pytest.mark.parametrize("name", ["rmse", "mae", "median_ae", "r2"])
def test_the_error_of_values_is_met(name: str) -> None:
    metric, reference, window = find_metric(name), measured(3_000, 0), measured(1_500, 1, low=0.5)
    found, real = estimated(metric, reference, window), metric.score(*window.scored)
    assert found.doubts == ()
    assert found.score == pytest.approx(real, rel=0.08)
    assert found.low <= real <= found.high


def test_it_is_the_same_every_time() -> None:
    reference, window = measured(800, 0), measured(300, 1)
    one, other = (estimated(find_metric("rmse"), reference, window) for _ in range(2))
    assert (one.score, one.low, one.high) == (other.score, other.low, other.high)


def test_rows_beyond_the_reference_are_not_trusted() -> None:
    reference, window = classified(2_000, 0), classified(1_000, 1)
    far = replace(window, features={**window.features, "number": window.features["number"] + 6})
    assert any("outside" in doubt for doubt in estimated(AUC, reference, far).doubts)
    new = replace(window, features={**window.features, "level": np.full(1_000, "never seen", dtype=object)})
    assert any("outside" in doubt for doubt in estimated(AUC, reference, new).doubts)


def test_labels_that_say_something_else_are_heard() -> None:
    reference, turned = classified(2_000, 0), classified(1_000, 1, concept=-1.0)
    assert estimated(AUC, reference, turned).doubts == ()  # nothing can show it without labels
    assert any("labels" in doubt for doubt in estimated(AUC, reference, turned, labels=60).doubts)
    assert estimated(AUC, reference, classified(1_000, 2), labels=60).doubts == ()


def test_a_reference_whose_truths_change_along_its_rows_is_not_trusted() -> None:
    parts = [classified(1_000, 0, concept=2.0), classified(1_000, 1, concept=0.3)]
    outputs, target = (np.concatenate([getattr(part, name) for part in parts]) for name in ("outputs", "target"))
    reference = side(np.concatenate([part.features["number"] for part in parts]), outputs, target)
    assert any("along" in doubt for doubt in estimated(AUC, reference, classified(1_000, 2)).doubts)


def test_few_rows_are_not_trusted() -> None:
    reference = classified(2_000, 0)
    assert any("few rows" in doubt for doubt in estimated(AUC, reference, classified(60, 1)).doubts)
    assert "300 rows" in thin_reference(classified(300, 0))
    rare = replace(reference, target=(np.arange(2_000) < 20).astype(np.int64))
    assert "20 rows of the rarer class" in thin_reference(rare)
    assert thin_reference(reference) == ""
