"""`automl predict` on rows that are not quite what the model knows: lenient with a count, or strict."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from automl.engine import FitResult
from automl.store import Store

from .conftest import Automl, check_refused


@pytest.fixture
def home(churn_fit: tuple[Store, FitResult], tmp_path: Path) -> Path:
    return Path(shutil.copytree(churn_fit[0].folder, tmp_path / "store"))


@pytest.fixture
def rows(churn_rows: pd.DataFrame) -> pd.DataFrame:
    return churn_rows.head(40).reset_index(drop=True)


def test_odd_cells_are_counted_or_refused(automl: Automl, home: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "new.csv"
    rows.loc[:2, "Contract"] = "For ever"
    rows.loc[5, "tenure"] = "long"
    rows[rows.columns[::-1]].assign(further=1).to_csv(source, index=False)
    lenient = automl("predict", "churn", source, "--store", home)
    assert lenient.code == 0
    notes = [line for line in lenient.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2
    assert any("3 cells of 'Contract'" in note for note in notes)
    assert any("1 cell of 'tenure' (not a number)" in note for note in notes)
    check_refused(automl("predict", "churn", source, "--strict", "--store", home), "tenure", "'long'")
    rows.loc[5, "tenure"] = "7"
    rows.to_csv(source, index=False)
    check_refused(automl("predict", "churn", source, "--strict", "--store", home), "'Contract'", "'For ever'")
    rows["Contract"] = "One year"
    rows.to_csv(source, index=False)
    strict, lenient = (automl("predict", "churn", source, *option, "--store", home) for option in (["--strict"], []))
    assert (strict.code, strict.err) == (0, "")
    assert strict.out == lenient.out


def test_a_column_that_may_be_missing_may_be_absent(
    automl: Automl, home: Path, rows: pd.DataFrame, tmp_path: Path, churn_fit: tuple[Store, FitResult]
) -> None:
    nullable = [column.name for column in churn_fit[1].model.schema.used if column.nullable]
    assert nullable == ["TotalCharges"]
    rows.drop(columns="TotalCharges").to_csv(tmp_path / "new.csv", index=False)
    lenient = automl("predict", "churn", tmp_path / "new.csv", "--log", "--store", home)
    assert lenient.code == 0
    assert "'TotalCharges' is not there" in lenient.err
    check_refused(automl("predict", "churn", tmp_path / "new.csv", "--strict", "--store", home), "TotalCharges")
    rows.drop(columns="Contract").to_csv(tmp_path / "new.csv", index=False)
    check_refused(automl("predict", "churn", tmp_path / "new.csv", "--store", home), "'Contract' is missing")


def test_rows_may_come_from_a_database(automl: Automl, home: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.to_csv(tmp_path / "new.csv", index=False)
    with sqlite3.connect(tmp_path / "new.sqlite") as database:
        rows.to_sql("customers", database, index=False)
        rows.head(3).to_sql("few", database, index=False)
    database.close()
    expected = automl("predict", "churn", tmp_path / "new.csv", "--store", home)
    source = tmp_path / "new.sqlite"
    by_table = automl("predict", "churn", source, "--table", "customers", "--store", home)
    assert by_table.out == expected.out
    query = "select * from customers limit 5"
    few = automl("predict", "churn", source, "--query", query, "--store", home)
    assert few.out.splitlines() == expected.out.splitlines()[:6]
