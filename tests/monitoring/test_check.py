"""Checks on a really fitted model: quiet, drifted, ignored and labelled windows."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import typer

from automl.cli import build_app
from automl.model.artifact import load_model
from automl.store import Store, Version
from automl_monitoring.checking import run_check
from automl_monitoring.usage import source_column, usage_share
from automl_monitoring.window import reference_side
from tests.monitoring.conftest import Log, add_labels


def drifted(frame: pd.DataFrame) -> pd.DataFrame:
    """Newer customers on dearer monthly contracts."""
    charges = (frame["MonthlyCharges"].astype(float) * 1.6 + 20).round(2).astype(str)
    tenure = (frame["tenure"].astype(int) // 4).astype(str)
    return frame.assign(MonthlyCharges=charges, tenure=tenure, Contract="Month-to-month")


def test_few_rows_are_not_judged(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    assert run_check(store, champion, 1000).verdict == "unknown"
    log(store, drifted(traffic.head(20)))
    check = run_check(store, champion, 1000)
    assert check.verdict == "unknown"
    assert "Not enough rows" in check.reasons[0]
    assert check.report is None


def test_quiet_window_is_healthy(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(400))
    add_labels(store, ids, traffic["Churn"].head(400).tolist())
    check = run_check(store, champion, 1000, report=False)
    assert check.verdict == "healthy", check.reasons
    assert check.rows == check.labelled == 400
    assert [finding.verdict for finding in check.findings if finding.check == "performance"] == ["healthy"]
    assert not check.blocks


def test_drift_leads_to_act_and_leaves_a_report(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    log(store, drifted(traffic.head(300)))
    check = run_check(store, champion, 1000)
    assert check.verdict == "act"
    drift = next(finding for finding in check.findings if finding.check == "drift")
    assert {"tenure", "MonthlyCharges", "Contract"} <= set(drift.columns)
    assert drift.size is not None
    assert drift.size > 0.3
    assert drift.cost is not None
    assert check.report_error == ""
    assert check.report is not None
    assert "MonthlyCharges" in (store.folder / check.report).read_text(encoding="utf-8")
    stored = store.checks.of("churn")[-1]
    assert (stored.verdict, stored.rows, stored.report) == ("act", 300, check.report)


def test_a_column_that_the_model_ignores_never_leads_to_act(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    model = load_model(champion.folder)
    rows = reference_side(model, champion.folder).rows
    least = min(
        (column.name for column in model.schema.of_kind("category", "boolean")),
        key=lambda name: usage_share(model, rows, {name}),
    )
    log(store, traffic.head(300).assign(**{least: traffic[least].value_counts().index[-1]}))
    check = run_check(store, champion, 1000, report=False)
    assert check.verdict == "watch"
    assert {column for finding in check.findings for column in finding.columns} == {least}
    assert not check.blocks


def test_labels_reveal_a_changed_concept(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    window = traffic.head(300)
    ids = log(store, window)
    flipped = window["Churn"].map({"Yes": "No", "No": "Yes"}).tolist()
    add_labels(store, ids[:200], flipped[:200])
    check = run_check(store, champion, 1000)
    assert check.verdict == "act"
    assert check.labelled == 200
    assert [finding.verdict for finding in check.findings if finding.check == "performance"] == ["act"]
    assert check.report_error == ""


def test_broken_windows_are_still_judged_and_rendered(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    ids = log(store, traffic.head(200).assign(tenure="", MonthlyCharges="", Contract="Weekly"))
    add_labels(store, ids[:60], ["No"] * 60)
    check = run_check(store, champion, 1000)
    assert check.verdict == "act"
    assert check.report_error == ""
    assert "unseen level" in {issue.what for issue in check.issues}


def test_the_command_exits_with_3_on_act(
    store: Store, traffic: pd.DataFrame, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", "churn", "--store", str(store.folder), "--no-report"]
    log(store, drifted(traffic.head(200)))
    assert build_app()([*arguments, "--json"], standalone_mode=False) == 3
    record = json.loads(capsys.readouterr().out)
    assert record["verdict"] == "act"
    assert any("tenure" in finding["columns"] for finding in record["findings"])
    assert build_app()(arguments, standalone_mode=False) == 3
    said = capsys.readouterr().out
    assert "tenure" in said
    assert "automl retrain churn" in said
    assert isinstance(build_app(), typer.Typer)


def test_watched_quantities_are_traced_to_their_columns() -> None:
    assert source_column("review (length)", ["review", "rev"]) == "review"
    assert source_column("tenure", ["tenure"]) == "tenure"
    assert source_column("brightness", ["picture"]) is None
