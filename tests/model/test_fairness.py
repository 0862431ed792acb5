"""Fairness figures: what each group is answered, beside what is true of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from automl.data.schema import Schema
from automl.metrics import find_metric
from automl.model.fairness import FEW_ROWS, MISSING, REST, fairness_figures, fairness_note

TWO = Schema((), "hired", "classify", ("no", "yes"))
NUMBER = Schema((), "wage", "regress")
ROWS = 1_000


def hiring(share_of_women: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Half of the men are answered yes, and this share of the women; both are true in half of the cases."""
    rng = np.random.default_rng(0)
    women = np.arange(ROWS) % 2 == 1
    answered = rng.random(ROWS) < np.where(women, share_of_women, 0.5)
    yes = np.where(answered, 0.9, 0.1)
    age = rng.integers(20, 70, ROWS).astype(float)
    age[:40] = np.nan
    frame = pd.DataFrame({"sex": np.where(women, "female", "male"), "age": age})
    frame.loc[:2, "sex"] = "other"
    return frame, rng.integers(0, 2, ROWS), np.stack([1 - yes, yes], axis=1)


def test_a_gap_between_groups_is_measured_and_said() -> None:
    frame, target, outputs = hiring(0.2)
    sex, age = fairness_figures(frame, ["sex", "age"], target, outputs, TWO, find_metric("accuracy"))
    assert json.loads(json.dumps(sex)) == sex
    groups = {group["group"]: group for group in sex["groups"]}
    assert list(groups) == ["female", "male"], "three rows are too few for a group"
    assert sex["left_out"] == 3
    assert sum(group["rows"] for group in groups.values()) == ROWS - 3
    men = (frame["sex"] == "male").to_numpy()
    assert groups["male"]["answered"][1] == pytest.approx((outputs[men, 1] > 0.5).mean())
    assert groups["male"]["true"][1] == pytest.approx(target[men].mean())
    assert groups["male"]["score"] == pytest.approx(((outputs[men, 1] > 0.5) == target[men]).mean())
    gap = sex["gap"]
    assert (gap["of"], gap["highest"], gap["lowest"], gap["notable"]) == ("yes", "male", "female", True)
    assert gap["size"] == pytest.approx(groups["male"]["answered"][1] - groups["female"]["answered"][1])
    assert [group["group"] for group in age["groups"]][-1] == MISSING
    assert len(age["groups"]) == 5
    [note] = fairness_note([sex, age])
    assert note.startswith("sex: 'yes' is answered to ")
    assert f"of male ({groups['male']['rows']} rows)" in note


def test_like_groups_are_not_worth_a_line() -> None:
    frame, target, outputs = hiring(0.5)
    figures = fairness_figures(frame, ["sex", "age"], target, outputs, TWO, find_metric("roc_auc"))
    assert fairness_note(figures) == ()


def test_few_rows_are_put_together_and_prove_nothing() -> None:
    frame = pd.DataFrame({"who": [f"person {row}" for row in range(100)]})
    shares = np.repeat([[0.2, 0.8]], 100, axis=0)
    [figures] = fairness_figures(frame, ["who"], np.zeros(100, dtype=int), shares, TWO, find_metric("roc_auc"))
    assert [group["group"] for group in figures["groups"]] == [REST]
    assert figures["groups"][0]["score"] is None, "one class has no ROC AUC"
    assert figures["gap"] is None
    assert FEW_ROWS > 1


def test_what_is_put_together_may_be_one_person_and_is_left_out() -> None:
    """Also where only few rows have honest outputs, and where few cells are missing."""
    frame, target, outputs = hiring(0.5)
    frame["sex"] = ["diverse", None, *["male", "female"] * (ROWS // 2 - 1)]
    outputs[100:] = np.nan
    [figures] = fairness_figures(frame, ["sex"], target, outputs, TWO, find_metric("accuracy"))
    assert [(group["group"], group["rows"]) for group in figures["groups"]] == [("female", 49), ("male", 49)]
    assert figures["left_out"] == 2
    frame["sex"] = ["diverse"] * FEW_ROWS + ["male"] * (ROWS - FEW_ROWS)
    outputs[: FEW_ROWS - 1] = np.nan
    [figures] = fairness_figures(frame, ["sex"], target, outputs, TWO, find_metric("accuracy"))
    assert [group["group"] for group in figures["groups"]] == ["male"]
    assert figures["left_out"] == 1


def test_the_decision_counts_and_rows_without_honest_outputs_do_not() -> None:
    frame, target, outputs = hiring(0.2)
    outputs[::4] = np.nan
    [figures] = fairness_figures(frame, ["sex"], target, outputs, TWO, find_metric("f1"), (0.95, 0.05))
    assert sum(group["rows"] for group in figures["groups"]) + figures["left_out"] == ROWS * 3 // 4
    assert all(group["answered"] == [1.0, 0.0] for group in figures["groups"])


def test_for_a_number_the_error_is_compared() -> None:
    rng = np.random.default_rng(0)
    part = np.arange(ROWS) % 2
    target = rng.normal(100, 10, ROWS)
    frame = pd.DataFrame({"part": np.where(part, "north", "south")})
    outputs = target + rng.normal(0, 1, ROWS) + 5 * part
    [figures] = fairness_figures(frame, ["part"], target, outputs, NUMBER, find_metric("mae"))
    assert figures["gap"]["highest"] == "north"
    assert figures["gap"]["size"] == pytest.approx(5, abs=0.3)
    [note] = fairness_note([figures])
    assert "the answers are off by" in note
    [even] = fairness_figures(frame, ["part"], target, target + rng.normal(0, 1, ROWS), NUMBER, find_metric("mae"))
    assert fairness_note([even]) == ()
