"""The user's metric on the labels that have come, few, of one class or of some rows only; and where none have come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import Array
from automl.engine import FitResult
from automl.store import Store
from automl_monitoring.checks import estimate, performance
from automl_monitoring.checks.subject import Past, Subject
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.window import reference_side, window_side
from automl_monitoring.windows import Entries
from tests.monitoring.conftest import Log, add_labels


@pytest.fixture(scope="module")
def subject(
    churn_fit: tuple[Store, FitResult], log: Log, traffic: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    """1,000 rows of traffic with all their labels."""
    import shutil

    folder = tmp_path_factory.mktemp("performance") / "store"
    shutil.copytree(churn_fit[0].folder, folder)
    store, model = Store(folder), churn_fit[1].model
    rows = traffic.head(1_000)
    add_labels(store, log(store, rows), rows["Churn"].tolist())
    entries = store.log.newest("churn", 1_000)
    reference = reference_side(model, store.versions.find("churn").folder)
    return Subject(model, reference, window_side(model, entries), Entries.of(entries), CheckPolicy())


def labelled(subject: Subject, target: Array, known: Array | None = None) -> Subject:
    """The same rows with other labels, only those known that are said to be."""
    target = target if known is None else np.where(known, target, -1)
    return replace(subject, window=replace(subject.window, target=target))


def score_of(subject: Subject) -> float:
    [score] = [measure.value for measure in performance.examine(subject).measures if measure.name == "score"]
    return score


def test_a_quiet_window_is_healthy_with_its_interval(subject: Subject) -> None:
    found = performance.examine(subject)
    [finding] = found.findings
    assert finding.verdict == "healthy", finding.what
    assert finding.rows == 1_000
    score = next(measure for measure in found.measures if measure.name == "score")
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high
    assert score.reference is not None
    assert finding.cost == pytest.approx(score.reference - score.value)


def test_a_fall_acts_and_says_what_it_costs(subject: Subject) -> None:
    target = subject.window.target.copy()
    target[:400] = 1 - target[:400]
    [finding] = performance.examine(labelled(subject, target)).findings
    assert finding.verdict == "act"
    assert finding.cost is not None
    assert finding.cost > 0.1
    assert finding.p_value is not None
    assert finding.p_value < 0.0025
    assert "got worse" in finding.what


def test_few_labels_are_counted_but_not_judged(subject: Subject) -> None:
    found = performance.examine(labelled(subject, 1 - subject.window.target, np.arange(1_000) < 30))
    assert found.findings == ()
    assert [(measure.name, measure.value) for measure in found.measures] == [("labelled", 0.03)]


def test_labels_of_one_class_have_no_score_and_are_odd(subject: Subject) -> None:
    target = subject.window.target
    [finding] = performance.examine(labelled(subject, target, target == 1)).findings
    assert finding.verdict == "watch"
    assert "All" in finding.what
    assert "'Yes'" in finding.what


def test_labels_of_some_answers_only_count_for_all_rows(subject: Subject) -> None:
    """Sure answers are labelled four times as often, which by itself would look like a gain."""
    sure = np.abs(subject.window.outputs[:, 1] - 0.3) > 0.25
    known = np.random.default_rng(0).random(1_000) < np.where(sure, 0.8, 0.2)
    target, outputs = subject.window.target[known], subject.window.outputs[known]
    [finding] = performance.examine(labelled(subject, subject.window.target, known)).findings
    assert finding.verdict == "healthy"
    assert "answered differently" in finding.what
    whole, naive = score_of(subject), subject.metric.score(target, outputs)
    weighed = score_of(labelled(subject, subject.window.target, known))
    assert abs(weighed - whole) < abs(naive - whole)
    turned = np.where(np.arange(1_000) % 2 == 0, 1 - subject.window.target, subject.window.target)
    [finding] = performance.examine(labelled(subject, turned, known)).findings
    assert finding.verdict == "act"


def test_answers_without_labels_are_left_out_and_said(subject: Subject) -> None:
    known = subject.window.outputs[:, 1] < np.quantile(subject.window.outputs[:, 1], 0.6)
    [finding] = performance.examine(labelled(subject, subject.window.target, known)).findings
    assert finding.verdict == "healthy"
    assert "left out" in finding.what


def test_labels_that_lag_are_said(subject: Subject) -> None:
    [finding] = performance.examine(labelled(subject, subject.window.target, np.arange(1_000) < 700)).findings
    assert "The newest 300 rows have no labels yet." in finding.what


def unsure(subject: Subject) -> Subject:
    """The rows that are hardest to tell, without their labels."""
    order = np.argsort(subject.window.outputs.max(axis=1))
    hidden = labelled(subject, np.full(len(subject.window), -1))
    return replace(hidden, window=hidden.window.take(order[:600]))


def test_a_fall_is_estimated_before_labels_come(subject: Subject) -> None:
    found = estimate.examine(unsure(subject))
    [finding], [measure] = found.findings, found.measures
    assert finding.verdict in ("watch", "act"), finding.what
    assert finding.cost is not None
    order = np.argsort(subject.window.outputs.max(axis=1))[:600]
    real = subject.metric.score(*subject.window.take(order).scored)
    assert measure.value == pytest.approx(real, abs=0.06)
    assert measure.reference is not None
    assert measure.reference - real == pytest.approx(finding.cost, abs=0.06)


def test_a_quiet_window_is_estimated_as_it_was(subject: Subject) -> None:
    [finding] = estimate.examine(labelled(subject, np.full(1_000, -1))).findings
    assert finding.verdict == "healthy"
    assert "is estimated at" in finding.what


def test_an_estimate_that_missed_a_fall_is_not_believed_for_some_time(subject: Subject) -> None:
    missed = Past(rows=500, labelled=500, begin=0.0, seconds=60.0, raised=frozenset({"performance"}))
    found = estimate.examine(replace(unsure(subject), past=(missed,)))
    assert found.measures == ()
    [finding] = found.findings
    assert finding.verdict == "healthy"
    assert "no estimate had seen" in finding.what
    seen = replace(missed, raised=frozenset({"performance", "estimate"}))
    assert estimate.examine(replace(unsure(subject), past=(seen,))).measures != ()
