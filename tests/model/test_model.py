"""Same model, same rows: the same numbers, however the rows arrive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.cells import as_text
from automl.errors import DataError
from automl.hooks import find_task
from automl.model.artifact import load_model
from automl.model.model import Card, Model, settle
from automl.task import Problem


@pytest.fixture(scope="module")
def model(saved: Path) -> Model:
    """The model with every family, as anyone loads it."""
    return load_model(saved)


@pytest.fixture(scope="module")
def some(churn_rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that the model has not seen, with holes and a level that is new."""
    rows = churn_rows.iloc[600:640].drop(columns="Churn").reset_index(drop=True)
    rows.loc[1, "MonthlyCharges"] = ""
    rows.loc[2, "Contract"] = "For ever"
    rows.loc[3, "Partner"] = "who knows"
    return rows


@pytest.fixture(scope="module")
def expected(model: Model, some: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(some).to_numpy()


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The same cells as numbers where they are numbers."""
    return frame.assign(**{name: pd.to_numeric(frame[name], errors="coerce") for name in NUMBERS})


NUMBERS = ("SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges")
WAYS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "typed": typed,
    "nullable dtypes": lambda frame: typed(frame).convert_dtypes(),
    "categories": lambda frame: frame.astype("category"),
    "lists": lambda frame: {name: frame[name].tolist() for name in frame},
    "JSON": lambda frame: {name: [as_text(cell) for cell in frame[name]] for name in frame},
    "other order, more columns": lambda frame: frame[frame.columns[::-1]].assign(further=1, Churn="?"),
    "an index of its own": lambda frame: frame.set_index(pd.Index(range(900, 900 + len(frame)))),
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_the_same_in_every_form(model: Model, some: pd.DataFrame, expected: np.ndarray, way: str) -> None:
    np.testing.assert_array_equal(model.predict_proba(WAYS[way](some)), expected)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet", "jsonl"])
def test_rows_are_the_same_from_every_file(
    model: Model, some: pd.DataFrame, expected: np.ndarray, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        typed(some).to_parquet(path)
    elif ending == "jsonl":
        typed(some).to_json(path, orient="records", lines=True, double_precision=15)
    else:
        some.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    np.testing.assert_array_equal(model.predict_proba(path), expected)


def test_a_row_is_the_same_alone_and_in_company(model: Model, some: pd.DataFrame, expected: np.ndarray) -> None:
    alone = [model.predict_proba(some.iloc[[position]]).to_numpy()[0] for position in range(len(some))]
    np.testing.assert_array_equal(alone, expected)
    np.testing.assert_array_equal(model.predict_proba(some.iloc[::-1]).to_numpy(), expected[::-1])


def test_answers_keep_order_index_and_classes(model: Model, some: pd.DataFrame, expected: np.ndarray) -> None:
    shifted = some.set_index(pd.Index([f"row {number}" for number in range(len(some))]))
    answers, shares = model.predict(shifted), model.predict_proba(shifted)
    assert answers.index.equals(shifted.index)
    assert shares.index.equals(shifted.index)
    assert shares.columns.tolist() == ["No", "Yes"] == model.classes
    assert answers.tolist() == [model.classes[winner] for winner in expected.argmax(axis=1)]
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-11)


def test_what_could_not_be_read_is_counted(model: Model, some: pd.DataFrame) -> None:
    issues = {issue.column: (issue.what, issue.count) for issue in model.answer(some).issues}
    assert issues == {"Contract": ("unseen level", 1), "Partner": ("not a boolean", 1)}


def test_a_missing_column_and_no_rows_are_refused(model: Model, some: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="Column 'Contract' is missing"):
        model.predict(some.drop(columns="Contract"))
    with pytest.raises(DataError, match="no rows"):
        model.predict(some.head(0))


def test_a_model_without_members_answers_the_constant(model: Model, some: pd.DataFrame) -> None:
    card = Card("c", "roc_auc", {}, 1, "", "")
    constant = Model(model.problem, (), np.array([0.25, 0.75]), card)
    assert (constant.predict_proba(some) == [0.25, 0.75]).all().all()
    assert set(constant.predict(some)) == {"Yes"}
    number = Problem(model.schema.__class__(model.schema.columns, "y", "regress"), "tabular", "rmse")
    regression = Model(number, (), np.asarray(3.5), card)
    assert regression.predict(some).tolist() == [3.5] * len(some)
    with pytest.raises(DataError, match="no probabilities"):
        regression.predict_proba(some)
    assert find_task("tabular").name == regression.problem.modality


def test_settling_keeps_numbers_of_any_size() -> None:
    extremes = np.array([1e-310, -5e-324, 0.0, 1e308, -123.456])
    assert np.isfinite(settle(extremes)).all()
    np.testing.assert_allclose(settle(extremes), extremes, rtol=1e-11, atol=1e-300)
