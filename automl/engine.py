"""The story of a fit, top to bottom: read, understand, examine, split, search, combine, score once, save, register."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.memory import available_memory
from automl.data.reading import Table, Wanted, table_of
from automl.data.splits import work_of
from automl.delivery import FitResult, deliver, end_run
from automl.errors import OptionError, SearchError
from automl.hooks import architectures, find_task, read_source
from automl.inspection.findings import Finding
from automl.metrics import Metric
from automl.model.assembly import Assembly, assemble
from automl.model.choices import Limits
from automl.model.evidence import Evidence
from automl.model.refitted import with_taught
from automl.neural.gpus import find_gpus
from automl.opening import Confirm, Prepared, ask, create_run, prepare, refuse_another_problem, said_of
from automl.request import FitRequest
from automl.search.budget import Budget, plan_gpus, plan_threads, usable_cores
from automl.search.executors import Executor, InlineExecutor, LocalExecutor
from automl.search.ledger import Stages, Timesheet
from automl.search.listener import Listener, SearchEvent
from automl.search.refit import Rows, Teacher
from automl.search.run import Question, Run, TrialResult, disk_in_view, read_dataset, read_examples, read_table
from automl.search.study import INTERRUPTED, Search
from automl.store import Store, Version
from automl.task import Architecture, Examples

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitRequest", "FitResult", "fit_source", "fit_table", "training_table"]

MEMORY_SHARE = 0.8  # of what is free may be taken
ASSEMBLED_S = 3.5  # before the end the ensemble must be chosen: delivering takes 1 to 2 s, advice the rest
ASSEMBLED_SHARE = 0.12  # at most, of a short budget
LOADED_S = 1.0  # to load and score members that were taught once more
LAST_S = 1.0  # before the end nothing more is measured
KEPT_SHARES = {"known": 0.1, "all": 0.2}  # of the time, to teach the chosen members once more
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
    stages = Stages(budget.started)
    stages.end("reading")
    prepared = prepare(table, request)
    question = ask(prepared, request)
    refuse_another_problem(store, question)
    patient = _Patience(confirm)
    executor = _executor(prepared, question, request)
    try:
        run = _open_run(prepared, question, request, store, patient)
        stages.end("examining")
        return _fit(run, prepared, request, store, listener, executor, budget.waiting(patient.waited), stages)
    finally:
        executor.close()


def _fit(
    run: Run,
    prepared: Prepared,
    request: FitRequest,
    store: Store,
    listener: Listener,
    executor: Executor,
    budget: Budget,
    stages: Stages,
) -> FitResult:
    """Search, combine and deliver an opened run; lets go of it in the end."""
    try:
        said = [*(("note", note) for note in prepared.notes), *said_of(run, prepared.table.source)]
        for kind, text in said:
            listener(SearchEvent(kind, budget.elapsed(), text))
        notes = tuple(text if kind == "note" else f"{kind}: {text}" for kind, text in said)
        with disk_in_view(store.folder):
            families = _families(run)
            again = _taught_again(run, request, families)
            budget = replace(budget.waiting(-run.spent()), kept=_kept(again, request))
            timesheet = _search(run, families, prepared.metric, executor, budget, listener)
            stages.end("searching")
            listener(SearchEvent("assembling", budget.elapsed(), "choosing the ensemble"))
            if again is None or timesheet.stopped == INTERRUPTED:
                again = None
                executor.close()
            data, chosen_by = read_dataset(run.folder), _chosen_by(budget)
            evidence = Evidence(run, run.problem(), *data, prepared.metric, chosen_by, taught_again=again is not None)
            limits = Limits(request.prefer, request.max_latency_ms, request.max_bytes, math.isfinite(request.seconds))
            assembly = assemble(evidence, timesheet.first_error, limits)
            stages.end("assembling")
            if again is not None and assembly.model.members:
                listener(SearchEvent("refitting", budget.elapsed(), "teaching its members once more"))
                teacher = Teacher(run, families, executor, chosen_by - min(LOADED_S, 0.5 * budget.kept), again)
                refits = teacher.teach(_by_weight(run, assembly))
                assembly = with_taught(assembly, refits, evidence, limits)
                stages.end("refitting")
            executor.close()  # what is delivered needs their memory
            timesheet.peak_mb = executor.peak_mb
            ledger = timesheet.ledger(stages)
            result = deliver(run, assembly, notes, request, store, ledger, budget.deadline - LAST_S)
            stages.end("delivering")
            return replace(result, account=replace(result.account, ledger=timesheet.ledger(stages)))
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


def _open_run(prepared: Prepared, question: Question, request: FitRequest, store: Store, confirm: Confirm) -> Run:
    """Continue the unfinished run of this question, or begin one."""
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


def _families(run: Run) -> dict[str, Architecture]:
    """Those of the question that suit the problem; SearchError where none does."""
    problem = run.problem()
    known = architectures(problem.modality)
    families = {name: known[name] for name in run.question.architectures if name in known}
    families = {name: family for name, family in families.items() if family.accepts(problem)}
    if not families:
        raise SearchError(f"No architecture of {problem.modality} accepts this problem.", "See `automl plugins`.")
    return families


def _search(
    run: Run,
    families: dict[str, Architecture],
    metric: Metric,
    executor: Executor,
    budget: Budget,
    listener: Listener,
) -> Timesheet:
    """Search within the budget, as far as any of it is left."""
    problem = run.problem()
    executor.open(run.folder)
    if time.time() >= budget.last_moment:
        error = "" if run.results() else "the budget ended before a trial could begin"
        return Timesheet(stopped="the time is up", first_error=error)
    examples, split = read_examples(run.folder)
    judged = examples.take(split.validated)
    constant = metric.best_constant(judged.target, problem.outputs, judged.weights)
    floor = metric.loss(judged.target, np.broadcast_to(constant, (len(judged), *constant.shape)), judged.weights)
    work = work_of(len(judged), _columns(examples), problem.outputs) * max(split.folds - 1, 1)
    search = Search(run, families, executor, budget, listener, metric.higher_is_better, floor, work)
    search.run(len(examples))
    return search.timesheet


def _taught_again(run: Run, request: FitRequest, families: Mapping[str, Architecture]) -> Rows | None:
    """The rows that the chosen members are taught with once more; None where the learners of their folds answer.

    Unasked all rows where the newest are the holdout: they tell most of what comes next, and none has learned them.
    Else those that are known to the search, where the learners of its folds lack many of them; not where networks of
    epochs are searched, which gain more as a mean of several.
    """
    _, split = read_examples(run.folder)
    if request.refit is not None:
        return "all" if request.refit else None
    if split.forward:
        return "all" if len(split.holdout) else None
    return "known" if split.folds > 1 and not any(family.epochs for family in families.values()) else None


def _kept(again: Rows | None, request: FitRequest) -> float:
    """Seconds after the search at most, to teach the chosen members once more."""
    return KEPT_SHARES[again] * request.seconds if again and math.isfinite(request.seconds) else 0.0


def _by_weight(run: Run, assembly: Assembly) -> list[TrialResult]:
    """The trials of the delivered choice, the heaviest first."""
    weights = next(each.weights for each in assembly.choices if each.name == assembly.model.card.choice)
    return sorted((each for each in run.results() if each.number in weights), key=lambda each: -weights[each.number])


def _chosen_by(budget: Budget) -> float:
    """When the ensemble must be chosen, so that the rest fits."""
    return budget.deadline - min(ASSEMBLED_S, ASSEMBLED_SHARE * budget.seconds)


def _columns(examples: Examples) -> int:
    """Columns of what a learner is given, whatever the shapes."""
    return sum(array.size for array in examples.features.arrays.values()) // max(len(examples), 1)


def _executor(prepared: Prepared, question: Question, request: FitRequest) -> Executor:
    """Where the trials will run; workers begin to load their libraries at once."""
    if request.executor == "inline" or request.seconds < INLINE_BELOW_S:
        return InlineExecutor()
    memory = request.memory or MEMORY_SHARE * available_memory()
    cells = len(prepared.dataset) * len(prepared.dataset.schema.used)
    known = [family for family in architectures(question.modality).values() if family.runtime != "torch"]
    plan = plan_threads(cells, usable_cores(), request.workers, memory)
    networks_first = not known or find_task(question.modality).effort > 1
    plan = plan_gpus(replace(plan, torch=plan.slots) if networks_first else plan, find_gpus())
    executor = LocalExecutor(plan, memory)
    if known:
        executor.warm(list(dict.fromkeys(library for family in known for library in family.libraries)))
    return executor
