"""A model of texts from the endpoint to the check: what is logged of a request is what a check watches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_table
from automl.store import Store
from automl_monitoring.checking import Check, run_check
from automl_monitoring.policy import Policy
from automl_monitoring.retraining import retrain
from automl_serving.app import make_app
from automl_serving.context import Context
from automl_serving.log import PredictionWriter
from automl_serving.served import load_served

MONEY = ["refund", "invoice", "payment", "card", "charge", "price", "bill", "tax"]
POST = ["parcel", "courier", "address", "delivery", "late", "lost", "stamp", "box"]
PLAIN = ["please", "my", "the", "about", "again", "today", "order", "question", "help", "since"]
OTHER = ["bitte", "meine", "rechnung", "paket", "heute", "frage", "hilfe", "adresse", "verloren", "zahlung"]


def mails(rows: int, seed: int, plain: list[str] = PLAIN, longest: int = 14) -> pd.DataFrame:
    """Mails to one of two teams, with how many came from the sender before."""
    rng = np.random.default_rng(seed)
    teams = rng.choice(["money", "post"], rows)
    texts = []
    for team in teams:
        words = [*rng.choice(plain, rng.integers(4, longest)), *rng.choice(MONEY if team == "money" else POST, 2)]
        texts.append(" ".join(rng.permutation(words)))
    return pd.DataFrame({"mail": texts, "before": rng.poisson(2, rows).astype(str), "team": teams})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, FitResult]:
    store = Store(tmp_path_factory.mktemp("mails"))
    request = FitRequest(
        target="team", name="mails", seconds=60, max_trials=1, executor="inline", kinds={"mail": "text"}
    )
    return store, fit_table(Table(mails(500, 0), name="mails"), request, store)


def served_and_checked(fitted: tuple[Store, FitResult], frame: pd.DataFrame, labelled: bool = False) -> Check:
    """Send the rows to an endpoint, labels afterwards, and check what it logged."""
    store, result = fitted
    assert result.version.modality == "text"
    writer = PredictionWriter(store.log)
    served = load_served("mails", result.version.number, result.version.folder)
    http = TestClient(make_app(served, Context(Path(), writer, store.log)))
    rows = frame[["mail", "before"]].to_dict("records")
    answer = http.post("/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    answered = answer.json()["predictions"]
    expected = result.model.predict(frame[["mail", "before"]])
    assert [each["prediction"] for each in answered] == expected.tolist()
    writer.close()
    if labelled:
        labels = [{"id": each["id"], "label": team} for each, team in zip(answered, frame["team"], strict=True)]
        assert http.post("/feedback", json={"labels": labels}).json()["added"] == len(frame)
    return run_check(store, result.version, len(frame), report=labelled)


def test_alike_mails_are_quiet_and_labels_join(fitted: tuple[Store, FitResult]) -> None:
    check = served_and_checked(fitted, mails(300, 1), labelled=True)
    assert check.labelled == 300
    assert check.verdict == "healthy", check.reasons
    assert check.report_error == ""
    assert check.report is not None
    assert "mail (length)" in (fitted[0].folder / check.report).read_text(encoding="utf-8")


def test_longer_mails_and_another_language_are_found(fitted: tuple[Store, FitResult]) -> None:
    longer = served_and_checked(fitted, mails(300, 2, longest=60))
    assert any("mail (length)" in finding.columns for finding in longer.findings if finding.check == "drift")
    foreign = served_and_checked(fitted, mails(300, 3, plain=OTHER))
    assert {"wording"} <= {finding.check for finding in foreign.findings}


def test_a_model_of_texts_learns_from_its_log(fitted: tuple[Store, FitResult]) -> None:
    served_and_checked(fitted, mails(400, 4), labelled=True)
    retrained = retrain(fitted[0], "mails", Policy(), max_trials=1, executor="inline")
    assert retrained.challenger > retrained.champion
    assert retrained.new_rows > 0
