"""The search: one coordinator asks and tells, an executor evaluates, the clock decides.

First the portfolio, families alternating, best first; then Optuna's sampler on the families that have earned it, until
the time is up, the trials are used up, or few rows forbid more choosing.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from automl.hooks import Event, announce
from automl.search.budget import Budget
from automl.search.candidate import Candidate
from automl.search.events import (
    PRUNED,
    EpochEnded,
    Failed,
    Finished,
    FitBegan,
    FoldScored,
    Reported,
    TrialEvent,
    TrialSpec,
)
from automl.search.executors import Executor
from automl.search.journal import ask, enqueue_once, favour, judged, open_study, sweep
from automl.search.ledger import Timesheet
from automl.search.listener import Listener, SearchEvent
from automl.search.pace import Pace, first_minute, next_family, patience_for, portfolio
from automl.search.pruning import Curve
from automl.search.run import Run, TrialResult, read_result
from automl.search.tried import Tried
from automl.task import Architecture, Parameters

if TYPE_CHECKING:
    from optuna.trial import Trial


WINDOW = 4  # without a clock: trials whose results a trial does not know of; so many can run side by side
INTERRUPTED = "interrupted"
ALL_TRIALS = "after as many trials as were asked for"
TRIAL_SHARE = 1 / 2  # of the remaining time is the most that one trial may take
TRIAL_LEAST_S = 5.0
BEFORE_CURVE = 5  # finished trials: a family that leads then is worth a learning curve
CURVE_SHARE = 0.05  # of the time left is the most it may take
FITTING_SHARE = 0.85  # of what is left until the search must end


class Search:
    """The search of one run. `run()` it once; the results lie in the run's folder.

    Without a clock (an infinite budget) it is the same every time, on one worker and on several: trial n is asked for
    when the results of all trials up to n - WINDOW are told, in their order, and of no other.
    """

    def __init__(
        self,
        run: Run,
        families: dict[str, Architecture],
        executor: Executor,
        budget: Budget,
        listener: Listener,
        higher_is_better: bool,
        floor: float = math.inf,
        work: float = 0.0,
    ) -> None:
        """`floor`: the loss of the best constant. `work`: see Pace."""
        self._run = run
        self._problem = run.problem()
        self._families = families
        self._executor = executor
        self._budget = budget
        self._listener = listener
        self._sign = -1.0 if higher_is_better else 1.0
        self._floor = floor
        self._pace = Pace(families, work, executor.plan.threads, self._problem.outputs)
        self._kept = budget.kept
        self._ordered = math.isinf(budget.seconds)
        self._trials: dict[int, Candidate] = {}
        self._untold: dict[int, TrialResult | str] = {}  # by number: what a finished trial gave, or why it failed
        self._results = {result.number: result for result in run.results()}
        self._held: list[Candidate] = []  # asked for, waiting for room in their runtime
        self._since_better = 0
        self._curve_is_drawn = any(result.curve for result in self._results.values())
        self.timesheet = Timesheet()

    def run(self, rows: int) -> None:
        """Search until the budget, the trials or the patience (by `rows`) is used up, or Ctrl-C."""
        self._study = open_study(self._run.folder / "journal.log", self._problem.seed)
        sweep(self._study, self._loss_on_disk)
        if self._study.trials:
            self._tell("resumed", f"{len(self._results)} finished trials kept")
        self._tried = Tried(trial.params for trial in judged(self._study))
        points = portfolio(self._families.values(), self._problem)
        starts = [(start.architecture, start.parameters) for start in self._run.question.starts]
        starts = [start for start in starts if start[0] in self._families]
        enqueue_once(self._study, [*starts, *first_minute(points, self._pace, self._allowed())])
        patience = patience_for(rows)
        began = time.time()
        try:
            while not self._over():
                self._submit_held()
                while self._wants_more(patience) and self._executor.room() and self._is_turn():
                    if not self._submit_next():
                        break
                if not self._executor.running():
                    early = "" if self.timesheet.stopped == ALL_TRIALS else "before its time: "
                    self._tell("stopped", f"the search ended {early}{self.timesheet.stopped}")
                    return
                left = self._deadline() - time.time()
                for event in self._executor.wait(min(max(left, 0.0), 0.5)):
                    self._handle(event)
                self._run.note_spent(self._budget.elapsed())
                self._tell("tick", "")
            self.timesheet.stopped = "the time is up"
        except KeyboardInterrupt:
            if not self._results:
                raise
            self.timesheet.stopped = INTERRUPTED
            self._tell("stopped", "interrupted: the best so far is delivered (Ctrl-C again leaves at once)")
        finally:
            self._abandon()
            self.timesheet.close(time.time() - began, self._executor)

    def _deadline(self) -> float:
        """The first finished trial is worth the reserve of all later stages; after it they get theirs."""
        return self._budget.search_deadline if self._results else self._budget.last_moment

    def _over(self) -> bool:
        return time.time() >= self._deadline()

    def _allowed(self) -> float:
        """Seconds that one trial may take now; some are left for it to score, save and publish."""
        share = TRIAL_SHARE * (self._budget.search_deadline - time.time())
        return min(FITTING_SHARE * (self._deadline() - time.time()), max(share, TRIAL_LEAST_S))

    def _wants_more(self, patience: int) -> bool:
        if self.timesheet.stopped or self._over():
            return False
        most = self._run.question.max_trials
        if most is not None and len(judged(self._study)) + len(self._trials_open()) >= most:
            self.timesheet.stopped = ALL_TRIALS
        elif self._since_better >= patience and not self._queued():
            self.timesheet.stopped = f"no better one in {patience} trials"
        elif not self._queued() and not self._fresh():
            self.timesheet.stopped = "nothing is left that was not tried"
        elif not self._queued() and not self._executor.running() and not self._fitting():
            self.timesheet.stopped = "no further trial would fit into the time left"
        return not self.timesheet.stopped

    def _trials_open(self) -> set[int]:
        return {*self._executor.running(), *self._untold, *(candidate.trial.number for candidate in self._held)}

    def _is_turn(self) -> bool:
        """Without a clock: are all results told that the next trial may know of? Tells them."""
        if not self._ordered:
            return True
        open_trials = sorted(self._trials_open())
        while len(open_trials) >= WINDOW:
            if open_trials[0] not in self._untold:
                return False
            self._settle(open_trials.pop(0))
        return True

    def _queued(self) -> bool:
        """Is part of the portfolio still to come?"""
        return bool(self._held) or self._waiting()

    def _waiting(self) -> bool:
        from optuna.trial import TrialState

        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _submit_held(self) -> None:
        """Begin the trials that had to wait for their runtime, as far as there is room now."""
        for held in list(self._held):
            if self._has_room(held.architecture):
                self._held.remove(held)
                self._submit(held)

    def _submit_next(self) -> bool:
        """Ask for a trial and begin it. False when that must wait for a trial to end."""
        if (self._held and self._ordered) or not (self._waiting() or self._favour_one()):
            return False
        trial, architecture, parameters = ask(self._study, self._families, self._problem)
        fits = self._pace.fits(architecture, self._results.values(), self._allowed()) or self._has_nothing()
        if not fits or not self._tried.is_new(architecture, parameters):
            self._drop(trial)
            return True
        candidate = self._candidate(trial, architecture, parameters)
        if self._has_room(architecture):
            self._submit(candidate)
        else:
            self._held.append(candidate)
        return True

    def _favour_one(self) -> bool:
        """Have Optuna draw from the family whose turn it is, if any may have one now."""
        names = [name for name in self._fitting() if self._ordered or self._has_room(name)]
        if names:
            favour(self._study, next_family(names, self._pace, list(self._results.values()), self._floor))
        return bool(names)

    def _fitting(self) -> list[str]:
        """Families with something new to try that would come to an end in the time left."""
        told, allowed = self._results.values(), self._allowed()
        return [name for name in self._fresh() if self._pace.fits(name, told, allowed)]

    def _fresh(self) -> list[str]:
        return [name for name in self._families if not self._tried.is_used_up(name)]

    def _candidate(self, trial: Trial, architecture: str, parameters: Parameters) -> Candidate:
        """A trial with what it will be held against: what is known when it is asked for, whenever it may begin."""
        best = min(self._results.values(), key=lambda result: result.loss, default=None)
        curve = best is not None and best.architecture == architecture and self._wants_curve(best)
        curves = self._curves() if self._families[architecture].epochs else []
        return Candidate(trial, architecture, parameters, best.fold_losses if best else (), curves, curve)

    def _submit(self, candidate: Candidate) -> None:
        number, architecture = candidate.trial.number, candidate.architecture
        spec = TrialSpec(
            number, architecture, candidate.parameters, self._allowed(), self._deadline(),
            self._executor.plan.threads, curve=candidate.draws_curve,
        )  # fmt: skip
        self._trials[number] = candidate
        self._executor.submit(spec, self._families[architecture].runtime)
        self._tell("started", "", number)

    def _wants_curve(self, best: TrialResult) -> bool:
        """Should a trial of this one's family also draw a learning curve? Once, when it takes little of the time."""
        if self._curve_is_drawn or len(self._results) < BEFORE_CURVE:
            return False
        seconds = best.fit_seconds / max(len(best.fold_losses), 1)
        self._curve_is_drawn = seconds < CURVE_SHARE * (self._deadline() - time.time())
        return self._curve_is_drawn

    def _has_nothing(self) -> bool:
        """Is there no trial yet, finished or going on? Then any is worth beginning."""
        return not self._results and not self._executor.running()

    def _has_room(self, architecture: str) -> bool:
        return self._executor.room(self._families[architecture].runtime)

    def _drop(self, trial: Trial) -> None:
        """End a trial that is not worth beginning."""
        from optuna.trial import TrialState

        self._study.tell(trial.number, state=TrialState.FAIL)

    def _handle(self, event: TrialEvent) -> None:
        candidate = self._trials[event.trial]
        if isinstance(event, FitBegan):
            candidate.fitting_since = time.time()
        elif isinstance(event, FoldScored):
            in_epochs = self._families[candidate.architecture].epochs  # the steps that Optuna knows of then
            self._executor.answer(event.trial, not candidate.is_hopeless(event, self._floor, told=not in_epochs))
            mean = self._sign * statistics.fmean(candidate.losses)
            self._tell("fold", f"fold {event.fold + 1}", event.trial, mean)
        elif isinstance(event, EpochEnded):
            self._executor.answer(event.trial, not candidate.falls_behind(event, self._sign, self._floor))
            self._tell("epoch", f"epoch {event.epoch.number}", event.trial, event.epoch.score)
        elif isinstance(event, Reported):
            self._tell("step", f"step {event.step}", event.trial, event.score)
        else:
            finished = isinstance(event, Finished)
            found = self._untold[event.trial] = self._read(event.trial) if finished else cast(Failed, event).error
            self._show(event.trial, found, candidate)
            if not self._ordered:
                self._settle(event.trial)

    def _curves(self) -> list[Curve]:
        """How the finished trials that have epochs went in their first fold."""
        histories = [result.history[0] for result in self._results.values() if result.history]
        curves = [[(each.share, self._sign * each.score) for each in history] for history in histories]
        finite = [[point for point in curve if math.isfinite(point[1])] for curve in curves]
        return [curve for curve in finite if curve]

    def _show(self, number: int, found: TrialResult | str, candidate: Candidate) -> None:
        """Say what became of a trial, and note down what it took."""
        if isinstance(found, TrialResult):
            self.timesheet.finished(found)
            score, name = self._sign * found.loss, self._run.question.name
            announce(Event("trial_finished", name, {"architecture": found.architecture, "score": score}))
            self._tell("trial", f"{found.seconds:.1f} s", number, score, found)
            return
        self.timesheet.lost(candidate.architecture, candidate.fit_seconds)
        if found == PRUNED:
            losses = candidate.losses or [min(loss for _, loss in candidate.curve)]
            self._tell("pruned", found, number, self._sign * statistics.fmean(losses))
            return
        self.timesheet.first_error = self.timesheet.first_error or f"{candidate.architecture}: {found}"
        self._tell("failed", found, number)

    def _settle(self, number: int) -> None:
        """Let the study, and so the next trials, know what became of a trial."""
        from optuna.trial import TrialState

        found = self._untold.pop(number)
        if isinstance(found, str):
            self._study.tell(number, state=TrialState.PRUNED if found == PRUNED else TrialState.FAIL)
            self._since_better += 1
            return
        best = min((result.loss for result in self._results.values()), default=math.inf)
        self._results[number] = found
        once_more = self._pace.seconds_once_more(self._results.values(), self._executor.plan.slots)
        self._budget = replace(self._budget, kept=min(self._kept, once_more))
        self._study.tell(number, found.loss)
        self._since_better = 0 if found.loss < best else self._since_better + 1
        self._run.let_go(self._results.values())

    def _abandon(self) -> None:
        """End what is running: the time is up. A trial that finished at the last moment still counts."""
        from optuna.trial import TrialState

        for number in sorted(self._untold):
            self._settle(number)
        for candidate in self._held:
            self._drop(candidate.trial)
        running, now = self._executor.running(), time.time()
        self._executor.stop()
        for number in running:
            candidate = self._trials[number]
            fitting = now - candidate.fitting_since if candidate.fitting_since else 0.0
            self.timesheet.lost(candidate.architecture, candidate.fit_seconds + fitting)
            loss = self._loss_on_disk(number)
            if loss is None:
                self._study.tell(number, state=TrialState.FAIL)
            else:
                self._study.tell(number, loss)

    def _read(self, number: int) -> TrialResult:
        return read_result(self._run.trials_folder / f"{number:05d}")

    def _loss_on_disk(self, number: int) -> float | None:
        folder = self._run.trials_folder / f"{number:05d}"
        return read_result(folder).loss if folder.exists() else None

    def _tell(
        self, kind: str, text: str, trial: int = -1, score: float = math.nan, result: TrialResult | None = None
    ) -> None:
        known = [*self._results.values(), *(each for each in self._untold.values() if isinstance(each, TrialResult))]
        best = min((each.loss for each in known), default=math.nan)
        folds = [loss for loss in result.fold_losses if math.isfinite(loss)] if result else []
        self._listener(
            SearchEvent(
                kind,
                self._budget.elapsed(),
                text,
                trial,
                self._trials[trial].architecture if trial in self._trials else "",
                score,
                self._sign * best,
                spread=statistics.stdev(folds) if len(folds) > 1 else math.nan,
                seconds=result.seconds if result else math.nan,
                left=self._deadline() - time.time(),
                memory_mb=self._executor.memory_mb() if kind in ("tick", "trial") else math.nan,
            )
        )
