"""Rows as a client holds them, one or a few at a time: the same numbers as the whole table at once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.row_path import FEW_ROWS
from automl.errors import DataError
from automl.model.artifact import load_model
from automl.model.model import Model, combine, settle


@pytest.fixture(scope="module")
def model(saved: Path) -> Model:
    """The model with every family, as anyone loads it."""
    return load_model(saved)


@pytest.fixture(scope="module")
def records(churn_rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows that the model has not seen, enough to be read by columns, with holes and odd cells."""
    rows = churn_rows.iloc[600 : 601 + FEW_ROWS].drop(columns="Churn").to_dict("records")
    rows[1]["MonthlyCharges"] = " "
    rows[2]["Contract"] = "For ever"
    rows[3]["tenure"] = 12
    rows[4]["SeniorCitizen"] = True
    rows[5]["TotalCharges"] = math.nan
    return rows


def test_a_record_alone_is_a_row_of_the_table(model: Model, records: list[dict[str, Any]]) -> None:
    table = pd.DataFrame(records)
    expected = model.predict_proba(table)
    for data in (records, table.to_dict("list")):
        np.testing.assert_array_equal(model.predict_proba(data), expected)
    few = model.predict_proba(table.head(FEW_ROWS))
    np.testing.assert_array_equal(few, expected[:FEW_ROWS])
    alone = pd.concat([model.predict_proba([record]) for record in records], ignore_index=True)
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)
    answers = [model.predict([record])[0] for record in records]
    assert answers == model.predict(table).tolist()


def test_records_may_be_ragged(model: Model, records: list[dict[str, Any]]) -> None:
    ragged = [dict(record) for record in records[:4]]
    del ragged[0]["Contract"]
    ragged[1]["further"] = "not asked"
    filled = [{**ragged[0], "Contract": None}, *records[1:4]]
    np.testing.assert_array_equal(model.predict_proba(ragged), model.predict_proba(filled))
    with pytest.raises(DataError, match="Column 'Contract' is missing"):
        model.predict([ragged[0]])


def test_no_records_are_refused(model: Model) -> None:
    with pytest.raises(DataError, match="no rows"):
        model.predict([])


def test_mixing_does_not_depend_on_company() -> None:
    rng = np.random.default_rng(0)
    outputs = [rng.dirichlet([1, 1, 1], 500) for _ in range(5)]
    weights = [0.1, 0.3, 0.05, 0.35, 0.2]
    whole = combine(weights, outputs)
    alone = [combine(weights, [output[[row]] for output in outputs])[0] for row in range(500)]
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_allclose(whole, np.average(outputs, axis=0, weights=weights), rtol=1e-14)
    numbers = combine([2, 1], [np.array([3.0]), np.array([6.0])])
    assert settle(numbers).tolist() == [4.0]
