"""The contract with Evidently: its figures are ours, for every task, and odd sides do not stop it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.data.dataset import Array, Rows, object_array
from automl.data.schema import Column, Schema
from automl.model.model import Card, Model
from automl.store import Version
from automl.task import Problem
from automl_monitoring.checking import Check, examine
from automl_monitoring.checks.subject import Subject
from automl_monitoring.evidently_adapter import MOST_ROWS, write_report
from automl_monitoring.findings import GRAVITY
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.reports import KEPT, keep_newest, report_due
from automl_monitoring.window import Side
from automl_monitoring.windows import Entries

COLUMNS = (Column("x", "number"), Column("level", "category", levels=("a", "b")))
VERSION = Version("m", 1, Path(), "classify", "tabular", "roc_auc", None, "")
TWO = Schema(COLUMNS, "y", "classify", ("no", "yes"))
THREE = Schema(COLUMNS, "y", "classify", ("p", "q", "r"))
NUMBER = Schema(COLUMNS, "y", "regress")
ENTRIES = Entries.of([])


def model(schema: Schema, metric: str) -> Model:
    output = np.full(len(schema.classes), 1 / len(schema.classes)) if schema.classes else np.array(0.0)
    return Model(Problem(schema, "tabular", metric), (), output, Card("m", metric, {}, 1, "", ""))


def side(schema: Schema, rows: int, seed: int, labelled: float = 1.0) -> Side:
    rng = np.random.default_rng(seed)
    x, code = rng.normal(size=rows), rng.integers(2, size=rows).astype(np.int32)
    outputs: Array = x + rng.normal(size=rows)
    target: Array = x + rng.normal(size=rows)
    if schema.task == "classify":
        target = rng.integers(len(schema.classes), size=rows)
        raw = rng.random((rows, len(schema.classes))) + np.eye(len(schema.classes))[target] * 0.7
        outputs = raw / raw.sum(axis=1, keepdims=True)
    target = np.where(rng.random(rows) < labelled, target, -1 if schema.classes else np.nan)
    features = {"x": x, "level": object_array(list("ab"))[code]}
    return Side(Rows({"x": x, "level": code}), features, outputs, target)


def rendered(schema: Schema, metric: str, sides: tuple[Side, Side], folder: Path) -> tuple[Check, dict[str, float]]:
    """A check and what Evidently's newest run in the workspace says: metric name -> value."""
    check = examine(VERSION, Subject(model(schema, metric), *sides, ENTRIES, CheckPolicy()))
    write_report(check, schema, sides, folder / "report.html", folder / "workspace")
    (snapshot,) = (folder / "workspace").glob("*/snapshots/*.json")
    results = json.loads(snapshot.read_text(encoding="utf-8"))["metric_results"].values()
    values = {}
    for result in results:
        where = result["metric_value_location"]["metric"]["params"]
        name = where["type"].rsplit(":", 1)[-1]
        values[f"{name}({where['column']})" if where.get("column") else name] = result.get("value", np.nan)
    return check, values


def measured(check: Check, name: str) -> dict[str, float]:
    """column -> value of a measure."""
    return {measure.column: measure.value for measure in check.outcome.measures if measure.name == name}


def test_two_classes_with_half_the_labels(tmp_path: Path) -> None:
    sides = side(TWO, 400, 0), side(TWO, 300, 1, labelled=0.5)
    check, values = rendered(TWO, "roc_auc", sides, tmp_path)
    assert values["RocAuc"] == pytest.approx(measured(check, "score")[""])
    assert values["RowCount"] == 300
    for column, distance in measured(check, "drift").items():
        assert values[f"ValueDrift({column})"] == pytest.approx(distance), column


def test_an_absent_class_and_numbers(tmp_path: Path) -> None:
    window = side(THREE, 200, 1)
    window = replace(window, target=np.minimum(window.target, 1))
    check, values = rendered(THREE, "accuracy", (side(THREE, 300, 0), window), tmp_path / "three")
    assert values["Accuracy"] == pytest.approx(measured(check, "score")[""])
    sides = side(NUMBER, 300, 0), side(NUMBER, 200, 1, labelled=0.5)
    check, values = rendered(NUMBER, "rmse", sides, tmp_path / "number")
    assert values["RMSE"] == pytest.approx(measured(check, "score")[""])


def test_empty_columns_one_class_and_no_labels(tmp_path: Path) -> None:
    window = side(TWO, 100, 1)
    gone = replace(window, features={**window.features, "x": np.full(100, np.nan)})
    check, values = rendered(TWO, "roc_auc", (side(TWO, 300, 0), gone), tmp_path / "empty")
    assert "x" in {column for finding in check.findings for column in finding.columns}
    assert "ValueDrift(x)" not in values
    for number, target in enumerate((np.zeros(100, dtype=np.int64), np.full(100, -1))):
        sides = side(TWO, 300, 0), replace(window, target=target)
        check, values = rendered(TWO, "accuracy", sides, tmp_path / str(number))
        assert "Accuracy" not in values
        assert "ValueDrift(x)" in values


def test_no_cell_can_end_the_script_of_a_report(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    schema = replace(TWO, columns=(COLUMNS[0], replace(COLUMNS[1], levels=(evil, "b"))))
    one, two = (
        replace(each, features={**each.features, "level": object_array([evil, "b"])[each.rows.arrays["level"]]})
        for each in (side(schema, 300, 1), side(schema, 300, 2))
    )
    rendered(schema, "roc_auc", (one, two), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "u003c/script>" in page
    assert evil not in page


def test_a_report_is_written_on_alarm_or_when_asked_for() -> None:
    assert [report_due(verdict, None) for verdict in GRAVITY] == [False, False, True, True]
    assert [report_due(verdict, True) for verdict in GRAVITY] == [False, True, True, True]
    assert not any(report_due(verdict, False) for verdict in GRAVITY)


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        (tmp_path / f"{number:03}.json").touch()
    keep_newest(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"{number:03}.json" for number in range(5, KEPT + 5)]


def test_many_rows_are_shown_by_a_sample(tmp_path: Path) -> None:
    _, values = rendered(TWO, "roc_auc", (side(TWO, 300, 0), side(TWO, MOST_ROWS + 500, 1)), tmp_path)
    assert values["RowCount"] == MOST_ROWS
