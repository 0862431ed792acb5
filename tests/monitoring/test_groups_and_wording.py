"""Gaps between groups of sensitive columns, and texts that speak of other things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import conform
from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_table
from automl.store import Store
from automl_monitoring.checks import fairness, wording
from automl_monitoring.checks.subject import Subject
from automl_monitoring.checks.wording import tell_apart
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.window import Side, reference_side
from automl_monitoring.windows import Entries

OLD = ["invoice", "refund", "delivery", "parcel", "late", "payment", "card", "address", "order", "return"]
NEW = ["password", "login", "account", "locked", "browser", "update", "crash", "screen", "button", "reset"]


def texts(rows: int, seed: int, words: list[str]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([" ".join(rng.choice(words, size=rng.integers(4, 10))) for _ in range(rows)], dtype=object)


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of texts, with a window that is like its reference."""
    spoken = texts(400, 0, OLD)
    frame = pd.DataFrame({"mail": spoken, "team": ["money" if "refund" in text else "post" for text in spoken]})
    store = Store(tmp_path_factory.mktemp("mail"))
    request = FitRequest(
        target="team", name="mail", seconds=30, max_trials=1, executor="inline", kinds={"mail": "text"}
    )
    found = fit_table(Table(frame, name="mail"), request, store)
    reference = reference_side(found.model, found.version.folder)
    return with_texts(Subject(found.model, reference, reference, Entries.of([]), CheckPolicy()), texts(200, 1, OLD))


def with_texts(subject: Subject, cells: np.ndarray) -> Subject:
    rows = conform({"mail": cells.tolist()}, subject.model.schema)
    lengths = {"mail (length)": np.array([len(text) for text in cells], dtype=np.float64)}
    window = Side(rows, lengths, subject.model.outputs(rows), np.full(len(cells), -1))
    return replace(subject, window=window)


def test_alike_texts_are_quiet(mail: Subject) -> None:
    found = wording.examine(mail)
    assert found.findings == ()
    assert {measure.name for measure in found.measures} == {"wording", "unseen words"}


def test_other_texts_act_and_name_their_words(mail: Subject) -> None:
    [finding] = wording.examine(with_texts(mail, texts(200, 2, NEW))).findings
    assert finding.verdict == "act"
    assert finding.columns == ("mail",)
    assert sum(word in finding.what for word in NEW) == 3
    private = replace(mail.model, card=replace(mail.model.card, private=("mail",)))
    [finding] = wording.examine(with_texts(replace(mail, model=private), texts(200, 2, NEW))).findings
    assert not any(word in finding.what for word in NEW)


def test_alike_texts_are_told_apart_as_rarely_as_the_level_says() -> None:
    p_values = [tell_apart(texts(120, 2 * seed, OLD), texts(60, 2 * seed + 1, OLD)).p_value for seed in range(50)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_some_new_texts_among_the_old_are_found() -> None:
    mixed = np.concatenate([texts(150, 1, OLD), texts(50, 2, NEW)])
    found = tell_apart(texts(400, 0, OLD), mixed)
    assert found.p_value < 1e-3
    assert found.unseen[1] > found.unseen[0] + 0.1


def test_empty_texts_are_no_trouble() -> None:
    assert tell_apart(np.full(60, "", dtype=object), np.full(60, "", dtype=object)).p_value > 0.1


@pytest.fixture
def groups(churn_fit: tuple[Store, FitResult], churn_csv: Path) -> Subject:
    """The model of churn as if gender were sensitive, with a window of 600 rows and their labels."""
    model = churn_fit[1].model
    model = replace(model, card=replace(model.card, fairness=({"column": "gender"}, {"column": "not in the log"})))
    reference = reference_side(model, churn_fit[1].version.folder)
    frame = pd.read_csv(churn_csv, dtype=str, keep_default_na=False).iloc[1200:1800]
    rows = conform(frame, model.schema)
    column = model.schema.column("gender")
    names = np.array([*column.levels, "(missing or new)"], dtype=object)
    features = {"gender": names[rows["gender"].astype(int)] if column.kind == "category" else rows["gender"]}
    target = np.array([model.schema.classes.index(label) for label in frame["Churn"]])
    window = Side(rows, features, model.outputs(rows), target, model.decision)
    return Subject(model, reference, window, Entries.of([]), CheckPolicy())


def test_groups_are_measured_and_quiet(groups: Subject) -> None:
    found = fairness.examine(groups)
    assert found.findings == ()
    assert {measure.name for measure in found.measures} == {"answered Yes", groups.metric.name}
    assert all("gender" in measure.column for measure in found.measures)


def test_a_gap_that_opens_is_watched(groups: Subject) -> None:
    cells = groups.window.features["gender"]
    group = np.unique(cells.astype(str))[0]
    inside = cells.astype(str) == group
    outputs = groups.window.outputs.copy()
    outputs[inside] = np.where(np.arange(inside.sum())[:, None] % 2 == 0, [0.1, 0.9], outputs[inside])
    found = fairness.examine(replace(groups, window=replace(groups.window, outputs=outputs)))
    assert {finding.verdict for finding in found.findings} == {"watch"}
    assert any("how often 'Yes' is answered" in finding.what for finding in found.findings)


def test_answers_that_get_worse_for_one_group_are_watched(groups: Subject) -> None:
    cells = groups.window.features["gender"].astype(str)
    target = groups.window.target.copy()
    turned = np.flatnonzero(cells == np.unique(cells)[0])
    target[turned] = 1 - target[turned]
    found = fairness.examine(replace(groups, window=replace(groups.window, target=target)))
    assert any(groups.metric.name in finding.what for finding in found.findings)


def test_without_sensitive_columns_nothing_is_said(groups: Subject) -> None:
    model = replace(groups.model, card=replace(groups.model.card, fairness=()))
    found = fairness.examine(replace(groups, model=model))
    assert (found.findings, found.measures) == ((), ())
