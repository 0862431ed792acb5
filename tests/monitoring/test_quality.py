"""Broken data are told from a population that changed, by rows through a really fitted model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.predict import loggable_rows
from automl.engine import FitResult
from automl.model.artifact import load_model
from automl.model.logged import log_entries
from automl.model.model import Model
from automl.store import LoggedPrediction, Store, Version
from automl_monitoring.checking import Check, examine
from automl_monitoring.checks.subject import Past, Subject
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.usage import transported
from automl_monitoring.window import Side, reference_side, window_side
from automl_monitoring.windows import Entries

ROWS = 500
START = datetime(2026, 3, 1, tzinfo=UTC)
VERSION = Version("churn", 1, Path(), "classify", "tabular", "roc_auc", None, "")
USED = CheckPolicy(ignored_usage=0.0)  # a small model may ignore what is broken here; that has a test of its own


@pytest.fixture(scope="session")
def churn(churn_fit: tuple[Store, FitResult]) -> tuple[Model, Side]:
    folder = churn_fit[0].versions.find("churn").folder
    model = load_model(folder)
    return model, reference_side(model, folder)


def entries_of(model: Model, rows: pd.DataFrame, seconds: float = 600.0) -> list[LoggedPrediction]:
    entries = log_entries(model, ("churn", 1), loggable_rows(rows, model), model.answer(rows))
    step = timedelta(seconds=seconds / len(entries))
    return [replace(entry, time=START + step * place, sequence=place + 1) for place, entry in enumerate(entries)]


def checked(
    churn: tuple[Model, Side], entries: list[LoggedPrediction], past: tuple[Past, ...] = (), policy: CheckPolicy = USED
) -> Check:
    model, reference = churn
    window, given = window_side(model, entries), Entries.of(entries)
    return examine(VERSION, Subject(model, reference, window, given, policy, len(past), past))


def broken(check: Check) -> list[str]:
    return [finding.what for finding in check.findings if finding.blocks]


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    order = np.random.default_rng(0).permutation(len(rows))
    names = ["tenure", "Contract", "OnlineSecurity", "PaymentMethod"]
    return rows.assign(**{name: rows[name].to_numpy()[order] for name in names})


def some_missing(rows: pd.DataFrame) -> pd.DataFrame:
    gone = np.random.default_rng(0).random(len(rows)) < 0.2
    return rows.assign(MonthlyCharges=rows["MonthlyCharges"].mask(gone, ""))


FAULTS = {
    "units": (lambda rows: rows.assign(tenure=(rows["tenure"].astype(int) * 1000).astype(str)), "1,000 times larger"),
    "kilometres": (
        lambda rows: rows.assign(tenure=(rows["tenure"].astype(float) * 0.3048).astype(str)),
        "feet became metres",
    ),
    "nulls": (some_missing, "MonthlyCharges is missing in"),
    "unreadable": (lambda rows: rows.assign(tenure=rows["tenure"] + " months"), "are not a number"),
    "code": (
        lambda rows: rows.assign(tenure=rows["tenure"].mask(np.arange(len(rows)) % 8 == 0, "-999")),
        "a code for missing",
    ),
    "constant number": (lambda rows: rows.assign(MonthlyCharges="70.35"), "in all 500 rows"),
    "constant level": (lambda rows: rows.assign(PaymentMethod="Mailed check"), "in all 500 rows"),
    "renamed": (lambda rows: rows.replace({"Contract": {"Two year": "2y"}}), "'2y', never seen"),
    "spelling": (lambda rows: rows.assign(Contract=rows["Contract"].str.upper()), "renamed"),
    "join": (shuffled, "Was a join shuffled"),
    "repeats": (lambda rows: rows.iloc[np.arange(len(rows)) % 250].reset_index(drop=True), "repeat another row"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_data_block_and_say_why(churn: tuple[Model, Side], traffic: pd.DataFrame, fault: str) -> None:
    plant, words = FAULTS[fault]
    check = checked(churn, entries_of(churn[0], plant(traffic.head(ROWS).copy())))
    assert check.verdict == "act"
    assert any(words in what for what in broken(check)), broken(check)
    assert words in check.reasons[0] or len(broken(check)) > 1


CHANGES = {
    "nothing": lambda rows: rows.head(ROWS),
    "month to month only": lambda rows: rows[rows["Contract"] == "Month-to-month"].head(ROWS),
    "new customers": lambda rows: rows[rows["tenure"].astype(int) <= 12].head(ROWS),
    "dear ones": lambda rows: rows[rows["MonthlyCharges"].astype(float) > 70].head(ROWS),
    "no internet": lambda rows: rows[rows["InternetService"] == "No"].head(ROWS),
    "a new level": lambda rows: rows.head(ROWS).assign(
        PaymentMethod=rows["PaymentMethod"].head(ROWS).mask(np.arange(ROWS) % 5 == 0, "Telephone")
    ),
    "leavers": lambda rows: rows.sort_values("Churn", ascending=False, kind="stable").head(ROWS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_population_is_not_broken(churn: tuple[Model, Side], traffic: pd.DataFrame, change: str) -> None:
    rows = CHANGES[change](traffic).reset_index(drop=True)
    check = checked(churn, entries_of(churn[0], rows))
    assert not broken(check)
    assert (check.verdict == "healthy") == (change == "nothing")


def test_a_column_that_stopped_coming_and_a_new_one(churn: tuple[Model, Side], traffic: pd.DataFrame) -> None:
    entries = entries_of(churn[0], traffic.head(ROWS).assign(tenure=None))
    cells = [{name: cell for name, cell in each.features.items() if name != "tenure"} for each in entries]
    check = checked(churn, [replace(e, features={**c, "months": 3}) for e, c in zip(entries, cells, strict=True)])
    assert any("tenure stopped coming" in what for what in broken(check))
    assert any("does not know: months" in reason for reason in check.reasons)


def test_a_group_that_is_gone_and_rows_that_come_slowly(churn: tuple[Model, Side], traffic: pd.DataFrame) -> None:
    rows = traffic[traffic["PaymentMethod"] != "Mailed check"].head(ROWS).reset_index(drop=True)
    gone = checked(churn, entries_of(churn[0], rows))
    assert broken(gone) == [] or "Mailed check" in broken(gone)[0]
    usual = tuple(
        Past(ROWS, ROWS, (START - timedelta(minutes=11 * each)).timestamp(), 600.0 + each) for each in range(6, 0, -1)
    )
    slow = checked(churn, entries_of(churn[0], traffic.head(ROWS), 1_500.0), usual)
    assert any("of the usual pace" in what for what in broken(slow))
    assert any("Labels are late" in reason for reason in slow.reasons)
    assert checked(churn, entries_of(churn[0], traffic.head(ROWS), 620.0), usual).blocks is False
    night = tuple(
        replace(each, begin=each.begin - 40_000.0) for each in usual
    )  # one day holds no night to compare with
    assert not broken(checked(churn, entries_of(churn[0], traffic.head(ROWS), 9_000.0), night))


def test_a_broken_column_that_the_model_ignores_is_only_watched(
    churn: tuple[Model, Side], traffic: pd.DataFrame
) -> None:
    entries = entries_of(churn[0], traffic.head(ROWS).assign(PaymentMethod="Mailed check"))
    check = checked(churn, entries, policy=CheckPolicy(ignored_usage=1.0, act_usage=1.0, act_prediction=1.0))
    assert check.verdict == "watch"
    assert not check.blocks
    assert any("hardly uses it" in reason for reason in check.reasons)


def test_transport_gives_the_windows_distribution_and_changes_no_more_than_that() -> None:
    rng = np.random.default_rng(0)
    numbers, larger = rng.normal(size=400), 1_000 * rng.normal(size=300)
    moved = transported(numbers, larger, rng)
    assert np.corrcoef(moved, numbers)[0, 1] > 0.98
    assert np.median(moved) == pytest.approx(np.median(larger), abs=50)
    codes = np.repeat(np.array([0, 1], dtype=np.int32), [300, 100])
    wanted = np.repeat(np.array([0, 1, 2], dtype=np.int32), [100, 50, 50])
    recoded = transported(codes, wanted, rng)
    assert np.bincount(recoded).tolist() == [200, 100, 100]
    assert (recoded == codes).sum() == 300
