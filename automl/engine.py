"""The story of a fit, top to bottom: read, infer, split, search, combine, score once, save, register."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from automl.data.cells import as_json
from automl.data.dataset import Dataset, conform, conform_target, object_array, present
from automl.data.inference import choose_target, choose_task, infer_schema
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.data.splits import Split, make_split
from automl.errors import OptionError, SearchError
from automl.hooks import Event, announce, architectures, find_task, match_task, read_source
from automl.metrics import Metric, choose_metric
from automl.model.artifact import SelfTest, is_constant, load_model, save_model
from automl.model.assembly import Assembly, LeaderboardRow, assemble
from automl.model.model import Model
from automl.model.reference import REFERENCE_ROWS, Reference
from automl.report.html import write_report
from automl.search.budget import Budget, plan_threads, usable_cores
from automl.search.evaluate import Workbench
from automl.search.executors import Executor, InlineExecutor, LocalExecutor
from automl.search.run import Question, Run, disk_in_view, read_dataset, read_table, write_json
from automl.search.study import Listener, Search, SearchEvent
from automl.store import CHAMPION, Store, Version
from automl.task import Examples

if TYPE_CHECKING:
    import pandas as pd

SELFTEST_ROWS = 20
INLINE_BELOW_S = 10.0  # in a shorter budget the start of worker processes would cost the better part
FEW_ROWS = 200  # below which a score is said to be shaky


@dataclass(frozen=True)
class FitRequest:
    """What a user asks of a fit. Whatever is None is inferred and said.

    `kinds` fixes column kinds by name; `alias` is set on the new version; `started` is a `time.time()` instant from
    which `seconds` count; `resume` demands an unfinished run of the same question.
    """

    target: str | None = None
    task: str | None = None
    seconds: float = 60.0
    metric: str | None = None
    name: str | None = None
    seed: int = 0
    modality: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    alias: str | None = None
    note: str = ""
    max_trials: int | None = None
    executor: Literal["local", "inline"] = "local"
    resume: bool = False
    started: float | None = None


@dataclass(frozen=True)
class FitResult:
    """The new version, its model, what was tried, and what a user should be told."""

    model: Model
    version: Version
    leaderboard: list[LeaderboardRow]
    notes: tuple[str, ...]
    run_folder: Path


def fit_source(source: str | Path | pd.DataFrame, request: FitRequest, store: Store, listener: Listener) -> FitResult:
    """Fit on any source that a reader takes, or on a data frame."""
    table = read_source(source) if isinstance(source, str | Path) else Table(source.reset_index(drop=True))
    return fit_table(table, request, store, listener)


def fit_table(table: Table, request: FitRequest, store: Store, listener: Listener = lambda event: None) -> FitResult:
    """Fit on a table and register the model as a new version of its name.

    The first version of a name becomes its champion, and so does the first after a mere constant. An unfinished run
    of the same question is continued. Raises DataError and its kin before anything is written.
    """
    budget = Budget(request.seconds, request.started or time.time())
    dataset, metric, notes = prepare(table, request)
    for note in notes:
        listener(SearchEvent("note", budget.elapsed(), note))
    run = _open_run(table, dataset, metric, request, store)
    try:
        with disk_in_view(store.folder):
            budget = Budget(budget.seconds, budget.started - run.spent())
            assembly = _search(run, metric, request, budget, listener)
            listener(SearchEvent("assembling", budget.elapsed(), "choosing the ensemble"))
            return _deliver(run, assembly, (*notes, *assembly.notes), request, store)
    finally:
        run.close()


def training_table(store: Store, version: Version) -> Table:
    """The raw rows that a version was fitted on, its holdout and target included."""
    return read_table(store.runs_folder / version.run)


def prepare(table: Table, request: FitRequest) -> tuple[Dataset, Metric, tuple[str, ...]]:
    """Target, task, schema and conformed rows of a table, with notes on every decision made for the user."""
    target, target_guess = choose_target(table, request.target)
    task, task_guess = choose_task(table.frame[target], request.task)
    schema = infer_schema(table, target, task, request.kinds)
    metric = choose_metric(request.metric, schema)
    goal = conform_target(table.frame[target].tolist(), schema)
    kept = np.flatnonzero(present(goal))
    rows = conform(table.frame, schema, table.base)
    dataset = Dataset(schema, rows.take(kept) if len(kept) < len(goal) else rows, goal[kept])
    notes = [f"{guess.what}; to change it: {guess.overrule}" for guess in (target_guess, task_guess) if guess]
    notes += table.notes
    if len(kept) < len(goal):
        notes.append(f"{len(goal) - len(kept):,} rows without a target were left out")
    if len(kept) < FEW_ROWS:
        notes.append(f"only {len(kept)} rows: whatever the score says, it says it with little certainty")
    ignored = [f"{column.name} ({column.reason})" for column in schema.of_kind("ignored")]
    if ignored:
        shown = ", ".join(ignored[:4]) + (f" and {len(ignored) - 4} more" if len(ignored) > 4 else "")
        notes.append(f"columns not used: {shown}")
    return dataset, metric, tuple(notes)


def _open_run(table: Table, dataset: Dataset, metric: Metric, request: FitRequest, store: Store) -> Run:
    """Continue the unfinished run of this question, or begin one."""
    from automl.store.versions import check_name

    modality = request.modality or match_task(dataset.schema).name
    if find_task(modality).suits(dataset.schema) <= 0:
        kinds = ", ".join(sorted({column.kind for column in dataset.schema.used}))
        raise OptionError(
            f"The task plugin {modality!r} cannot learn from these columns ({kinds}).", "Leave --modality out."
        )
    question = Question(
        name=check_name(request.name or table.name),
        fingerprint=fingerprint(table.frame),
        target=dataset.schema.target,
        task=dataset.schema.task,
        modality=modality,
        metric=metric.name,
        seconds=request.seconds,
        seed=request.seed,
        kinds=dict(request.kinds),
        architectures=tuple(architectures(modality)),
        max_trials=request.max_trials,
    )
    _refuse_another_problem(store, question)
    run = Run.unfinished(store.runs_folder, question)
    if run is not None and not _is_delivered(run, store):
        return run
    if request.resume:
        raise OptionError(
            f"There is no unfinished run of {question.name!r} with this data and these options.", "Leave --resume out."
        )
    split = make_split(dataset.target, dataset.schema, request.seed)
    kept = Table(_rows_with_target(table, dataset.schema), table.base, table.name)
    return Run.create(store.runs_folder, question, kept, dataset, split)


def _refuse_another_problem(store: Store, question: Question) -> None:
    """A name stands for one problem: an endpoint that follows it must not change its answers' type."""
    if question.name not in store.versions.names():
        return
    newest = store.versions.of(question.name)[-1]
    target = Schema.load(newest.folder / "schema.json").target
    if (newest.task, target) != (question.task, question.target):
        raise OptionError(
            f"The model {question.name!r} exists, and solves another problem: {newest.task} {target!r}.",
            "Give this one a name of its own with --name.",
        )


def _is_delivered(run: Run, store: Store) -> bool:
    """Did a process die after registering the version of this run? Then all that is left is to end it."""
    name = run.question.name
    known = store.versions.of(name) if name in store.versions.names() else []
    delivered = [version for version in known if version.run == run.folder.name]
    if delivered:
        _end(run, delivered[0])
        run.close()
    return bool(delivered)


def _rows_with_target(table: Table, schema: Schema) -> pd.DataFrame:
    """The rows that train, as they came; cells of mixed or odd types become text, which Parquet can hold."""
    from automl.data.cells import as_text, is_missing

    target = conform_target(table.frame[schema.target].tolist(), schema)
    frame = table.frame[present(target)].reset_index(drop=True)
    for name in frame.columns[frame.dtypes == np.dtype(object)]:
        kinds = {type(value) for value in frame[name] if not is_missing(value)}
        if len(kinds) > 1 or not kinds <= {str, bytes, bool}:
            frame[name] = object_array([as_text(value) for value in frame[name]])
    return frame


def _search(run: Run, metric: Metric, request: FitRequest, budget: Budget, listener: Listener) -> Assembly:
    problem = run.problem()
    known = architectures(problem.modality)
    families = {name: known[name] for name in run.question.architectures if name in known}
    families = {name: family for name, family in families.items() if family.accepts(problem)}
    if not families:
        raise SearchError(f"No architecture of {problem.modality} accepts this problem.", "See `automl plugins`.")
    dataset, split = read_dataset(run.folder)
    error = ""
    if time.time() < budget.last_moment:
        executor = _executor(run, dataset, split, metric, request)
        search = Search(run, families, executor, budget, listener, metric.higher_is_better)
        search.run(len(dataset))
        error = search.first_error
    elif not run.results():
        error = "the budget ended before a trial could begin"
    return assemble(run, dataset, split, metric, budget.deadline - 2.0, error)


def _executor(run: Run, dataset: Dataset, split: Split, metric: Metric, request: FitRequest) -> Executor:
    if request.executor == "inline" or request.seconds < INLINE_BELOW_S:
        problem = run.problem()
        features = find_task(problem.modality).features(dataset.schema, dataset.rows)
        return InlineExecutor(Workbench(problem, Examples(features, dataset.target), split, metric, run.trials_folder))
    return LocalExecutor(run.folder, plan_threads(len(dataset) * len(dataset.schema.used), usable_cores()))


def _deliver(run: Run, assembly: Assembly, notes: tuple[str, ...], request: FitRequest, store: Store) -> FitResult:
    """Save the artifact with its self-test and reference, register it, end the run."""
    table = read_table(run.folder)
    folder = run.folder / "artifact"
    shutil.rmtree(folder, ignore_errors=True)
    save_model(assembly.model, folder, _selftest(assembly.model, table), _reference(assembly, table, run.question.seed))
    question = run.question
    write_report(run.folder / "report.html", assembly.model, assembly.leaderboard, notes)
    write_json(run.folder / "leaderboard.json", {"rows": [row.record() for row in assembly.leaderboard]})
    version = store.versions.register(
        Version(
            name=question.name,
            number=0,
            folder=folder,
            task=question.task,
            modality=question.modality,
            metric=question.metric,
            score=assembly.model.card.scores.get("holdout", assembly.model.card.scores.get("out_of_fold")),
            run=run.folder.name,
            note=request.note,
        ),
        why=request.note or f"fit on {len(table.frame):,} rows",
    )
    if request.alias:
        store.versions.point(version.name, request.alias, version.number, request.note or "as asked")
    elif assembly.model.members and is_constant(store.versions.find(version.name).folder):
        store.versions.point(version.name, CHAMPION, version.number, "the champion so far answered a constant only")
    _end(run, version)
    announce(Event("version_registered", version.name, {"version": version.number, "score": version.score}))
    model = load_model(version.folder)
    return FitResult(model, store.versions.find(version.name, version.number), assembly.leaderboard, notes, run.folder)


def _end(run: Run, version: Version) -> None:
    run.finish({"version": version.number, "time": datetime.now(UTC).isoformat()}, kept=set())


def _selftest(model: Model, table: Table) -> SelfTest:
    """A few spread rows as JSON cells, with the outputs this very model gives them."""
    spread = np.unique(np.linspace(0, len(table.frame) - 1, SELFTEST_ROWS).astype(int))
    columns = {
        column.name: [as_json(value) for value in table.frame[column.name].iloc[spread]] for column in model.schema.used
    }
    return SelfTest(columns, model.outputs(conform(columns, model.schema, table.base)), table.base)


def _reference(assembly: Assembly, table: Table, seed: int) -> Reference:
    """Up to REFERENCE_ROWS rows with their honest outputs: out-of-fold, or holdout."""
    honest = np.flatnonzero(np.isfinite(assembly.outputs).reshape(len(assembly.outputs), -1).all(axis=1))
    if len(honest) > REFERENCE_ROWS:
        honest = np.sort(np.random.default_rng(seed).choice(honest, REFERENCE_ROWS, replace=False))
    names = [column.name for column in assembly.model.schema.used]
    frame = table.frame.iloc[honest][names].reset_index(drop=True)
    for column in assembly.model.schema.of_kind("image"):  # the monitor does not know where the source lay
        frame[column.name] = [str(table.base / cell) if isinstance(cell, str) else cell for cell in frame[column.name]]
    return Reference(frame, assembly.target[honest], assembly.outputs[honest])


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over the cells and column names of a frame."""
    import pandas as pd

    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object:
            column = column.map(repr)
        digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()
