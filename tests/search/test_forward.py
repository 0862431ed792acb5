"""Forward in time: folds only judge, one last learner answers."""

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
from automl.data.splits import TIME_FOLDS, Split, Structure, make_split
from automl.engine import FitRequest
from automl.hooks import find_architecture
from automl.metrics import find_metric
from automl.model.artifact import SelfTest, load_model, save_model, verify_model
from automl.model.assembly import assemble
from automl.model.choices import Limits
from automl.model.model import Member
from automl.model.refitted import with_taught
from automl.opening import prepare
from automl.search.evaluate import evaluate
from automl.search.events import FoldScored, TrialSpec
from automl.search.executors import InlineExecutor
from automl.search.refit import Teacher
from automl.search.run import Question, Run, read_dataset
from automl.search.workbench import Workbench
from automl.search.worker import open_workbench

from .conftest import Bench, Family, evaluate_to_end

ROWS = 6_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A world that turns round late, so that only a learner of all rows knows how it ends."""
    rng = np.random.default_rng(0)
    day = np.arange(ROWS)
    x = rng.normal(size=ROWS)
    frame = pd.DataFrame({"x": x, "month": day // 150, "y": np.where(day < 0.6 * ROWS, x, -x)})
    table = Table(frame, name="turning")
    prepared = prepare(table, FitRequest(target="y", task="regress"))
    dataset, metric = prepared.dataset, prepared.metric
    split = make_split(dataset.target, dataset.schema, 0, Structure("time", order=day.astype(np.float64)))
    question = Question(
        "turning", fingerprint(frame), "y", "regress", "tabular", metric.name, 60.0, 0, {}, ("lightgbm",)
    )
    made = Bench(Run.create(tmp_path_factory.mktemp("runs"), question, table, dataset, split), dataset, split, metric)
    yield made
    made.run.close()


def run_trial(number: int, bench: Bench, go_on: bool = True) -> list[int]:
    """Evaluate one LightGBM trial; the folds that were scored."""
    family = find_architecture("tabular", "lightgbm")
    parameters = {**family.portfolio(bench.run.problem())[0], "feature_fraction": 1.0}
    spec = TrialSpec(number, "lightgbm", parameters, 30.0, time.time() + 30, 1)
    folds = []
    trial = evaluate(spec, family, open_workbench(bench.run.folder))
    event: FoldScored | None = next(trial)
    while event is not None:
        folds.append(event.fold)
        try:
            event = trial.send(go_on)
        except StopIteration:
            event = None
    return folds


def test_one_learner_of_all_rows_answers(bench: Bench) -> None:
    assert run_trial(1, bench) == list(range(TIME_FOLDS))
    folder = bench.run.trials_folder / "00001"
    assert [path.name for path in (folder / "learners").iterdir()] == ["0"]
    out_of_fold = np.load(folder / "out_of_fold.npy")
    oldest = np.flatnonzero(bench.split.assignment == -2)
    assert len(oldest)
    assert np.isnan(out_of_fold[oldest]).all()
    assert np.isfinite(out_of_fold[bench.split.validated]).all()

    assembly = assemble(bench.evidence())
    assert [len(member.learners) for member in assembly.model.members] == [1]
    held = bench.split.holdout
    assert len(held)
    answers = assembly.model.outputs(bench.dataset.rows.take(held))
    np.testing.assert_allclose(answers, assembly.outputs[held], rtol=1e-9)
    # To predict nothing at all costs 1; the learners of the first folds, which know the old world only, cost 2.
    assert bench.metric.score(bench.dataset.target[held], answers) < 0.5
    few = {name: bench.dataset.rows[name][:5].tolist() for name in ("x", "month")}
    model, home = assembly.model, bench.run.folder / "artifact"
    save_model(model, home, SelfTest(few, model.outputs(bench.dataset.rows.take(np.arange(5)))))
    assert verify_model(load_model(home)) == 5


def test_members_taught_on_all_rows_in_time_stand_beside_the_others(bench: Bench) -> None:
    run_trial(7, bench)
    run_trial(8, bench)
    evidence = replace(bench.evidence(), taught_again=True)
    assembly = assemble(evidence)
    both = {7: 0.5, 8: 0.5}
    choices = tuple(replace(each, weights=both) if each.name == "best" else each for each in assembly.choices)
    results = [each for each in bench.run.results() if each.number == 7]
    families = {"lightgbm": find_architecture("tabular", "lightgbm")}
    executor = InlineExecutor()
    executor.open(bench.run.folder)
    refits = Teacher(bench.run, families, executor, time.time() + 30, "all").teach(results)
    assert len(refits[7].held_out) == 0, "it knows the holdout"

    found = with_taught(replace(assembly, choices=choices), refits, evidence, Limits())
    assert [len(member.learners) for member in found.model.members] == [1, 1]
    before = evidence.member(8, 0.5, None).learners[0]
    rows = bench.dataset.rows.take(np.arange(50))
    one, other = (replace(found.model, members=(member,)).outputs(rows) for member in found.model.members)
    kept = replace(found.model, members=(Member(1.0, "lightgbm", {}, (before,)),)).outputs(rows)
    np.testing.assert_array_equal(other, kept)
    assert not np.array_equal(one, kept)
    assert found.notes[-1].startswith("members taught once more on all rows: 1 of 2, for want of time")
    assert "learners before it" in found.notes[-1]
    np.testing.assert_array_equal(found.outputs[bench.split.holdout], assembly.outputs[bench.split.holdout])


def test_a_stopped_trial_fits_no_last_learner(bench: Bench) -> None:
    assert run_trial(2, bench, go_on=False) == [0]
    assert not (bench.run.trials_folder / "00002").exists()
    assert not (bench.run.trials_folder / ".00002").exists()


def test_a_run_remembers_that_its_folds_go_forward(bench: Bench) -> None:
    _, split = read_dataset(bench.run.folder)
    assert split.forward
    final = split.final()
    assert final is not None
    for mine, theirs in zip(final, bench.split.final() or (), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_time_is_shared_by_the_rows_that_each_fit_has(tmp_path: Path, bench: Bench) -> None:
    allowed: list[tuple[int, float]] = []

    class Watch:
        def fit(self, train, valid, progress) -> None:  # type: ignore[no-untyped-def]
            allowed.append((len(train), progress.deadline - time.time()))

        def predict(self, features):  # type: ignore[no-untyped-def]
            return np.zeros(len(features))

        def save(self, folder: Path) -> None:
            pass

    plain = open_workbench(bench.run.folder)
    for split in (bench.split, Split(np.arange(ROWS) % 5, 5)):
        allowed.clear()
        work = Workbench(plain.problem, plain.examples, split, find_metric("rmse"), tmp_path)
        evaluate_to_end(TrialSpec(1, "given", {}, 100.0, time.time() + 100, 1), Family(Watch), work)
        rows = [size for size, _ in allowed]
        for position, (size, seconds) in enumerate(allowed):
            assert seconds == pytest.approx(100 * size / sum(rows[position:]), rel=0.05)
        (tmp_path / "00001").rename(tmp_path / f"done{split.folds}")


def test_the_last_learner_makes_as_many_steps_as_served_the_folds(tmp_path: Path, bench: Bench) -> None:
    """Rows between those that it learns from would stop it too late."""
    served, asked = iter((30, 900, 80)), list[tuple[int, int]]()

    class Stepping:
        steps = 0

        def fit(self, train, valid, progress) -> None:  # type: ignore[no-untyped-def]
            asked.append((len(train), progress.steps))
            self.steps = progress.steps or next(served)

        def predict(self, features):  # type: ignore[no-untyped-def]
            return np.zeros(len(features))

        def save(self, folder: Path) -> None:
            pass

    plain = open_workbench(bench.run.folder)
    work = Workbench(plain.problem, plain.examples, bench.split, find_metric("rmse"), tmp_path)
    evaluate_to_end(TrialSpec(1, "given", {}, 100.0, time.time() + 100, 1), Family(Stepping), work)
    assert TIME_FOLDS == 3
    assert [steps for _, steps in asked] == [0, 0, 0, 80]
    assert asked[-1][0] == ROWS - len(bench.split.holdout)
