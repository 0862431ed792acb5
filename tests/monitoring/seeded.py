"""A store after a few rounds of the loop, made by the real functions: quiet windows, a shift, labels, a retraining."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.predict import loggable_rows
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.model.artifact import load_model
from automl.model.logged import log_entries
from automl.store import Store
from automl_monitoring.checking import Check, run_check
from automl_monitoring.policy import Policy, RetrainPolicy
from automl_monitoring.retraining import retrain

NAME = "churn"
STRANGE = "strange"
COLUMNS = ["tenure", "Contract", "InternetService", "PaymentMethod", "MonthlyCharges", "Churn"]  # each costs seconds
WINDOW = 150
POLICY = Policy(retrain=RetrainPolicy(time="20s", least_labels=100))
MARKUP = "<script>window.hacked=1</script>"
COLUMN = f'bill"\'&{MARKUP}<img src=x onerror="hacked=1">'
LEVEL = f"</script></svg></title>{MARKUP}"


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> Iterator[Store]:
    """The store, made once; tests must not change it."""
    store = seeded_store(tmp_path_factory.mktemp("seeded"), churn_rows)
    yield store
    store.close()


def seeded_store(folder: Path, rows: pd.DataFrame) -> Store:
    """A champion that knows nothing, whose challenger is promoted; and a model whose names are markup."""
    store = Store(folder)
    rows = rows[COLUMNS]
    old, fresh = rows.iloc[:300].copy(), rows.iloc[300:].reset_index(drop=True)
    old["Churn"] = np.random.default_rng(0).permutation(old["Churn"].to_numpy())
    fit(store, NAME, old)
    for start in range(0, 4 * WINDOW, WINDOW):
        send(store, NAME, fresh.iloc[start : start + WINDOW])
        run_check(store, store.versions.find(NAME), WINDOW)
    send(store, NAME, shifted(fresh.iloc[:WINDOW]), labelled=False)
    run_check(store, store.versions.find(NAME), WINDOW)
    retrain(store, NAME, POLICY, max_trials=1, executor="inline")
    send(store, NAME, fresh.iloc[WINDOW : 2 * WINDOW], labelled=False)
    run_check(store, store.versions.find(NAME), WINDOW)
    seed_strange(store, rows)
    return store


def seed_strange(store: Store, rows: pd.DataFrame) -> Check:
    """A model with markup for a column and a level, both of which move."""
    frame = rows[["MonthlyCharges", "Contract", "Churn"]].rename(columns={"MonthlyCharges": COLUMN})
    frame["Contract"] = frame["Contract"].replace("Month-to-month", LEVEL)
    fit(store, STRANGE, frame.iloc[:300])
    fresh = frame.iloc[300 : 300 + WINDOW].copy()
    fresh[COLUMN] = (fresh[COLUMN].astype(float) + 80).round(2).astype(str)
    fresh["Contract"] = LEVEL
    send(store, STRANGE, fresh)
    return run_check(store, store.versions.find(STRANGE), WINDOW, report=False)


def fit(store: Store, name: str, frame: pd.DataFrame) -> None:
    request = FitRequest(target="Churn", name=name, seconds=20, max_trials=1, executor="inline")
    fit_table(Table(frame.reset_index(drop=True), name=name), request, store)


def send(store: Store, name: str, frame: pd.DataFrame, labelled: bool = True) -> None:
    """Answer rows as the champion, log them, and give their labels."""
    version = store.versions.find(name)
    model = load_model(version.folder)
    entries = log_entries(model, (name, version.number), loggable_rows(frame, model), model.answer(frame))
    store.log.write(entries)
    if labelled:
        pairs = zip([entry.id for entry in entries], frame["Churn"], strict=True)
        store.log.add_labels(name, pairs, source="test")


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of another world: all contracts are of two years, and who was new is of long standing."""
    return frame.assign(Contract="Two year", tenure=(frame["tenure"].astype(int) + 60).astype(str))
