"""The chosen members taught once more: on which rows, what is said of it, and what answers where it cannot be done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.fingerprint import fingerprint
from automl.data.reading import Table
from automl.data.splits import Split, make_split
from automl.engine import FitRequest
from automl.hooks import find_architecture
from automl.metrics import find_metric
from automl.model.assembly import Assembly, assemble
from automl.model.choices import PREFERENCES, Limits, Preference
from automl.model.evidence import Evidence
from automl.model.refitted import with_taught
from automl.opening import prepare
from automl.search.evaluate import teach_again
from automl.search.events import TrialEvent, TrialSpec
from automl.search.executors import InlineExecutor
from automl.search.refit import Refit, Rows, Teacher
from automl.search.run import Question, Run
from automl.search.workbench import Workbench
from automl.search.worker import open_workbench

from ..search.conftest import Bench, Family, evaluate_to_end

ROWS = 5_000
FAMILIES = {name: find_architecture("tabular", name) for name in ("linear", "xgboost")}


@pytest.fixture(scope="module", params=[ROWS, 400], ids=["with a holdout", "without"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run with a linear trial and one of XGBoost, both needed: a line and a step."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, request.param))
    frame = pd.DataFrame({"x": x, "z": z, "y": 3 * x + np.sign(z) * (np.abs(z) < 1) + rng.normal(size=request.param)})
    table = Table(frame, name="mixed")
    prepared = prepare(table, FitRequest(target="y", task="regress"))
    dataset, metric = prepared.dataset, prepared.metric
    split = make_split(dataset.target, dataset.schema, 0)
    question = Question(
        "mixed", fingerprint(frame), "y", "regress", "tabular", metric.name, 60.0, 0, {}, tuple(FAMILIES)
    )
    made = Bench(Run.create(tmp_path_factory.mktemp("runs"), question, table, dataset, split), dataset, split, metric)
    for number, (name, family) in enumerate(FAMILIES.items()):
        spec = TrialSpec(number, name, family.portfolio(made.run.problem())[0], 30.0, time.time() + 30, 1)
        evaluate_to_end(spec, family, open_workbench(made.run.folder))
    yield made
    made.run.close()


def pair(bench: Bench, name: Preference = "best") -> tuple[Assembly, Evidence]:
    """Both trials as the members of an ensemble that is to be taught once more."""
    evidence = replace(bench.evidence(), taught_again=True)
    assembly = assemble(evidence, limits=Limits(name))
    both = {0: 0.25, 1: 0.75}
    choices = [replace(each, weights=both) if each.name == name else each for each in assembly.choices]
    return replace(assembly, choices=tuple(choices)), evidence


def cost(assembly: Assembly) -> int:
    """Bytes of the learners of the choice that was taken."""
    return next(each.bytes for each in assembly.choices if each.name == assembly.model.card.choice)


def teach(bench: Bench, rows: Rows = "known", executor: InlineExecutor | None = None) -> dict[int, Refit]:
    executor = executor or InlineExecutor()
    executor.open(bench.run.folder)
    return Teacher(bench.run, FAMILIES, executor, time.time() + 60, rows).teach(bench.run.results())


def scored_as_it_answers(assembly: Assembly, bench: Bench) -> None:
    """The holdout's outputs, by which the model is scored, are its own answers; boosters take no empty table."""
    if len(held := bench.split.holdout):
        answers = assembly.model.outputs(bench.dataset.rows.take(held))
        np.testing.assert_allclose(assembly.outputs[held], answers, rtol=1e-6)


def learners(assembly: Assembly) -> list[int]:
    return [len(member.learners) for member in assembly.model.members]


@pytest.mark.parametrize("name", PREFERENCES)
def test_the_new_learners_answer_and_are_scored_beside_those_of_the_folds_in_the_best(
    name: Preference, bench: Bench
) -> None:
    assembly, evidence = pair(bench, name)
    found = with_taught(assembly, teach(bench), evidence, Limits(name))
    note, held = found.model.card.notes[-1], bench.split.holdout
    assert note.startswith("members taught once more on all rows")
    if name == "best":
        assert learners(found) == [1, bench.split.folds] * 2
        assert [member.weight for member in found.model.members] == [0.125, 0.125, 0.375, 0.375]
        assert cost(found) > evidence.cost((0, 1)).bytes
    else:
        assert learners(found) == [1, 1]
        assert [member.weight for member in found.model.members] == [0.25, 0.75]
        assert cost(found) < evidence.cost((0, 1)).bytes / 2
    assert ("beside" in note) == (name == "best")
    np.testing.assert_array_equal(found.outputs[bench.split.validated], assembly.outputs[bench.split.validated])
    if not len(held):
        assert "holdout" not in note
        assert found.by_folds is not None, "only the learners of the folds can judge what a column is worth"
        return
    assert "on all rows but the holdout: all 2," in note
    assert f"{bench.metric.name} on the holdout" in note
    answers = found.model.outputs(bench.dataset.rows.take(held))
    np.testing.assert_allclose(found.outputs[held], answers, rtol=1e-9)
    score = bench.metric.score(bench.dataset.target[held], answers)
    assert found.model.card.scores["holdout"] == pytest.approx(score)
    assert found.by_folds is None


def test_on_the_holdout_too_if_asked(bench: Bench) -> None:
    assembly, evidence = pair(bench)
    known = with_taught(assembly, teach(bench), evidence, Limits())
    found = with_taught(assembly, teach(bench, "all"), evidence, Limits())
    held = bench.split.holdout
    assert "but the holdout" not in found.notes[-1]
    np.testing.assert_allclose(found.outputs[held], known.outputs[held], rtol=1e-6)
    if len(held):
        answers = found.model.outputs(bench.dataset.rows.take(held))
        own, honest = (bench.metric.loss(bench.dataset.target[held], each) for each in (answers, found.outputs[held]))
        assert own < honest, "it has learned these rows"


def test_without_time_the_learners_of_the_folds_answer_as_many_as_the_limits_allow(bench: Bench) -> None:
    assembly, evidence = pair(bench)
    assert Teacher(bench.run, FAMILIES, InlineExecutor(), time.time() - 1, "known").teach(bench.run.results()) == {}
    found = with_taught(assembly, {}, evidence, Limits())
    assert learners(found) == [bench.split.folds] * 2
    assert found.notes[-1].startswith("the members were not taught once more: there was no time or memory")
    scored_as_it_answers(found, bench)

    whole = cost(found)
    tight = with_taught(assembly, {}, evidence, Limits(max_bytes=whole // 2))
    assert set(learners(tight)) < set(range(1, bench.split.folds))
    assert cost(tight) <= whole // 2
    scored_as_it_answers(tight, bench)


def test_one_that_is_not_done_stands_beside_the_other(bench: Bench) -> None:
    assembly, evidence = pair(bench)
    refits = teach(bench)
    found = with_taught(assembly, {1: refits[1]}, evidence, Limits())
    assert learners(found) == [bench.split.folds, 1, bench.split.folds]
    assert ": 1 of 2, for want of time or memory," in found.notes[-1]
    scored_as_it_answers(found, bench)


def test_what_would_not_end_in_time_is_not_begun(bench: Bench) -> None:
    executor = InlineExecutor()
    executor.open(bench.run.folder)
    first, second = bench.run.results()
    teacher = Teacher(bench.run, FAMILIES, executor, time.time() + 60, "known")
    assert set(teacher.teach([replace(first, fit_seconds=600.0), second])) == {second.number}


def test_those_that_outgrow_what_is_allowed_are_left(bench: Bench) -> None:
    assembly, evidence = pair(bench)
    refits = teach(bench)
    whole = sum(each.cost.bytes for each in refits.values())
    found = with_taught(assembly, refits, evidence, Limits(max_bytes=round(whole) - 1))
    assert "slower or larger than allowed" in found.notes[-1]
    assert min(learners(found)) >= 1
    for share in (0.5, 0.2, 0.0):  # of what the learners of the folds would take beside them
        most = round(whole + share * evidence.cost((0, 1)).bytes)
        found = with_taught(assembly, refits, evidence, Limits(max_bytes=most))
        assert cost(found) <= most
        assert learners(found)[0] == 1


def test_ctrl_c_leaves_those_that_are_done(bench: Bench) -> None:
    class Interrupted(InlineExecutor):
        def wait(self, seconds: float) -> list[TrialEvent]:
            raise KeyboardInterrupt

    assert set(teach(bench, executor=Interrupted())) == {0, 1}
    teach(bench)

    class AtOnce(InlineExecutor):
        def submit(self, spec: TrialSpec, runtime: object) -> None:
            raise KeyboardInterrupt

    assert teach(bench, executor=AtOnce()) == {}, "nor are those of an earlier process taken for these"


@pytest.mark.parametrize(
    ("rows", "forward", "taught"),
    [("known", False, [80]), ("all", False, [80, 100]), ("all", True, [100])],
)
def test_which_rows_are_taught(rows: Rows, forward: bool, taught: list[int], bench: Bench, tmp_path: Path) -> None:
    seen = list[tuple[int, int]]()

    class Watch:
        def fit(self, train, valid, progress) -> None:  # type: ignore[no-untyped-def]
            seen.append((len(train), progress.steps))

        def predict(self, features):  # type: ignore[no-untyped-def]
            return np.zeros(len(features))

        def save(self, folder: Path) -> None:
            pass

    opened = open_workbench(bench.run.folder)
    assignment = np.where(np.arange(100) < 20, -1, np.arange(100) % 4)
    examples = opened.examples.take(np.arange(100))
    work = Workbench(opened.problem, examples, Split(assignment, 4, forward), find_metric("rmse"), tmp_path)
    (tmp_path / "00003").mkdir()
    spec = TrialSpec(3, "given", {}, 100.0, time.time() + 100, 1, refit=rows, steps=7)
    teach_again(spec, Family(Watch), work)
    assert seen == [(many, 7) for many in taught]
    assert len(np.load(tmp_path / "00003" / "refit" / "holdout.npy")) == (0 if forward else 20)
