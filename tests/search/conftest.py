"""A small search problem in a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import BaseTrial

from automl.data.dataset import Dataset
from automl.data.fingerprint import fingerprint
from automl.data.reading import Table
from automl.data.splits import Split, make_split
from automl.engine import FitRequest
from automl.metrics import Metric
from automl.model.evidence import Evidence
from automl.opening import prepare
from automl.search.evaluate import evaluate
from automl.search.events import TrialSpec
from automl.search.run import Question, Run, TrialResult
from automl.search.workbench import Workbench
from automl.task import Architecture, Learner, Parameters, Problem

ROWS = 300


@dataclass(frozen=True)
class Bench:
    """An opened run with its data."""

    run: Run
    dataset: Dataset
    split: Split
    metric: Metric

    def evidence(self) -> Evidence:
        return Evidence(self.run, self.run.problem(), self.dataset, self.split, self.metric, time.time() + 30)


def make_bench(rows: pd.DataFrame, runs: Path, count: int = ROWS) -> Bench:
    """A run that asks about the first rows of a frame with the target Churn."""
    table = Table(rows.head(count), name="small")
    prepared = prepare(table, FitRequest(target="Churn"))
    dataset, metric = prepared.dataset, prepared.metric
    split = make_split(dataset.target, dataset.schema, 0)
    question = Question(
        "small", fingerprint(table.frame), "Churn", "classify", "tabular", metric.name, 60.0, 0, {}, ("linear",)
    )
    return Bench(Run.create(runs, question, table, dataset, split), dataset, split, metric)


class Family(Architecture):
    """A family that only builds the learners a test gives it."""

    name, modality = "given", "tabular"

    def __init__(self, make: Callable[[], Learner], weighs: bool = True) -> None:
        self.make, self.weighs = make, weighs

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return self.make()

    def load(self, folder: Path, problem: Problem) -> Learner:
        return self.make()


def evaluate_to_end(spec: TrialSpec, family: Architecture, workbench: Workbench) -> TrialResult:
    """Evaluate a trial that is never stopped."""
    trial = evaluate(spec, family, workbench)
    go_on = None
    while True:
        try:
            trial.send(go_on)  # type: ignore[arg-type]
        except StopIteration as end:
            result: TrialResult = end.value
            return result
        go_on = True


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> Iterator[Bench]:
    """One run per test module."""
    made = make_bench(churn_rows, tmp_path_factory.mktemp("runs"))
    yield made
    made.run.close()
