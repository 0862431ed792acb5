"""Labels that a fitted model doubts: planted ones are named first, in the report and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_table
from automl.inspection.suspects import Suspect, Suspects
from automl.report.labels import labels
from automl.store import Store

GOOD = ["lovely", "great", "superb", "pleasant", "bright", "warm", "kind"]
BAD = ["awful", "poor", "broken", "rude", "dark", "cold", "noisy"]
PLAIN = ["the", "room", "was", "near", "station", "and", "we", "had", "breakfast", "with", "friends", "sunday"]
PLANTED = (11, 47, 120, 201, 333)
EMPTY = (5, 100)  # rows without a label, which are left out


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A model of reviews of which a few have the wrong label."""
    rng = np.random.default_rng(0)
    good = rng.integers(0, 2, 400).astype(bool)
    texts = [" ".join(rng.permutation([*rng.choice(PLAIN, 8), *rng.choice(GOOD if each else BAD, 4)])) for each in good]
    labels = np.where(good, "good", "bad").astype(object)
    labels[list(PLANTED)] = ["bad" if good[row] else "good" for row in PLANTED]
    labels[list(EMPTY)] = ""
    table = Table(pd.DataFrame({"review": texts, "label": labels}), name="reviews")
    request = FitRequest(target="label", seconds=60, max_trials=1, executor="inline")
    return fit_table(table, request, Store(tmp_path_factory.mktemp("store")))


def test_planted_labels_are_named_by_their_row_in_the_source(fitted: FitResult) -> None:
    suspects = fitted.account.suspects
    assert suspects is not None
    assert suspects.judged == 398
    assert {each.row - 1 for each in suspects.named[: len(PLANTED)]} == set(PLANTED)
    assert suspects.count <= len(PLANTED) + 3
    first = suspects.named[0]
    assert first.answer != first.label
    assert first.answer_probability > 10 * first.label_probability
    assert any("labels of" in line for line in fitted.account.advice)


def test_the_run_keeps_them_as_json_and_the_page_shows_them(fitted: FitResult) -> None:
    record = json.loads((fitted.run_folder / "suspects.json").read_text())
    assert record["judged"] == 398
    assert set(record["rows"][0]) == {
        "row",
        "name",
        "label",
        "label_probability",
        "answer",
        "answer_probability",
    }
    page = (fitted.run_folder / "report.html").read_text()
    assert "Labels to look at" in page
    assert not any(word in page for word in ("superb", "noisy"))  # no cell of a text


def test_pictures_are_shown_small_and_names_are_escaped(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "navy").save(tmp_path / "a.png")
    gone = str(tmp_path / "gone.png")
    named = [
        Suspect(7, "<b>/a.png", "cat", 0.01, "dog", 0.98, str(tmp_path / "a.png")),
        Suspect(9, "x/gone.png", "cat", 0.02, "dog", 0.97, gone),
    ]
    page = labels(Suspects(100, 60, tuple(named)))
    assert page.count("data:image/jpeg;base64,") == 1
    assert "&lt;b&gt;/a.png" in page
    assert "and 58 more" in page
    assert "picture" not in named[0].record()


def test_tables_have_none(churn_fit: tuple[Store, FitResult]) -> None:
    assert churn_fit[1].account.suspects is None
    assert not (Path(churn_fit[1].run_folder) / "suspects.json").exists()
