"""A store of its own for each test, with a really fitted model, and traffic that the model never saw."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.engine import FitResult
from automl.store import LoggedPrediction, Store, Version
from tests.monitoring.seeded import seeded as seeded

Log = Callable[[Store, pd.DataFrame], list[str]]


@pytest.fixture
def store(churn_fit: tuple[Store, FitResult], tmp_path: Path) -> Store:
    """A copy of the store that holds the model `churn`."""
    shutil.copytree(churn_fit[0].folder, tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def champion(store: Store) -> Version:
    return store.versions.find("churn")


@pytest.fixture(scope="session")
def traffic(churn_csv: Path) -> pd.DataFrame:
    """Rows of the example that the model was not fitted on, every cell text, target included."""
    frame = pd.read_csv(churn_csv, dtype=str, keep_default_na=False)
    return frame.iloc[1200:].sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="session")
def log(churn_fit: tuple[Store, FitResult]) -> Log:
    """Answer rows with the model and log them as the endpoint does; returns the prediction ids."""
    model = churn_fit[1].model
    numbers = {column.name for column in model.schema.of_kind("number")}

    def write(store: Store, frame: pd.DataFrame) -> list[str]:
        names = [column.name for column in model.schema.used]
        rows = [
            {name: _typed(cell, name in numbers) for name, cell in zip(names, cells, strict=True)}
            for cells in frame[names].itertuples(index=False)
        ]
        answers = model.answer({name: [row[name] for row in rows] for name in names})
        assert answers.probabilities is not None
        entries = [
            LoggedPrediction(
                id=uuid.uuid4().hex,
                time=datetime.now(UTC),
                name="churn",
                number=store.versions.find("churn").number,
                features=row,
                prediction=prediction,
                probabilities=dict(zip(model.schema.classes, map(float, probabilities), strict=True)),
            )
            for row, prediction, probabilities in zip(rows, answers.prediction, answers.probabilities, strict=True)
        ]
        store.log.write(entries)
        return [entry.id for entry in entries]

    return write


def _typed(cell: str, number: bool) -> str | float | None:
    if not cell.strip():
        return None
    return float(cell) if number else cell


def add_labels(store: Store, ids: Sequence[str], labels: Sequence[str]) -> None:
    store.log.add_labels("churn", zip(ids, labels, strict=True), source="test")


def label_by_gender(store: Store, traffic: pd.DataFrame, ids: list[str], wrong: float = 0.1) -> None:
    """A concept that the champion does not know: who churns hangs on the gender, but for some."""
    truth = traffic["gender"].head(len(ids)).map({"Female": "Yes", "Male": "No"}).to_numpy()
    flipped = np.random.default_rng(0).random(len(ids)) < wrong
    labels = np.where(flipped, np.where(truth == "Yes", "No", "Yes"), truth)
    add_labels(store, ids, labels.tolist())
