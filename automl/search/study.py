"""The search: one coordinator asks and tells, an executor evaluates, the clock decides.

First the portfolio, families alternating, best first; then Optuna's sampler on the same space, until the
time is up, the trials are used up, or few rows forbid more choosing.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.hooks import Event, announce
from automl.search.budget import Budget
from automl.search.evaluate import Failed, Finished, FoldScored, Reported, TrialEvent, TrialSpec
from automl.search.executors import Executor
from automl.search.journal import ask, enqueue_once, open_study, sweep
from automl.search.run import Run, read_result
from automl.task import Architecture, Parameters, Problem

if TYPE_CHECKING:
    from optuna.trial import Trial

# Choosing among many candidates by few rows over-fits the choice: after so many finished trials without a
# better one the search ends. AutoGluon 1.5 caps its model count by rows with these very anchors.
PATIENCE_ROWS = (100, 500, 2_500, 10_000, 100_000)
PATIENCE_TRIALS = (4, 8, 15, 40, 100)

TRIAL_SHARE = 1 / 2  # of the remaining time is the most that one trial may take
TRIAL_LEAST_S = 5.0
SKIPS = 8  # candidates in a row that would not fit into the rest of the time before the search gives up


@dataclass(frozen=True)
class SearchEvent:
    """Something to show while a search runs. `score` is in the metric's own scale (NaN where it has none)."""

    kind: str  # note, warning, problem, resumed, tick, fold, step, trial, pruned, failed, stopped, assembling
    elapsed: float
    text: str
    trial: int = -1
    architecture: str = ""
    score: float = math.nan
    best: float = math.nan


Listener = Callable[[SearchEvent], None]


class Search:
    """The search of one run. `run()` it once; the results lie in the run's folder."""

    def __init__(
        self,
        run: Run,
        families: dict[str, Architecture],
        executor: Executor,
        budget: Budget,
        listener: Listener,
        higher_is_better: bool,
    ) -> None:
        self._run = run
        self._problem = run.problem()
        self._families = families
        self._executor = executor
        self._budget = budget
        self._listener = listener
        self._sign = -1.0 if higher_is_better else 1.0
        self._trials: dict[int, _Candidate] = {}
        self._results = {result.number: result for result in run.results()}
        self._since_better = 0
        self._skipped = 0
        self._stopped = ""
        self.first_error = ""

    def run(self, rows: int) -> None:
        """Search until the budget, the trials or the patience (by `rows`) is used up."""
        self._study = open_study(self._run.folder / "journal.log", self._problem.seed)
        sweep(self._study, self._loss_on_disk)
        if self._study.trials:
            self._tell("resumed", f"{len(self._results)} finished trials kept")
        enqueue_once(self._study, portfolio(self._families.values(), self._problem))
        patience = patience_for(rows)
        try:
            while not self._over():
                while self._wants_more(patience) and self._executor.room():
                    self._submit_next()
                if not self._executor.running():
                    self._tell("stopped", f"the search ended before its time: {self._stopped}")
                    return
                left = self._deadline() - time.time()
                for event in self._executor.wait(min(max(left, 0.0), 0.5)):
                    self._handle(event)
                self._run.note_spent(self._budget.elapsed())
                self._tell("tick", "")
        finally:
            self._abandon()

    def _deadline(self) -> float:
        """The first finished trial is worth the reserve of all later stages; after it they get theirs."""
        return self._budget.search_deadline if self._results else self._budget.last_moment

    def _over(self) -> bool:
        return time.time() >= self._deadline()

    def _wants_more(self, patience: int) -> bool:
        if self._stopped or self._over():
            return False
        most = self._run.question.max_trials
        if most is not None and len(self._results) + len(self._executor.running()) >= most:
            self._stopped = f"{most} trials"
        elif self._since_better >= patience and not self._queued():
            self._stopped = f"no better one in {patience} trials"
        elif self._skipped >= SKIPS:
            self._stopped = "no further trial would fit into the time left"
        return not self._stopped

    def _queued(self) -> bool:
        """Is part of the portfolio still waiting?"""
        from optuna.trial import TrialState

        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _submit_next(self) -> None:
        queued = self._queued()
        trial, architecture, parameters = ask(self._study, self._families, self._problem)
        deadline = self._deadline()
        left = deadline - time.time()
        if self._usual_seconds(architecture) > left:
            from optuna.trial import TrialState

            self._study.tell(trial.number, state=TrialState.FAIL)
            self._skipped += 1
            return
        share = TRIAL_SHARE * (self._budget.search_deadline - time.time())
        allowed = min(left, max(share, TRIAL_LEAST_S))
        spec = TrialSpec(trial.number, architecture, parameters, allowed, deadline, self._executor.plan.threads)
        self._trials[trial.number] = _Candidate(trial, architecture, exempt=queued, losses=[])
        self._executor.submit(spec, self._families[architecture].runtime)
        self._skipped = 0

    def _usual_seconds(self, architecture: str) -> float:
        """What a trial of this family has taken so far; 0 while unknown."""
        known = [each.seconds for each in self._results.values() if each.architecture == architecture]
        return statistics.median(known) if known else 0.0

    def _handle(self, event: TrialEvent) -> None:
        candidate = self._trials[event.trial]
        if isinstance(event, FoldScored):
            candidate.losses.append(event.loss)
            hopeless = self._hopeless(event, candidate)  # asked for the exempt too: it reports what others compare with
            self._executor.answer(event.trial, candidate.exempt or not hopeless)
            mean = self._sign * statistics.fmean(candidate.losses)
            self._tell("fold", f"fold {event.fold + 1}", event.trial, mean)
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, Failed):
            self._fail(event, candidate)
        elif isinstance(event, Reported):
            self._tell("step", f"step {event.step}", event.trial, event.score)

    def _hopeless(self, event: FoldScored, candidate: _Candidate) -> bool:
        """Is the mean over the folds so far worse than the median trial's was at this fold?"""
        if not math.isfinite(event.loss):  # a fold without a rare class has no ROC AUC
            return False
        candidate.trial.report(statistics.fmean(filter(math.isfinite, candidate.losses)), event.fold)
        return candidate.trial.should_prune()

    def _finish(self, event: Finished) -> None:
        best = min((result.loss for result in self._results.values()), default=math.inf)
        result = read_result(self._run.trials_folder / f"{event.trial:05d}")
        self._results[event.trial] = result
        self._study.tell(event.trial, event.loss)
        self._since_better = 0 if event.loss < best else self._since_better + 1
        score = self._sign * event.loss
        announce(
            Event("trial_finished", self._run.question.name, {"architecture": result.architecture, "score": score})
        )
        self._tell("trial", f"{result.seconds:.1f} s", event.trial, score)

    def _fail(self, event: Failed, candidate: _Candidate) -> None:
        from optuna.trial import TrialState

        if event.error == "pruned":
            self._study.tell(event.trial, state=TrialState.PRUNED)
            self._since_better += 1
            self._tell("pruned", "pruned", event.trial, self._sign * statistics.fmean(candidate.losses))
            return
        self._study.tell(event.trial, state=TrialState.FAIL)
        self.first_error = self.first_error or f"{candidate.architecture}: {event.error}"
        self._since_better += 1
        self._tell("failed", event.error, event.trial)

    def _abandon(self) -> None:
        """End what is running: the time is up. A trial that finished at the last moment still counts."""
        from optuna.trial import TrialState

        running = self._executor.running()
        self._executor.close()
        for number in running:
            loss = self._loss_on_disk(number)
            if loss is None:
                self._study.tell(number, state=TrialState.FAIL)
            else:
                self._study.tell(number, loss)

    def _loss_on_disk(self, number: int) -> float | None:
        folder = self._run.trials_folder / f"{number:05d}"
        return read_result(folder).loss if folder.exists() else None

    def _tell(self, kind: str, text: str, trial: int = -1, score: float = math.nan) -> None:
        best = min((result.loss for result in self._results.values()), default=math.nan)
        name = self._trials[trial].architecture if trial in self._trials else ""
        self._listener(SearchEvent(kind, self._budget.elapsed(), text, trial, name, score, self._sign * best))


@dataclass
class _Candidate:
    """A submitted trial: its family, whether it is exempt from pruning, its fold losses so far."""

    trial: Trial
    architecture: str
    exempt: bool
    losses: list[float]


def portfolio(families: Iterable[Architecture], problem: Problem) -> list[tuple[str, Parameters]]:
    """Every family's first starting point, then every second, and so on."""
    columns = [[(family.name, point) for point in family.portfolio(problem)] for family in families]
    rounds = itertools.zip_longest(*columns)
    return [entry for each_round in rounds for entry in each_round if entry is not None]


def patience_for(rows: int) -> int:
    """Finished trials without a better one after which the search ends."""
    logs = np.interp(math.log(max(rows, 1)), np.log(PATIENCE_ROWS), np.log(PATIENCE_TRIALS))
    return round(math.exp(float(logs)))
