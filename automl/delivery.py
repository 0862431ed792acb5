"""The end of a fit: the artifact with its self-test and reference, the report, the version in the store."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.cells import as_json
from automl.data.columns import image_of
from automl.data.dataset import conform, object_array
from automl.data.reading import Table
from automl.hooks import Event, announce
from automl.inspection.findings import Finding
from automl.inspection.suspects import find_suspects
from automl.metrics import find_metric
from automl.model.advice import advise, constant_loss
from automl.model.artifact import SelfTest, is_constant, load_model, save_model
from automl.model.assembly import Assembly, LeaderboardRow
from automl.model.fairness import fairness_figures, fairness_note
from automl.model.model import Model
from automl.model.picture_records import picture_records
from automl.model.reference import PICTURE_ROWS, REFERENCE_ROWS, Reference
from automl.model.statistics import draw, without_cells
from automl.model.trainings import trainings
from automl.report.account import Account
from automl.report.html import write_report
from automl.request import FitRequest
from automl.search.ledger import Ledger
from automl.search.run import Run, read_dataset, read_decisions, read_table, write_json
from automl.store import CHAMPION, Store, Version

if TYPE_CHECKING:
    import pandas as pd

SELFTEST_ROWS = 20


@dataclass(frozen=True)
class FitResult:
    """The new version, its model, what was tried, what a user should be told, and where the time went."""

    model: Model
    version: Version
    leaderboard: list[LeaderboardRow]
    notes: tuple[str, ...]
    run_folder: Path
    account: Account = field(default_factory=Account)


def deliver(
    run: Run,
    assembly: Assembly,
    notes: tuple[str, ...],
    request: FitRequest,
    store: Store,
    ledger: Ledger | None = None,
    deadline: float = math.inf,
) -> FitResult:
    """Save the artifact with its self-test and reference, register it, end the run.

    `deadline`: a `time.time()` instant after which nothing more is measured for the advice.
    """
    table = read_table(run.folder)
    model = _with_fairness(run, assembly, table)
    private = tuple(read_decisions(run.folder)["private"])
    model = replace(model, card=replace(model.card, private=private))
    reference = _reference(assembly, table, run.question.seed)
    cells = _spread(table, model)
    if not request.reference_rows:
        reference = reference.without_rows(model.schema)
        schema = without_cells(model.schema, reference.statistics, read_dataset(run.folder)[0].rows)
        model = replace(model, problem=replace(model.problem, schema=schema))
        cells = draw(reference.statistics, SELFTEST_ROWS)
    folder = run.folder / "artifact"
    shutil.rmtree(folder, ignore_errors=True)
    save_model(model, folder, _selftest(model, cells, table.base), reference)
    question = run.question
    advice = advise(run, assembly.by_folds or model, assembly.leaderboard, deadline)
    account = _audited(Account(assembly.choices, model.card.choice, ledger, advice), run, assembly, table)
    write_report(run.folder / "report.html", model, assembly.leaderboard, notes, account)
    write_json(run.folder / "leaderboard.json", {"rows": [row.record() for row in assembly.leaderboard]})
    version = store.versions.register(
        Version(
            name=question.name,
            number=0,
            folder=folder,
            task=question.task,
            modality=question.modality,
            metric=question.metric,
            score=model.card.honest_score,
            run=run.folder.name,
            note=request.note,
        ),
        why=request.note or f"fit on {len(table.frame):,} rows",
    )
    if request.alias:
        store.versions.point(version.name, request.alias, version.number, request.note or "as asked")
    elif model.members and is_constant(store.versions.find(version.name).folder):
        store.versions.point(version.name, CHAMPION, version.number, "the champion so far answered a constant only")
    end_run(run, version)
    announce(Event("version_registered", version.name, {"version": version.number, "score": version.score}))
    return FitResult(
        load_model(version.folder),
        store.versions.find(version.name, version.number),
        assembly.leaderboard,
        (*notes, *model.card.notes),
        run.folder,
        account,
    )


def _audited(account: Account, run: Run, assembly: Assembly, table: Table) -> Account:
    """The account with how the trials trained and which labels the model doubts; both also as files of the run."""
    model, metric = assembly.model, find_metric(run.question.metric)
    if not model.members:
        return account
    trained = trainings(run.results(), constant_loss(model, *read_dataset(run.folder), metric), metric)
    decisions = read_decisions(run.folder)
    named = replace(table, files=tuple(decisions.get("files", ())))
    suspects = find_suspects(model.schema, assembly.target, assembly.outputs, named, decisions.get("left_out", ()))
    if trained:
        write_json(run.folder / "trainings.json", {"trials": [each.record() for each in trained]})
    if suspects is not None:
        write_json(run.folder / "suspects.json", suspects.record())
    said = [suspects.note] if suspects and suspects.note else []
    return replace(account, advice=(*account.advice, *said), trainings=trained, suspects=suspects)


def end_run(run: Run, version: Version) -> None:
    """Mark a run as ended with this version."""
    run.finish({"version": version.number, "time": datetime.now(UTC).isoformat()}, kept=set())


def _with_fairness(run: Run, assembly: Assembly, table: Table) -> Model:
    """The model with what its sensitive columns show, and a note where a gap is notable."""
    model, question = assembly.model, run.question
    figures = fairness_figures(
        table.frame,
        question.roles.sensitive,
        assembly.target,
        assembly.outputs,
        model.schema,
        find_metric(question.metric),
        model.decision,
    )
    notes = (*model.card.notes, *_known_leaks(run, model), *fairness_note(figures))
    return replace(model, card=replace(model.card, fairness=figures, notes=notes))


def _known_leaks(run: Run, model: Model) -> tuple[str, ...]:
    """What the scores must not be read without: columns that give the target away and were learned from."""
    used = {column.name for column in model.schema.used}
    findings = [Finding.from_record(record) for record in read_decisions(run.folder)["findings"]]
    known = [each for each in findings if each.is_leak and used & set(each.columns)]
    names = ", ".join(dict.fromkeys(name for finding in known for name in finding.columns))
    return (f"the scores rest on what gives the target away ({names}); see the problems above",) if known else ()


def _spread(table: Table, model: Model) -> pd.DataFrame:
    """A few rows from all over the table, with the columns that the model sees."""
    spread = np.unique(np.linspace(0, len(table.frame) - 1, SELFTEST_ROWS).astype(int))
    return table.frame.iloc[spread][[column.name for column in model.schema.used]]


def _selftest(model: Model, frame: pd.DataFrame, base: Path) -> SelfTest:
    """Rows as JSON cells, with the outputs this very model gives them."""
    columns = {str(name): [as_json(value) for value in frame[name]] for name in frame.columns}
    return SelfTest(columns, model.outputs(conform(columns, model.schema, base)), base)


def _reference(assembly: Assembly, table: Table, seed: int) -> Reference:
    """Up to REFERENCE_ROWS rows with their honest outputs, out-of-fold or holdout; fewer where there are pictures, of
    which only what is watched in them is kept."""
    problem = assembly.model.problem
    images = problem.schema.images
    most = PICTURE_ROWS if images else REFERENCE_ROWS
    honest = np.flatnonzero(np.isfinite(assembly.outputs).reshape(len(assembly.outputs), -1).all(axis=1))
    if len(honest) > most:
        honest = np.sort(np.random.default_rng(seed).choice(honest, most, replace=False))
    names = [column.name for column in problem.schema.used]
    frame = table.frame.iloc[honest][names].reset_index(drop=True)
    for column in images:
        cells = [image_of(cell, table.base) for cell in frame[column.name].tolist()]
        frame[column.name] = object_array(picture_records(problem, column, cells))
    return Reference(frame, assembly.target[honest], assembly.outputs[honest])
