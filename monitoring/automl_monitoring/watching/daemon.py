"""`automl watch`: round after round, as long as it holds the model's lease, until a signal ends it."""

from __future__ import annotations

import contextlib
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import FrameType

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from automl.errors import AutoMLError, ConflictError, OptionError, StoreError
from automl.store import CHAMPION, CheckRecord, Job, Store
from automl_monitoring.alerts import Alerter
from automl_monitoring.channels import channels_of
from automl_monitoring.policy import Policy
from automl_monitoring.policy_file import load_policy
from automl_monitoring.trigger import must_ask
from automl_monitoring.watching import lookout
from automl_monitoring.watching.alarm_reports import AlarmReports, begins_alarm
from automl_monitoring.watching.lease import Lease
from automl_monitoring.watching.stages import Stages
from automl_monitoring.watching.staleness import StalenessQuestion

TICK_S = 0.2  # between looks at the process that trains
RETRY_S = 5.0  # after an error, and between two attempts to have the lease


@dataclass(frozen=True)
class WatchRequest:
    """What is watched, how often (seconds) and by which policy file; `once`: until there is nothing left to do."""

    name: str
    every: float = 60.0
    once: bool = False
    policy: Path | None = None


class Stop(KeyboardInterrupt):
    """A signal asked for the end. Whatever is interrupted is done again by the next watch.

    A database driver that is interrupted in the middle of a statement cleans up after this kind of error only.
    """


def watch(store: Store, request: WatchRequest, tell: Callable[[str], None]) -> None:
    """Watch a model until SIGINT or SIGTERM. `tell` prints a line.

    Raises NotFoundError for a name that no model has, OptionError for a mistake in the policy, and with `once` whatever
    goes wrong; otherwise what goes wrong later is told and tried again.
    """
    store.versions.find(request.name, CHAMPION)
    channels_of(load_policy(request.policy, store, request.name).alerts)
    try:
        with _signals():
            while not _Watch(store, request, tell).run():
                tell("The lease is somebody else's now; waiting to have it again.")
        tell("Nothing is left to do.")
    except Stop:
        tell("Stopped.")


class _Watch:
    """One time of holding the lease."""

    def __init__(self, store: Store, request: WatchRequest, tell: Callable[[str], None]) -> None:
        self._store = store
        self._request = request
        self._name = request.name
        self._tell = tell
        self._lease = Lease(store, request.name)
        self._stages = Stages(store, request.name, tell)
        self._reports = AlarmReports(store, request.name, tell)
        self._question = StalenessQuestion(store, request.name, tell)
        self._said = ""  # the last problem, which is told once

    def run(self) -> bool:
        """Watch until everything is done (True) or the lease is lost (False)."""
        try:
            self._take_lease()
            self._lease.keep()
            with Alerter(self._store, self._name, self._tell) as alerter:
                return self._rounds(alerter)
        finally:
            self._stages.stop()
            self._reports.stop()
            self._question.stop()
            with contextlib.suppress(StoreError):  # while the database is away the lease runs out by itself
                self._lease.release()

    def _take_lease(self) -> None:
        waiting = False
        while not self._lease.take():
            holder = self._store.leases.holder(self._lease.name)
            if self._request.once:
                raise OptionError(f"{self._name} is being watched by {holder}.", "Leave it to that watch, or stop it.")
            if not waiting:
                self._tell(f"{self._name} is being watched by {holder}; waiting to take over.")
                waiting = True
            time.sleep(RETRY_S)

    def _rounds(self, alerter: Alerter) -> bool:
        while not self._lease.lost.is_set():
            begun = time.monotonic()
            wait = self._request.every
            try:
                moved = self._round(alerter)
                self._said = ""
                working = any(each.working for each in (self._stages, self._reports, self._question))
                if self._request.once and not (moved or working):
                    return True
                if moved:
                    continue
            except ConflictError as error:  # somebody else, or a hand, was first: look again
                self._tell(str(error))
            except Exception as error:  # one check that fails, or a database that is away, must not end the watch
                if self._request.once:
                    raise
                self._complain(error)
                wait = min(wait, RETRY_S)
            self._rest(begun + wait)
        return False

    def _rest(self, until: float) -> None:
        """Wait for the next round, or for the process that trains, or for the loss of the lease."""
        while time.monotonic() < until and not self._lease.lost.wait(TICK_S):
            if any(each.answered for each in (self._stages, self._reports, self._question)):
                return

    def _round(self, alerter: Alerter) -> bool:
        """Check, tell, decide, and move the retraining on; True if there may be more to do at once."""
        store, name = self._store, self._name
        if not self._lease.renew():  # it may have run out while the database was away
            return False
        policy = load_policy(self._request.policy, store, name)
        alerter.channels = channels_of(policy.alerts)
        champion = store.versions.find(name, CHAMPION)
        jobs = store.jobs.of(name)
        for checked in chain(
            lookout.check_new(store, champion, policy), lookout.check_labelled(store, champion, policy)
        ):
            self._say_checked(checked)
            if begins_alarm(checked, lookout.windows_of(store, champion)):
                self._reports.begin(checked, policy)
        self._reports.collect()
        alerter.note_checks(lookout.windows_of(store, champion))
        moved = self._question.collect()
        if jobs and not jobs[-1].ended:
            self._question.stop()
            moved = self._stages.advance(jobs[-1], _policy_of(jobs[-1], policy))
        else:
            for job in [job for job in jobs if job.stage == "promoted"][-1:]:  # later ones may have promoted nothing
                if self._stages.watch_over(job, _policy_of(job, policy)):
                    champion = store.versions.find(name, CHAMPION)
            situation = lookout.situation_of(store, champion)
            begun = lookout.consider(store, situation, policy, self._tell)
            if begun is not None:
                self._question.stop()
                self._say_begun(begun)
                moved = begun.stage != "asked"
            elif must_ask(situation, policy.retrain):
                self._question.begin(champion, policy)
        jobs = store.jobs.of(name)
        for job in [job for job in jobs if job.stage == "promoted"][-1:] + jobs[-1:]:  # the former may be rolled back
            alerter.note_job(job)
        alerter.send_again()
        return moved

    def _say_checked(self, record: CheckRecord) -> None:
        labelled = int(record.summary.get("labelled", 0))
        said = "broken data" if record.summary.get("blocks") else record.verdict
        why = record.summary.get("reasons") or ("",)
        self._tell(f"Check {record.sequence}: {said}, {record.rows:,} rows ({labelled:,} labelled). {why[0]}")

    def _say_begun(self, job: Job) -> None:
        if job.stage == "asked":
            self._tell(f"Retraining asked for: {job.why}. Say yes with: automl monitor approve {self._name}")
        else:
            self._tell(f"Job {job.sequence}: retraining, because {job.why}.")

    def _complain(self, error: Exception) -> None:
        expected = isinstance(error, AutoMLError | SQLAlchemyError)
        problem = str(error).split("\n")[0] if expected else f"A defect of automl ({type(error).__name__})."
        # A database that goes away says so in several ways, one after another.
        said = "the store" if isinstance(error, StoreError | SQLAlchemyError) else problem
        if said == self._said:
            return
        self._said = said
        self._tell(f"{problem} Trying again.")
        if not expected:  # its place, not its message, which may quote a row
            path = self._store.folder / "watch" / self._name / "defects.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as log:
                log.write("".join([*traceback.format_tb(error.__traceback__), type(error).__name__, "\n"]))


def _policy_of(job: Job, present: Policy) -> Policy:
    """The policy that a job began with; the present one where a newer release does not read it."""
    try:
        return Policy.model_validate(job.detail["policy"])
    except (KeyError, ValidationError):
        return present


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise Stop in the main thread, once."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stop

    former = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
