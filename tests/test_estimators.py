"""AutoMLClassifier and AutoMLRegressor keep scikit-learn's contract, and take what data frames hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from automl import AutoMLClassifier, AutoMLRegressor, Store

TINY = {"max_trials": 1, "time_budget": 5, "executor": "inline"}
SKIPPED = {"check_array_api_input"}  # needs SCIPY_ARRAY_API and an array library that we do not use


@pytest.fixture(autouse=True)
def _temporary_stores_in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fit syncs what it writes; the checks make some three hundred fits."""
    memory = Path("/dev/shm")
    if memory.is_dir():
        monkeypatch.setattr(tempfile, "tempdir", str(memory))
    before = set(Path(tempfile.gettempdir()).glob("automl-*"))
    yield
    assert set(Path(tempfile.gettempdir()).glob("automl-*")) <= before, "a temporary store was left behind"


@pytest.mark.parametrize("estimator", [AutoMLClassifier(**TINY), AutoMLRegressor(**TINY)], ids=["classify", "regress"])
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn(estimator: AutoMLClassifier | AutoMLRegressor) -> None:
    """No check is expected to fail; all are run, so that the report names each that does."""
    failed, passed = [], 0
    for checked, check in estimator_checks_generator(estimator):
        name = check.func.__name__ if hasattr(check, "func") else check.__name__
        if name in SKIPPED:
            continue
        try:
            check(checked)
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {error}")
        else:
            passed += 1
    assert not failed, "\n".join(failed)
    assert passed >= 50


def frame(rows: int = 150) -> pd.DataFrame:
    """Numbers, categories, truths, dates and holes, one under the name that we give to the target."""
    rng = np.random.default_rng(0)
    colours = pd.Series(rng.choice(["red", "green", "blue"], rows))
    return pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "colour": colours.astype("category").where(rng.random(rows) > 0.1),
            "flag": rng.random(rows) > 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, rows), "D"),
            "target": rng.normal(size=rows),
        },
        index=np.arange(rows) + 1000,
    )


def test_a_data_frame_with_categories_and_text_labels_in_child_processes() -> None:
    X = frame()
    y = np.where((X["target"] > 0) ^ (X["colour"] == "red"), "stays", "goes")
    estimator = AutoMLClassifier(max_trials=2, time_budget=30, executor="local").fit(X, y)
    assert estimator.classes_.tolist() == ["goes", "stays"]
    assert estimator.feature_names_in_.tolist() == ["size", "colour", "flag", "day", "target"]
    assert [row.architecture for row in estimator.leaderboard_]
    shares = estimator.predict_proba(X)
    assert shares.shape == (150, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert (estimator.predict(X) == y).mean() > 0.8, "the column called target was not learned from"
    assert "target" in [column.name for column in estimator.model_.schema.used]


def test_a_regressor_on_a_data_frame() -> None:
    X = frame()
    y = 3 * X["target"] + X["flag"]
    estimator = AutoMLRegressor(**TINY).fit(X, y)
    assert estimator.score(X, y) > 0.9
    assert estimator.predict(X.iloc[::-1]).tolist() == estimator.predict(X)[::-1].tolist()


@pytest.mark.parametrize("labels", [[0, 1], [5, -3], [True, False], ["a", "b"], [1.0, 2.0]])
def test_labels_come_back_as_they_were_given(labels: list[object]) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    estimator = AutoMLClassifier(**TINY).fit(X, y)
    assert set(estimator.predict(X)) <= set(labels)
    assert estimator.predict(X).dtype == y.dtype
    assert estimator.score(X, y) > 0.8


def test_it_works_inside_scikit_learn() -> None:
    X = np.random.default_rng(0).normal(size=(90, 2))
    estimator = clone(AutoMLClassifier(**TINY, metric="log_loss"))
    assert estimator.get_params()["metric"] == "log_loss"
    scores = cross_val_score(estimator, X, X[:, 0] + X[:, 1] > 0, cv=2)
    assert scores.mean() > 0.7


def test_a_store_that_is_given_keeps_the_version(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    AutoMLClassifier(**TINY, store=str(tmp_path), name="kept").fit(X, X[:, 0] > 0)
    assert Store(tmp_path).versions.find("kept").number == 1
