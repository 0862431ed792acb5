"""The story of a fit, top to bottom: read, understand, examine, split, search, combine, score once, save, register."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automl.data.dataset import Dataset
from automl.data.reading import Table, Wanted, table_of
from automl.delivery import FitResult, deliver, end_run
from automl.errors import OptionError, SearchError
from automl.hooks import architectures, read_source
from automl.inspection.findings import Finding
from automl.metrics import Metric
from automl.model.assembly import Assembly, assemble
from automl.opening import Confirm, Prepared, ask, create_run, prepare, refuse_another_problem, said_of
from automl.request import FitRequest
from automl.search.budget import Budget, plan_threads, usable_cores
from automl.search.executors import Executor, InlineExecutor, LocalExecutor
from automl.search.run import Run, disk_in_view, read_dataset, read_table
from automl.search.study import Listener, Search, SearchEvent
from automl.search.worker import open_workbench
from automl.store import Store, Version

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitRequest", "FitResult", "fit_source", "fit_table", "training_table"]

INLINE_BELOW_S = 10.0  # in a shorter budget the start of worker processes would cost the better part


def fit_source(
    source: str | Path | pd.DataFrame,
    request: FitRequest,
    store: Store,
    listener: Listener,
    wanted: Wanted | None = None,
    confirm: Confirm = lambda leaks: False,
) -> FitResult:
    """Fit on any source that a reader takes, or on a data frame. `wanted`: which part of a source with several."""
    if isinstance(source, str | Path):
        table = read_source(source, wanted or Wanted())
        if "://" not in str(source):  # an address may hold a password
            table = replace(table, source=str(source))
    else:
        table = table_of(source)
    return fit_table(table, request, store, listener, confirm)


def fit_table(
    table: Table,
    request: FitRequest,
    store: Store,
    listener: Listener = lambda event: None,
    confirm: Confirm = lambda leaks: False,
) -> FitResult:
    """Fit on a table and register the model as a new version of its name.

    `confirm` is asked whether found leaks shall be dropped; the budget does not run while it waits.

    The first version of a name becomes its champion, and so does the first after a mere constant. An unfinished run
    of the same question is continued. Raises DataError and its kin before anything is written.
    """
    budget = Budget(request.seconds, request.started or time.time())
    prepared = prepare(table, request)
    patient = _Patience(confirm)
    run = _open_run(prepared, request, store, patient)
    try:
        said = [*(("note", note) for note in prepared.notes), *said_of(run, table.source)]
        for kind, text in said:
            listener(SearchEvent(kind, budget.elapsed(), text))
        notes = tuple(text if kind == "note" else f"{kind}: {text}" for kind, text in said)
        with disk_in_view(store.folder):
            budget = Budget(budget.seconds, budget.started - run.spent() + patient.waited)
            assembly = _search(run, prepared.metric, request, budget, listener)
            listener(SearchEvent("assembling", budget.elapsed(), "choosing the ensemble"))
            return deliver(run, assembly, notes, request, store)
    finally:
        run.close()


def training_table(store: Store, version: Version) -> Table:
    """The raw rows that a version was fitted on, its holdout and target included."""
    return read_table(store.runs_folder / version.run)


class _Patience:
    """Asks, and remembers how many seconds the answers took."""

    def __init__(self, confirm: Confirm) -> None:
        self._confirm = confirm
        self.waited = 0.0

    def __call__(self, leaks: Sequence[Finding]) -> bool:
        begun = time.time()
        answer = self._confirm(leaks)
        self.waited += time.time() - begun
        return answer


def _open_run(prepared: Prepared, request: FitRequest, store: Store, confirm: Confirm) -> Run:
    """Continue the unfinished run of this question, or begin one."""
    question = ask(prepared, request)
    refuse_another_problem(store, question)
    run = Run.unfinished(store.runs_folder, question)
    if run is not None and not _is_delivered(run, store):
        return run
    if request.resume:
        raise OptionError(
            f"There is no unfinished run of {question.name!r} with this data and these options.", "Leave --resume out."
        )
    return create_run(prepared, question, store, request, confirm)


def _is_delivered(run: Run, store: Store) -> bool:
    """Did a process die after registering the version of this run? Then all that is left is to end it."""
    name = run.question.name
    known = store.versions.of(name) if name in store.versions.names() else []
    delivered = [version for version in known if version.run == run.folder.name]
    if delivered:
        end_run(run, delivered[0])
        run.close()
    return bool(delivered)


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
        executor = _executor(run, dataset, request)
        search = Search(run, families, executor, budget, listener, metric.higher_is_better)
        search.run(len(dataset))
        error = search.first_error
    elif not run.results():
        error = "the budget ended before a trial could begin"
    return assemble(run, dataset, split, metric, budget.deadline - 2.0, error)


def _executor(run: Run, dataset: Dataset, request: FitRequest) -> Executor:
    if request.executor == "inline" or request.seconds < INLINE_BELOW_S:
        return InlineExecutor(open_workbench(run.folder, lambda *report: None))
    return LocalExecutor(run.folder, plan_threads(len(dataset) * len(dataset.schema.used), usable_cores()))
