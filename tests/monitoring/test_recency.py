"""Old rows beside new ones: after a change of the concept they do not drown them, and before it they stay."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from automl.data.dataset import Dataset
from automl.data.reading import Table
from automl.opening import prepare
from automl.request import FitRequest
from automl.task import Problem
from automl_monitoring.retraining.recency import Choice, Recency, choose_recency, ways

OLD, NEW = 1500, 300


def dataset(flip: bool) -> Dataset:
    """Two numbers decide; in the new rows, if the concept flips, the other way round."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(OLD + NEW, 2)), columns=["a", "b"])
    score = 2 * frame["a"] + frame["b"] + rng.normal(size=len(frame))
    if flip:
        score.iloc[OLD:] = -score.iloc[OLD:]
    frame["y"] = np.where(score > 0, "yes", "no")
    return prepare(Table(frame), FitRequest(target="y", metric="roc_auc")).dataset


def chosen(flip: bool) -> Choice:
    known = dataset(flip)
    problem = Problem(known.schema, "tabular", "roc_auc")
    return choose_recency(known, NEW, ways(OLD, NEW, 0, 0.5), problem, (), time.time() + 60)


def test_after_a_flip_the_new_rows_decide() -> None:
    choice = chosen(flip=True)
    assert choice.recency.name in ("weighted", "recent", "new")
    scores = dict(choice.scores)
    assert scores[choice.recency.name] > scores["all"] + 0.2
    assert "roc_auc" in choice.why


def test_without_one_all_rows_stay() -> None:
    assert chosen(flip=False).recency == Recency("all", OLD)


def test_rows_from_outside_never_get_more_than_their_share() -> None:
    assert [way.name for way in ways(1000, 100, 0, 0.5)] == ["all", "weighted", "recent", "new"]
    assert ways(1000, 100, 100, 0.5) == [Recency("all", 1000), Recency("weighted", 1000, 10.0), Recency("recent", 100)]
    assert ways(1000, 100, 100, 0.05)[1:] == []
    assert [way.name for way in ways(100, 1000, 0, 0.5)] == ["all", "new"]


def test_too_few_new_rows_choose_nothing() -> None:
    known = dataset(flip=True)
    problem = Problem(known.schema, "tabular", "roc_auc")
    choice = choose_recency(known, 50, ways(OLD, 50, 0, 0.5), problem, (), time.time() + 60)
    assert choice == Choice(Recency("all", len(known) - 300))
