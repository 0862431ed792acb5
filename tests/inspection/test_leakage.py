"""Leaks of every kind are planted in real data and found; in the same data as they are, nothing is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from automl.data.roles import Roles
from automl.data.schema import TaskName
from automl.data.splits import Structure
from automl.inspection.findings import Finding
from automl.inspection.leakage import find_leaks
from automl.inspection.structure import decide_structure
from tests.conftest import CHURN
from tests.inspection.subjects import subject_of


@dataclass(frozen=True)
class Case:
    """A real table; `answer` is the class index or the number of each row."""

    frame: pd.DataFrame
    target: str
    task: TaskName
    answer: np.ndarray

    @property
    def rare(self) -> np.ndarray:
        """The rows of the rarest class, or of the highest third."""
        if self.task == "regress":
            return self.answer > np.quantile(self.answer, 2 / 3)
        return self.answer == np.bincount(self.answer).argmin()


def churn() -> Case:
    frame = pd.read_csv(CHURN, dtype=str, keep_default_na=False).head(2_500)
    return Case(frame, "Churn", "classify", (frame["Churn"] == "Yes").to_numpy().astype(int))


def cancer() -> Case:
    bunch = datasets.load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(diagnosis=np.array(["malignant", "benign"])[bunch.target])
    return Case(frame, "diagnosis", "classify", bunch.target.to_numpy())


def wine() -> Case:
    bunch = datasets.load_wine(as_frame=True)
    frame = bunch.data.assign(cultivar=np.array(["barolo", "grignolino", "barbera"])[bunch.target])
    shuffled = frame.sample(frac=1.0, random_state=0).reset_index(drop=True)
    return Case(shuffled, "cultivar", "classify", pd.factorize(shuffled["cultivar"], sort=True)[0])


def diabetes() -> Case:
    bunch = datasets.load_diabetes(as_frame=True)
    return Case(bunch.frame, "target", "regress", bunch.target.to_numpy())


CASES: dict[str, Callable[[], Case]] = {"churn": churn, "cancer": cancer, "wine": wine, "diabetes": diabetes}
CLASSES = ("churn", "cancer", "wine")
RNG_SEED = 3


def leaks(case: Case, **columns: object) -> tuple[Finding, ...]:
    """What is found with these columns beside the real ones."""
    frame = case.frame.assign(**columns)
    frame = frame[[*columns, *case.frame.columns]]
    subject = subject_of(frame, case.target, case.task)
    return find_leaks(subject, decide_structure(subject).structure)


def the_only(found: tuple[Finding, ...]) -> Finding:
    assert len(found) == 1, [finding.what for finding in found]
    return found[0]


def expect(found: tuple[Finding, ...], check: str, *columns: str) -> None:
    finding = the_only(found)
    assert finding.check == f"leak.{check}"
    assert finding.severity == "problem"
    assert finding.columns == columns
    assert "--drop-leaks" in finding.overrule


@pytest.mark.parametrize("name", CASES)
def test_there_is_no_leak_where_none_was_planted(name: str) -> None:
    case = CASES[name]()
    assert [each for each in leaks(case) if each.severity != "note"] == []


@pytest.mark.parametrize("name", CLASSES)
def test_a_relabelled_target(name: str) -> None:
    case = CASES[name]()
    expect(leaks(case, state=np.array(["q7", "k2", "a9"])[case.answer]), "copy", "state")
    expect(leaks(case, code=np.array([17, 3, 5])[case.answer]), "copy", "code")


@pytest.mark.parametrize(
    "transform",
    [
        lambda answer: 3 * answer + 7,
        lambda answer: -np.log1p(answer),
        lambda answer: np.where(np.arange(len(answer)) % 5 == 0, np.nan, answer**2),
        lambda answer: pd.qcut(answer, 6, labels=list("caebfd")).astype(str),
        lambda answer: np.where(answer > np.quantile(answer, 0.6), "yes", "no"),
    ],
    ids=["affine", "falling", "with holes", "bands", "flag"],
)
def test_a_transform_of_a_number(transform: Callable[[np.ndarray], object]) -> None:
    case = diabetes()
    expect(leaks(case, shadow=transform(case.answer)), "copy", "shadow")


def test_parts_that_add_up_to_the_target() -> None:
    case = diabetes()
    part = np.floor(case.answer * np.random.default_rng(RNG_SEED).random(len(case.answer)))
    expect(leaks(case, casual=part, registered=case.answer - part), "sum", "casual", "registered")


@pytest.mark.parametrize("name", CLASSES)
def test_a_column_that_alone_is_better_than_the_rest(name: str) -> None:
    case = CASES[name]()
    rng = np.random.default_rng(RNG_SEED)
    score = case.answer + rng.normal(size=len(case.answer)) * 0.12
    if name == "wine":  # its own columns are nearly perfect, so that only certainty is better
        score = case.answer + rng.uniform(-0.4, 0.4, size=len(case.answer))
    found = leaks(case, score=score.round(4))
    if name == "wine":
        assert {finding.check for finding in found} <= {"leak.alone"}
    else:
        expect(found, "alone", "score")
        assert "all other columns together" in found[0].what


def test_a_number_with_a_little_noise() -> None:
    case = diabetes()
    noise = np.random.default_rng(RNG_SEED).normal(size=len(case.answer)) * case.answer.std() * 0.05
    expect(leaks(case, estimate=(case.answer + noise).round(3)), "alone", "estimate")


def test_two_leaks_do_not_excuse_each_other() -> None:
    case = diabetes()
    rng = np.random.default_rng(RNG_SEED)
    noisy = {name: case.answer + rng.normal(size=len(case.answer)) * 4 for name in ("one", "other")}
    found = leaks(case, **noisy)
    assert {finding.columns for finding in found} == {("one",), ("other",)}


def test_honest_columns_that_tell_nearly_all_are_no_leak() -> None:
    """Several sizes of one thing: each tells nearly all, and so do the others."""
    case = diabetes()
    rng = np.random.default_rng(RNG_SEED)
    spread = case.answer.std() * 0.25
    sizes = {f"size_{axis}": case.answer + rng.normal(size=len(case.answer)) * spread for axis in "xyz"}
    assert leaks(case, **sizes) == ()


@pytest.mark.parametrize("name", CASES)
def test_a_column_filled_for_one_class_only(name: str) -> None:
    case = CASES[name]()
    rng = np.random.default_rng(RNG_SEED)
    share = 1.0 if name == "diabetes" else 0.8
    filled = case.rare & (rng.random(len(case.rare)) < share)
    expect(leaks(case, reason=np.where(filled, rng.choice(["a", "b"], len(filled)), "")), "missing", "reason")
    weights = np.where(case.rare, np.nan, rng.normal(size=len(filled)).round(3))
    expect(leaks(case, weight=weights), "missing", "weight")


def test_a_text_in_which_a_word_gives_the_class_away() -> None:
    case = churn()
    case_numbers = np.random.default_rng(0).integers(0, 10_000, len(case.rare))
    notes = [
        f"case {number} is {'lost' if rare else 'fine'} so far"
        for number, rare in zip(case_numbers, case.rare, strict=True)
    ]
    expect(leaks(case, note=notes), "text", "note")


def test_a_column_filled_for_some_rows_of_one_class() -> None:
    case = churn()
    filled = case.rare & (np.random.default_rng(0).random(len(case.rare)) < 0.25)
    expect(leaks(case, reason=np.where(filled, "called", "")), "missing", "reason")


@pytest.mark.parametrize("name", CLASSES)
def test_ids_that_carry_the_class(name: str) -> None:
    case = CASES[name]()
    rng = np.random.default_rng(RNG_SEED)
    rows = len(case.answer)
    blocks = case.answer * rows * 10 + rng.permutation(rows) + 1_000_000
    prefixed = [f"{'XKQ'[answer]}{number}" for answer, number in zip(case.answer, rng.permutation(9_999), strict=False)]
    for ids in ([f"C{number}" for number in blocks], blocks, prefixed):
        finding = the_only(leaks(case, case_id=ids))
        assert finding.check == "leak.id"
        assert finding.columns == ("case_id",)
        assert "not learned from" in finding.action or finding.severity == "problem"


def test_a_file_sorted_by_its_target_is_only_noted() -> None:
    case = churn()
    sorted_rows = case.frame.sort_values("Churn").reset_index(drop=True)
    finding = the_only(leaks(replace(case, frame=sorted_rows)))
    assert (finding.check, finding.severity, finding.columns) == ("leak.order", "note", ())


@pytest.mark.parametrize("name", CASES)
def test_a_text_that_spells_the_answer(name: str) -> None:
    case = CASES[name]()
    rng = np.random.default_rng(RNG_SEED)
    said = case.frame[case.target].astype(str)
    if name == "diabetes":
        said = said.str.removesuffix(".0")
    texts = [
        f"{person} wrote down {word if kept else 'nothing'} in room {number} after the visit"
        for person, word, kept, number in zip(
            rng.choice(["she", "he", "they"], len(said)),
            said,
            rng.random(len(said)) < 0.9,
            rng.integers(0, 9_999, len(said)),
            strict=True,
        )
    ]
    expect(leaks(case, memo=texts), "text", "memo")


@pytest.mark.parametrize("name", CASES)
def test_a_date_that_comes_after_the_outcome(name: str) -> None:
    case = CASES[name]()
    rng = np.random.default_rng(RNG_SEED)
    rows = len(case.answer)
    begin = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 60_000, rows), unit="h")
    hours = case.answer * 300 + rng.integers(1, 200, rows) if case.task == "classify" else case.answer * 10
    end = begin + pd.to_timedelta(np.asarray(hours, dtype=int), unit="h")
    written = {"opened_at": begin.strftime("%Y-%m-%d %H:%M"), "closed_at": end.strftime("%Y-%m-%d %H:%M")}
    found = leaks(case, **written)
    expect(found, "time", "closed_at")
    assert "later than opened_at" in found[0].what


@pytest.mark.parametrize("name", ["churn", "cancer", "diabetes"])
def test_rows_that_are_nearly_another(name: str) -> None:
    case = CASES[name]()
    number = {"churn": "MonthlyCharges", "cancer": "mean radius", "diabetes": "bmi"}[name]
    again = case.frame.sample(frac=0.2, random_state=0)
    again[number] = [str(float(value) * 1.000001) for value in again[number]]
    both = pd.concat([case.frame, again], ignore_index=True)
    subject = subject_of(both, case.target, case.task)
    finding = the_only(find_leaks(subject, Structure()))
    assert (finding.check, finding.severity) == ("leak.near_copies", "warning")
    assert finding.rows == pytest.approx(len(again), rel=0.1)  # rounding parts a few


def test_what_the_user_excluded_is_left_alone() -> None:
    case = diabetes()
    frame = case.frame.assign(shadow=case.answer * 2)
    subject = subject_of(frame, case.target, case.task, Roles(exclude=("shadow",)))
    assert find_leaks(subject, Structure()) == ()


def test_without_time_a_suspicion_is_said_and_nothing_trained() -> None:
    case = diabetes()
    noise = np.random.default_rng(RNG_SEED).normal(size=len(case.answer)) * 4
    subject = subject_of(case.frame.assign(estimate=case.answer + noise), case.target, case.task)
    finding = the_only(find_leaks(replace(subject, deadline=time.time()), Structure()))
    assert finding.check == "leak.unweighed"
    assert finding.columns == ("estimate",)
    assert finding.severity == "warning"


def test_a_thousand_columns_and_a_hundred_classes_are_within_bounds() -> None:
    rng = np.random.default_rng(RNG_SEED)
    answer = rng.integers(0, 100, 2_000)
    frame = pd.DataFrame(rng.normal(size=(2_000, 1_000)).round(3), columns=[f"c{at}" for at in range(1_000)])
    frame["leak"] = answer * 3 + rng.random(2_000)
    frame["label"] = [f"class {number}" for number in answer]
    subject = subject_of(frame, "label", "classify")
    assert {name for each in find_leaks(subject, Structure()) for name in each.columns} == {"leak"}
