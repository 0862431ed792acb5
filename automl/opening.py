"""From a table to a run: what is to be learned is understood, the data examined, the rows split."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.cells import as_text, is_missing
from automl.data.dataset import Dataset, Rows, conform, conform_target, object_array, present
from automl.data.fingerprint import fingerprint
from automl.data.inference import choose_target, choose_task, infer_schema
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.data.splits import Split, Structure, make_split, work_of
from automl.data.weights import row_weights
from automl.errors import DataError, OptionError
from automl.families import searched, weights_for, weights_left_out
from automl.hooks import find_task, match_task
from automl.inspection.copies import rows_alike
from automl.inspection.findings import Finding, Severity, findings_lines
from automl.inspection.gallery import Galleries, open_galleries
from automl.inspection.inspect import examine
from automl.inspection.personal import hide
from automl.inspection.structure import Decision
from automl.inspection.subject import Subject
from automl.inspection.unreadable import left_out, nothing_left, without_broken
from automl.metrics import Metric, check_target, choose_metric, find_metric
from automl.neural.pretrained.finding import told_of_weights
from automl.request import FitRequest
from automl.search.augmentation import worth_augmenting
from automl.search.balance import check_balance
from automl.search.run import Question, Run, problem_of, read_decisions
from automl.store import Store
from automl.store.versions import check_name
from automl.task import Examples, Features

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 200  # below which a score is said to be shaky
# The examination may train small forests; most of the time belongs to the search.
EXAMINE_SHARE = 0.25
EXAMINE_MOST_S = 10.0
EXAMINE_FROM_S = 10.0  # a shorter budget has no time for forests
AUGMENT_SHARE = 0.3  # of the budget, to measure what synthetic rows are worth

Confirm = Callable[[Sequence[Finding]], bool]  # shall these leaks be dropped?


@dataclass(frozen=True)
class Prepared:
    """A table understood: the rows that have a target, raw and conformed, and every decision made for the user.

    `galleries`: their pictures, opened. `left_out`: positions of the rows of the source that are not among them.
    """

    table: Table
    dataset: Dataset
    metric: Metric
    notes: tuple[str, ...]
    galleries: Galleries = field(default_factory=dict)
    left_out: tuple[int, ...] = ()


def prepare(table: Table, request: FitRequest) -> Prepared:
    """Target, task, schema and conformed rows of a table. Raises DataError and its kin."""
    target, target_guess = choose_target(table, request.target)
    task, task_guess = choose_task(table.frame[target], request.task, target in table.commas)
    schema = infer_schema(table, target, task, request.kinds, request.roles.ignored(target, table))
    metric = choose_metric(request.metric, schema)
    goal = conform_target(table.frame[target], schema)
    rows = conform(table.frame, schema, table.base)
    galleries = open_galleries(schema.columns, rows, table.files)
    table, schema, rows = without_broken(table, schema, rows, galleries)
    there, lost = present(goal), nothing_left(schema, galleries)
    kept = np.flatnonzero(there & ~lost if len(lost) else there)
    notes = [f"{guess.what}; to change it: {guess.overrule}" for guess in (target_guess, task_guess) if guess]
    notes += table.notes
    if not there.all():
        notes.append(f"{int((~there).sum()):,} rows without a target were left out")
    if lost.any():
        notes.append(left_out(lost, galleries))
    if len(kept) < len(goal):
        rows = rows.take(kept)
        galleries = {name: gallery.take(kept) for name, gallery in galleries.items()}
        files = tuple(table.files[row] for row in kept) if table.files else ()
        table = replace(table, frame=table.frame.iloc[kept].reset_index(drop=True), files=files)
    if len(kept) < FEW_ROWS:
        notes.append(f"only {len(kept)} rows: whatever the score says, it says it with little certainty")
    gone = tuple(np.setdiff1d(np.arange(len(goal)), kept).tolist())
    name, goal = request.roles.weight, goal[kept]
    weights = row_weights(table.frame[name], name, name in table.commas) if name else None
    notes += check_target(metric, goal, schema, weights)
    return Prepared(table, Dataset(schema, rows, goal, weights), metric, tuple(notes), galleries, gone)


def create_run(prepared: Prepared, question: Question, store: Store, request: FitRequest, confirm: Confirm) -> Run:
    """Examine the data, leave out what must be left out, split the rows and begin the run."""
    examination = examine(_subject(prepared, request), request.split)
    decision = examination.decision or Decision(Structure())
    dropped = examination.leaks if request.drop_leaks or (examination.leaks and confirm(examination.leaks)) else ()
    reasons = {column: f"a leak: {finding.what}" for finding in dropped for column in finding.columns}
    dataset = _without(prepared.dataset, {**decision.ignored, **reasons})
    structure = decision.structure
    if reasons:
        structure = replace(structure, copies=rows_alike(dataset.schema, dataset.rows, prepared.galleries))
    features = find_task(question.modality).features(dataset.schema, dataset.rows)
    work = find_task(question.modality).effort * _work_a_minute(features, dataset, request)
    split = make_split(dataset.target, dataset.schema, request.seed, structure, work)
    decisions = {
        "findings": [finding.record() for finding in examination.findings],
        "split": decision.structure.kind,
        "column": decision.column,
        "private": sorted(examination.private),
        "left_out": list(prepared.left_out),
        "only": list(request.only),
        "refit": request.refit,
        "files": list(prepared.table.files),
        **_augmentation(dataset, features, split, question, request),
    }
    decisions["notes"] = [
        *decisions.get("notes", ()),
        *told_of_weights(question.weights, request.weights, question.modality),
        *weights_left_out(request, question.modality, len(dataset)),
    ]
    kept = replace(prepared.table, frame=_storable(prepared.table.frame))
    return Run.create(store.runs_folder, question, kept, dataset, split, decisions, features)


def _work_a_minute(features: Features, dataset: Dataset, request: FitRequest) -> float:
    """What one learner has to go through, per minute of the budget; nothing without a clock."""
    cells = sum(array.size for array in features.arrays.values())
    outputs = max(len(dataset.schema.classes), 1)
    return work_of(len(dataset), cells // max(len(dataset), 1), outputs) * 60.0 / request.seconds


def _augmentation(
    dataset: Dataset, features: Features, split: Split, question: Question, request: FitRequest
) -> dict[str, Any]:
    """Whether synthetic rows are used, measured before the search."""
    if not request.augment:
        return {}
    problem = problem_of(dataset.schema, question)
    deadline = time.time() + AUGMENT_SHARE * request.seconds
    examples = Examples(features, dataset.target, dataset.weights)
    verdict = worth_augmenting(problem, examples, split, find_metric(question.metric), deadline)
    return {"augment": verdict.use, "notes": [verdict.note]}


def ask(prepared: Prepared, request: FitRequest) -> Question:
    """The question of a run, from what was asked and what was inferred."""
    schema = prepared.dataset.schema
    modality = request.modality or match_task(schema).name
    if find_task(modality).suits(schema) <= 0:
        kinds = ", ".join(sorted({column.kind for column in schema.used}))
        raise OptionError(
            f"The task plugin {modality!r} cannot learn from these columns ({kinds}).", "Leave --modality out."
        )
    names = searched(request, modality, len(prepared.dataset))
    return Question(
        name=check_name(request.name or prepared.table.name),
        fingerprint=fingerprint(prepared.table.frame),
        target=schema.target,
        task=schema.task,
        modality=modality,
        metric=prepared.metric.name,
        seconds=request.seconds,
        seed=request.seed,
        kinds=dict(request.kinds),
        architectures=names,
        max_trials=request.max_trials,
        roles=request.roles,
        split=request.split,
        drop_leaks=request.drop_leaks,
        balance=check_balance(request.balance, schema),
        augment=request.augment,
        starts=request.starts,
        weights=weights_for(names, request, modality),
    )


def refuse_another_problem(store: Store, question: Question) -> None:
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


def _subject(prepared: Prepared, request: FitRequest) -> Subject:
    """What is examined, and until when: a question to the data must not eat the search's time."""
    share = 0.0 if request.seconds < EXAMINE_FROM_S else min(EXAMINE_SHARE * request.seconds, EXAMINE_MOST_S)
    return Subject(
        prepared.table, prepared.dataset, request.roles, request.seed, time.time() + share, prepared.galleries
    )


def _without(dataset: Dataset, ignored: Mapping[str, str]) -> Dataset:
    """The dataset without these columns. Raises DataError when nothing is left to learn from."""
    if not ignored:
        return dataset
    schema = dataset.schema.ignoring(ignored)
    if not schema.used:
        raise DataError("No column is left to learn from.", f"Left out: {', '.join(ignored)}.")
    rows = Rows({column.name: dataset.rows[column.name] for column in schema.used})
    return replace(dataset, schema=schema, rows=rows)


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows as they came; cells of mixed or odd types become text, which Parquet can hold."""
    frame = frame.copy(deep=False)
    for name in frame.columns:
        if not _fits_parquet(frame[name]):
            texts = [as_text(value) for value in frame[name].tolist()]
            clean = [None if text is None else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
            frame[name] = object_array(clean)
    return frame


def _fits_parquet(column: pd.Series) -> bool:
    import pandas as pd
    import pyarrow as pa

    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufbM":
        return True
    if column.dtype == object:
        kinds = {type(value) for value in column if not is_missing(value)}
        if len(kinds) > 1 or not kinds <= {str, bytes, bool}:
            return False
    elif not isinstance(column.dtype, pd.StringDtype | pd.DatetimeTZDtype | pd.BooleanDtype):
        return pd.api.types.is_any_real_numeric_dtype(column.dtype) and not pd.api.types.is_sparse(column.dtype)
    try:
        pa.array(column)
    except (pa.ArrowException, UnicodeError):
        return False
    return True


def said_of(run: Run, source: str) -> list[tuple[Severity, str]]:
    """What the examination of a run's data found, for the terminal, and the columns that are not used."""
    decisions = read_decisions(run.folder)
    findings = [Finding.from_record(record) for record in decisions["findings"]]
    lines = findings_lines(findings, source=f"{source} --target {shlex.quote(run.question.target)}")
    lines += [("note", note) for note in decisions.get("notes", [])]
    ignored = [f"{column.name} ({hide(column.reason)})" for column in run.problem().schema.of_kind("ignored")]
    if ignored:
        shown = ", ".join(ignored[:4]) + (f" and {len(ignored) - 4} more" if len(ignored) > 4 else "")
        lines.append(("note", f"columns not used: {shown}"))
    return lines
