"""The honest split is found by measuring, said in words, and never against the user's."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from automl.data.roles import Roles
from automl.errors import AutoMLError
from automl.inspection.structure import Decision, decide_structure
from tests.inspection.subjects import subject_of


def checks(decision: Decision) -> list[str]:
    return [finding.check for finding in decision.findings]


def animals(entities: int = 40, rows: int = 12, seed: int = 0, alike: float = 1.0) -> pd.DataFrame:
    """Measurements of animals: each has a class and a fingerprint of its own, and the class shows only a little."""
    rng = np.random.default_rng(seed)
    animal = np.repeat(np.arange(entities), rows)
    sick = (np.arange(entities) % 2)[animal]
    prints = rng.normal(size=(entities, 6))[animal] * alike
    values = prints + 0.3 * sick[:, None] + rng.normal(size=(len(animal), 6)) * 0.3
    frame = pd.DataFrame({f"protein_{number}": values[:, number].round(5) for number in range(6)})
    number = np.tile(np.arange(1, rows + 1), entities)
    frame.insert(0, "MouseID", [f"{300 + one}_{each}" for one, each in zip(animal, number, strict=True)])
    frame["state"] = np.where(sick, "sick", "well")
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def trades(rows: int = 3_000, seed: int = 0) -> pd.DataFrame:
    """Rows in time: the answer wanders slowly, so that neighbours know it and the past does not."""
    rng = np.random.default_rng(seed)
    moment = pd.Timestamp("2021-01-01") + pd.to_timedelta(np.arange(rows), unit="h")
    wander = np.cumsum(rng.normal(size=rows)) / 10
    noise = rng.normal(size=rows)
    load = np.cumsum(rng.normal(size=rows)) / 10
    frame = pd.DataFrame({"when": moment.strftime("%Y-%m-%d %H:%M"), "noise": noise.round(4), "load": load.round(4)})
    frame["price"] = (wander + 0.2 * noise).round(4)
    return frame


def test_rows_of_one_mouse_stay_together_and_the_flattery_is_told() -> None:
    decision = decide_structure(subject_of(animals(), "state", "classify"))
    assert decision.structure.kind == "group"
    assert decision.column == "MouseID"
    assert decision.structure.groups is not None
    assert len(set(decision.structure.groups)) == 40
    assert set(decision.ignored) == {"MouseID"}
    (finding,) = [each for each in decision.findings if each.check == "structure.group"]
    assert "a random split would have shown" in finding.what
    assert "40" in finding.action
    assert "--split" in finding.overrule


def test_a_second_name_of_the_entity_is_no_feature_either() -> None:
    frame = animals()
    frame["subject"] = frame["MouseID"].str.split("_").str[0]
    frame["subject_no"] = frame["subject"].astype(int) * 7 + 1
    decision = decide_structure(subject_of(frame, "state", "classify"))
    assert decision.structure.kind == "group"
    assert {"subject", "subject_no"} <= set(decision.ignored)


@pytest.mark.parametrize("seed", range(3))
def test_entities_that_mean_nothing_change_nothing(churn_rows: pd.DataFrame, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = churn_rows.assign(household_id=rng.integers(0, 300, len(churn_rows)).astype(str))
    decision = decide_structure(subject_of(frame, "Churn", "classify"))
    assert decision.structure.kind == "stratified"
    assert checks(decision) == ["structure.looked", "structure.random"]
    assert "household_id" in decision.findings[0].what
    assert not decision.ignored


def test_dates_that_mean_nothing_change_nothing(churn_rows: pd.DataFrame) -> None:
    days = pd.to_timedelta(np.random.default_rng(0).integers(0, 900, len(churn_rows)), unit="D")
    frame = churn_rows.assign(recorded=(pd.Timestamp("2020-01-01") + days).strftime("%Y-%m-%d"))
    decision = decide_structure(subject_of(frame, "Churn", "classify"))
    assert decision.structure.kind == "stratified"
    assert "structure.looked" in checks(decision)


def test_a_plain_table_is_stratified_and_says_so(churn_rows: pd.DataFrame) -> None:
    decision = decide_structure(subject_of(churn_rows, "Churn", "classify"))
    assert decision.structure.kind == "stratified"
    assert checks(decision) == ["structure.random"]
    assert "--group COLUMN" in decision.findings[0].overrule


def test_rows_in_time_are_validated_forward() -> None:
    decision = decide_structure(subject_of(trades(), "price", "regress"))
    assert decision.structure.kind == "time"
    assert decision.column == "when"
    assert decision.structure.order is not None
    assert (np.diff(decision.structure.order) > 0).all()
    assert "later rows get" in decision.findings[0].what


def test_a_time_that_falls_back_leaves_the_order_of_the_file() -> None:
    frame = trades()
    date = np.arange(len(frame)) // 4 / 1_000
    date[1_500:] -= 0.1
    decision = decide_structure(subject_of(frame.drop(columns="when").assign(date=date.round(4)), "price", "regress"))
    assert decision.structure.kind == "time"
    assert decision.column is None
    np.testing.assert_array_equal(decision.structure.order, np.arange(len(frame)))


def test_a_leak_does_not_hide_the_flattery() -> None:
    frame = trades()
    frame["price_in_cents"] = frame["price"] * 100
    assert decide_structure(subject_of(frame, "price", "regress")).structure.kind == "time"


def test_a_file_in_some_order_is_only_noted() -> None:
    frame = trades().drop(columns="when")
    rng = np.random.default_rng(0)
    frame["price"] += rng.normal(size=len(frame)) * frame["price"].std() * 0.7
    decision = decide_structure(subject_of(frame, "price", "regress"))
    assert decision.structure.kind == "stratified"
    (note,) = [each for each in decision.findings if each.check == "structure.file_order"]
    assert note.overrule == "--split time"


def test_what_the_user_says_is_not_measured(churn_rows: pd.DataFrame) -> None:
    tenure = replace(subject_of(churn_rows, "Churn", "classify", Roles(group="tenure")), deadline=0.0)
    decision = decide_structure(tenure)
    assert decision.structure.kind == "group"
    assert decision.column == "tenure"
    assert "tenure" in decision.ignored
    plain = subject_of(churn_rows, "Churn", "classify")
    assert decide_structure(plain, "random").structure.kind == "random"
    by_file = decide_structure(plain, "time")
    assert by_file.column is None
    np.testing.assert_array_equal(by_file.structure.order, np.arange(len(churn_rows)))


def test_a_missing_entity_stands_alone() -> None:
    frame = animals().assign(subject=lambda each: each["MouseID"].str.split("_").str[0])
    frame.loc[:9, "subject"] = ""
    decision = decide_structure(subject_of(frame, "state", "classify", Roles(group="subject")))
    assert decision.structure.groups is not None
    assert len(set(decision.structure.groups[:10])) == 10
    assert "10 rows without one stand alone" in decision.findings[0].what


def test_a_time_column_may_be_one_that_is_ignored() -> None:
    frame = trades(200)
    frame["number"] = np.arange(200)[::-1] + 7
    frame["id"] = np.random.default_rng(0).permutation(200)
    for name in ("number", "id", "when"):
        decision = decide_structure(subject_of(frame, "price", "regress", Roles(time=name)))
        expected = pd.factorize(frame[name], sort=True)[0]
        assert decision.structure.order is not None
        np.testing.assert_array_equal(pd.factorize(decision.structure.order, sort=True)[0], expected)


def test_rows_without_a_moment_only_train() -> None:
    frame = trades(400)
    frame.loc[[5, 390], "when"] = ""
    decision = decide_structure(subject_of(frame, "price", "regress", Roles(time="when")))
    assert decision.structure.order is not None
    assert np.isneginf(decision.structure.order[[5, 390]]).all()
    assert decision.findings[0].rows == 2


@pytest.mark.parametrize(
    ("roles", "split", "problem"),
    [
        (Roles(group="nothing"), None, "does not exist"),
        (Roles(time="Churn"), None, "is the target"),
        (Roles(group="tenure", time="tenure"), None, "two different splits"),
        (Roles(group="tenure"), "time", "contradict"),
        (Roles(group="customerID"), None, "groups nothing"),
        (Roles(time="Contract"), None, "no dates"),
        (Roles(), "group", "No column looks like"),
    ],
)
def test_what_does_not_fit_is_refused(churn_rows: pd.DataFrame, roles: Roles, split: str, problem: str) -> None:
    with pytest.raises(AutoMLError, match=problem):
        decide_structure(subject_of(churn_rows, "Churn", "classify", roles), split)  # type: ignore[arg-type]


def test_without_time_it_says_that_it_did_not_look(churn_rows: pd.DataFrame) -> None:
    frame = churn_rows.assign(household_id=(np.arange(len(churn_rows)) // 4).astype(str))
    subject = replace(subject_of(frame, "Churn", "classify"), deadline=time.time() + 0.01)
    decision = decide_structure(subject)
    assert decision.structure.kind == "stratified"
    assert "structure.unmeasured" in checks(decision)


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_without_time_entities_that_tell_the_target_stay_together(task: str) -> None:
    frame = animals()
    if task == "regress":
        frame["state"] = frame["MouseID"].str.split("_").str[0].astype(float) * 1.5
    subject = replace(subject_of(frame, "state", task), deadline=time.time() + 0.01)  # type: ignore[arg-type]
    decision = decide_structure(subject)
    assert (decision.structure.kind, decision.column) == ("group", "MouseID")
    assert "Not measured" in decision.findings[0].what


def test_the_same_subject_gets_the_same_decision() -> None:
    subject = subject_of(animals(), "state", "classify")
    assert decide_structure(subject).findings == decide_structure(subject).findings
