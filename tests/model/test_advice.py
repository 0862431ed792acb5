"""What a finished search says would help next: nothing that was not measured."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import Dataset, conform, conform_target
from automl.data.schema import Column
from automl.data.splits import make_split
from automl.engine import FitResult
from automl.metrics import find_metric
from automl.model.advice import columns_advice, fit_verdict, rows_advice, time_advice
from automl.model.importance import ColumnWorth, Importance, importance, missing_share
from automl.search.run import TrialResult
from automl.store import Store

AUC, RMSE = find_metric("roc_auc"), find_metric("rmse")


def trial(train_loss: float, loss: float) -> TrialResult:
    return TrialResult(0, "catboost", {}, loss, (loss, loss), 1.0, 0.01, train_loss=train_loss)


@pytest.mark.parametrize(
    ("train", "other", "verdict"),
    [(0.852, 0.85, "No overfitting"), (0.89, 0.85, "Little overfitting"), (0.95, 0.85, "Some overfitting"),
     (0.99, 0.7, "Overfitting")],
)  # fmt: skip
def test_the_verdict_compares_what_is_learned_on_own_and_other_rows(train: float, other: float, verdict: str) -> None:
    [line] = fit_verdict(trial(-train, -other), -0.5, AUC)
    assert line.startswith(verdict)
    assert f": catboost has roc_auc {train:#.4g} on the rows it was taught with, {other:#.4g} on others." in line


def test_no_verdict_without_a_score_on_own_rows() -> None:
    assert fit_verdict(trial(math.nan, -0.8), -0.5, AUC) == []


def test_rows_are_asked_for_only_where_they_helped() -> None:
    assert rows_advice([], AUC, 0.01) == []
    [line] = rows_advice([[1000, 0.80], [2000, 0.84]], AUC, 0.01)
    assert line == "More rows would help: roc_auc 0.8000 with 1,000 rows, 0.8400 with 2,000."
    assert rows_advice([[1000, 5.0], [2000, 4.0]], RMSE, 0.1)[0].startswith("More rows would help")
    assert rows_advice([[1000, 0.80], [2000, 0.801]], AUC, 0.01)[0].startswith("More rows would hardly help")


def test_time_is_asked_for_only_where_the_end_still_brought_something() -> None:
    assert time_advice([-0.8, -0.81], AUC, 0.01)[0].startswith("Only 2 trials were finished")
    early = [-0.85, -0.8, -0.8, -0.8, -0.8, -0.8, -0.8]
    assert time_advice(early, AUC, 0.01) == [
        "More time would hardly help: the last third of 7 trials brought nothing better."
    ]
    assert "next to nothing" in time_advice([*early, -0.8501], AUC, 0.01)[0]
    [line] = time_advice([-0.7, -0.71, -0.72, -0.73, -0.8, -0.85], AUC, 0.01)
    assert line == "More time may help: the last third of 6 trials took roc_auc from 0.7300 to 0.8500."


def test_columns_are_named_by_what_they_are_worth() -> None:
    found = Importance(
        (
            ColumnWorth("Contract", 0.05, 0.001, 0.1, 0.0),
            ColumnWorth("tenure", 0.02, 0.001, 0.05, 0.12),
            ColumnWorth("luck", 0.01, 0.02, 0.02, 0.5),
            ColumnWorth("gender", 0.0, 0.001, 0.0001, 0.5),
        ),
        -0.85,
        500,
    )
    assert columns_advice(found, AUC) == [
        "Contract matters most (shuffled, roc_auc 0.8500 becomes 0.8000), then tenure.",
        "12% of tenure is missing: filling that in may help.",
        "gender adds nothing: leave it out with --exclude.",
    ]
    assert columns_advice(None, AUC) == []


def test_importance_is_measured_on_rows_that_were_not_learned(
    churn_fit: tuple[Store, FitResult], churn_rows: pd.DataFrame
) -> None:
    _, result = churn_fit
    model = result.model
    rows = conform(churn_rows, model.schema)
    dataset = Dataset(model.schema, rows, conform_target(churn_rows["Churn"], model.schema))
    split = make_split(dataset.target, dataset.schema, 0)
    found = importance(model, dataset, split, find_metric(model.card.metric), time.time() + 60)
    again = importance(model, dataset, split, find_metric(model.card.metric), 0.0)
    assert again is None
    if found is None:  # a machine so busy that nothing could be measured in the time
        pytest.skip("too slow to measure")
    assert {column.name for column in found.columns} == {column.name for column in model.schema.used}
    falls = [column.fall for column in found.columns]
    assert falls == sorted(falls, reverse=True)
    assert {"tenure", "Contract", "InternetService"} & {column.name for column in found.columns[:6]}
    thinned = tuple(replace(member, learners=member.learners[:2]) for member in model.members)
    fewer = importance(
        replace(model, members=thinned), dataset, split, find_metric(model.card.metric), time.time() + 60
    )
    assert fewer is not None, "two of the folds can still judge"
    assert fewer.rows < found.rows


def test_a_fit_gives_its_account(churn_fit: tuple[Store, FitResult]) -> None:
    _, result = churn_fit
    account = result.account
    assert {choice.name for choice in account.choices} == {"best", "balanced", "fastest"}
    assert account.taken == "best"
    assert account.ledger is not None
    assert next(name for name, _ in account.ledger.stages) == "reading"
    assert any("finished: more time tries more" in line for line in account.advice)
    page = (result.run_folder / "report.html").read_text()
    for heading in ("What the search shows", "Choices", "Leaderboard", "Where the time went"):
        assert f"<h2>{heading}</h2>" in page


def test_missing_cells_are_counted_by_kind() -> None:
    assert missing_share(Column("a", "number"), np.array([1.0, np.nan])) == 0.5
    assert missing_share(Column("a", "category"), np.array([0, -1, -1, 2])) == 0.5
    assert missing_share(Column("a", "text"), np.array(["x", ""], dtype=object)) == 0.5
    assert missing_share(Column("a", "image"), np.array([b"x", None], dtype=object)) == 0.5
