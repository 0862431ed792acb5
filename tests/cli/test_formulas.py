"""What others open: no formula in a CSV, no markup in a report."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from automl.cli.formulas import disarm, disarmed
from automl.data.schema import Column, Schema
from automl.engine import FitResult
from automl.model.artifact import load_model
from automl.report.account import Account
from automl.report.html import write_report
from automl.store import Store

from .conftest import Automl


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|'/c calc'!A1", "-yes", "--"]
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert disarm(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a", "+", "-", "-3", "+1.5e-7", "-1,234.5", "-7%", "1=1", -3, 2.5, None, True])
def test_other_cells_stay_as_they_are(cell: object) -> None:
    assert disarm(cell) is cell


def test_every_kind_of_column_and_every_name() -> None:
    frame = pd.DataFrame(
        {
            "=name": ["=a", "b"],
            "number": [-1.5, 2.0],
            "truth": [True, False],
            "level": pd.Categorical(["@x", "y"]),
            "text": pd.array(["+z+", None], dtype="string"),
        }
    )
    before = frame.copy()
    safe, count = disarmed(frame)
    assert count == 3
    assert list(safe.columns) == ["'=name", "number", "truth", "level", "text"]
    assert [safe["'=name"][0], safe["level"][0], safe["text"][0]] == ["'=a", "'@x", "'+z+"]
    assert safe["number"].tolist() == [-1.5, 2.0]
    assert safe["text"].isna().tolist() == [False, True]
    pd.testing.assert_frame_equal(frame, before)


def test_predict_writes_no_formula(
    automl: Automl, churn_fit: tuple[Store, FitResult], churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    home = shutil.copytree(churn_fit[0].folder, tmp_path / "store")
    rows = churn_rows.head(3).assign(key=["=HYPERLINK(1)", "-12", "plain"])
    rows.to_csv(tmp_path / "new.csv", index=False)
    for words in (["-o", tmp_path / "out.csv"], []):
        done = automl("predict", "churn", tmp_path / "new.csv", "--keep", "key", "--store", home, *words)
        assert done.code == 0, done.err
        assert "an apostrophe stands before 1 cell" in done.err
        text = (tmp_path / "out.csv").read_text() if words else done.out
        assert [row["key"] for row in csv.DictReader(text.splitlines())] == ["'=HYPERLINK(1)", "-12", "plain"]


def test_a_report_holds_no_markup_of_the_data(churn_fit: tuple[Store, FitResult], tmp_path: Path) -> None:
    evil = "<script>alert('1')</script>"
    model = load_model(churn_fit[1].version.folder)
    columns = (Column(evil, "category", levels=(evil, "b")), Column("x", "ignored", reason=evil))
    schema = Schema(columns, evil, "classify", (evil, "other"))
    group = {"group": evil, "rows": 1, "score": None, "answered": [0.5, 0.5], "true": [0.5, 0.5]}
    fairness = ({"column": evil, "metric": evil, "classes": [evil, evil], "groups": [group]},)
    card = replace(model.card, name=evil, metric=evil, notes=(evil,), fairness=fairness, fingerprint=evil)
    write_report(
        tmp_path / "report.html",
        replace(model, problem=replace(model.problem, schema=schema), card=card),
        [],
        [evil],
        Account(advice=(evil,)),
    )
    page = (tmp_path / "report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page.lower()
