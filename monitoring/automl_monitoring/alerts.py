"""What is told of a model, and when: each change of its state once, and each end of a retraining.

States that last are healthy, watch, act and blocked (broken data). What happens once is asked, retrained, promoted,
kept, rolled back and failed. Sending never holds up whoever tells: it is done in a thread, its failures are written
into the store, and whatever could not be sent is sent again in a later round, for a day.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from automl.errors import StoreError
from automl.hooks import Event, announce
from automl.inspection.personal import hide
from automl.store import Alert, CheckRecord, Job, Store
from automl.store.alerts import PENDING
from automl_monitoring.channels import Channel, ChannelError, Payload
from automl_monitoring.findings import GRAVITY
from automl_monitoring.trigger import seen_of

LASTING = ("healthy", "watch", "act", "blocked")
RETRIED = timedelta(days=1)
LOOKED_AT = 50  # alerts, for the present state and for what has to be sent again
FINISH_S = 5.0  # for what is being sent when the watch ends


def state_of(records: Sequence[CheckRecord]) -> tuple[str, CheckRecord | None]:
    """The state that the checks of a champion put it into, oldest first, and the check that says so.

    The newest window tells, and the newest that had labels: what labels have shown holds until other labels come. Empty
    where too few rows say anything.
    """
    told = [record for record in records if record.verdict != "unknown"]
    if not told:
        return "", None
    newest = max(told, key=lambda record: (int(record.summary.get("last") or 0), record.sequence))
    if newest.summary.get("blocks"):
        return "blocked", newest
    judged = [(record, seen_of(record).performance) for record in told]
    fallen = [(record, verdict) for record, verdict in judged if verdict][-1:]
    for record, verdict in fallen:
        if GRAVITY.index(verdict) > GRAVITY.index(newest.verdict):
            return verdict, record
    return newest.verdict, newest


def present_state(store: Store, name: str) -> str:
    """The lasting state that was told last; healthy if none was."""
    told = [alert.state for alert in store.alerts.recent(name, LOOKED_AT) if alert.state in LASTING]
    return told[-1] if told else "healthy"


def happened_to(job: Job) -> Iterator[tuple[str, str]]:
    """(state, why) of all that has happened in a retraining so far."""
    detail = job.detail
    if job.stage == "asked":
        yield "asked", f"{job.why}; `automl monitor approve {job.name}` begins a retraining"
    if "challenger" in detail:
        yield "retrained", f"version {detail['challenger']}: {job.why}"
    if job.stage == "promoted":
        yield "promoted", f"version {detail['challenger']}: {detail['ended_why']}"
    if job.stage == "kept":
        yield "kept", f"version {detail['champion']}: {detail['ended_why']}"
    if job.stage == "failed":
        yield "failed", detail["ended_why"]
    if "rolled_back" in detail:
        yield "rolled back", f"to version {detail.get('returned', detail['champion'])}: {detail['rolled_back']}"


class Alerter:
    """Tells of one model. `tell` prints what could not be sent; use it in a `with` block."""

    def __init__(self, store: Store, name: str, tell: Callable[[str], None]) -> None:
        self.channels: Mapping[str, Channel] = {}
        self._store = store
        self._name = name
        self._tell = tell
        self._waiting: queue.Queue[tuple[Alert, Mapping[str, Channel]] | None] = queue.Queue()
        self._in_hand: set[int] = set()  # sequences of alerts that wait or are being sent
        self._thread = threading.Thread(target=self._send_all, name="alerts", daemon=True)

    def __enter__(self) -> Alerter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)
        self._thread.join(FINISH_S)

    def note_checks(self, records: Sequence[CheckRecord]) -> None:
        """Tell of the state that these checks of the champion put it into, if it is another than was told last."""
        state, record = state_of(records)
        if record is not None and state != present_state(self._store, self._name):
            newest = max(each.sequence for each in records)  # not the one that fell: it may have been told of before
            self._note(state, "; ".join(record.summary.get("reasons", ())), f"check {newest}")

    def note_job(self, job: Job) -> None:
        """Tell what happened in a retraining, as far as it was not told."""
        told = {(alert.state, alert.subject) for alert in self._store.alerts.recent(self._name, LOOKED_AT)}
        returns = int(job.detail.get("returns", 1))
        for state, why in happened_to(job):
            again = f", the {returns}th time" if state == "rolled back" and returns > 1 else ""
            if (state, f"job {job.sequence}{again}") not in told:
                self._note(state, why, f"job {job.sequence}{again}")

    def _note(self, state: str, why: str, subject: str) -> None:
        sent = dict.fromkeys(self.channels, PENDING)
        alert = self._store.alerts.add(Alert(self._name, state, hide(why), sent, subject=subject))
        if alert is None:
            return
        if state != "promoted":  # whoever moves the champion announces that
            announce(Event("state_changed" if state in LASTING else state.replace(" ", "_"), self._name, facts(alert)))
        self._enqueue(alert)

    def send_again(self) -> None:
        """Try once more what could not be sent within the last day."""
        oldest = datetime.now(UTC) - RETRIED
        for alert in self._store.alerts.recent(self._name, LOOKED_AT):
            if alert.time > oldest and any(alert.sent.get(channel) for channel in self.channels):
                self._enqueue(alert)

    def _enqueue(self, alert: Alert) -> None:
        if self.channels and alert.sequence not in self._in_hand:
            self._in_hand.add(alert.sequence)
            self._waiting.put((alert, self.channels))

    def _send_all(self) -> None:
        for alert, channels in iter(self._waiting.get, None):
            try:
                self._send(alert, channels)
            finally:
                self._in_hand.discard(alert.sequence)

    def _send(self, alert: Alert, channels: Mapping[str, Channel]) -> None:
        sent = dict(alert.sent)
        for channel, send in channels.items():
            if sent.get(channel) == "":
                continue
            try:
                send(facts(alert))
                sent[channel] = ""
            except Exception as error:  # whatever a channel dies of, the others are used and the watch goes on
                sent[channel] = str(error) if isinstance(error, ChannelError) else type(error).__name__
                self._tell(f"The alert {alert.state!r} was not sent by {channel}: {sent[channel]}. It is tried again.")
        try:
            self._store.alerts.note_sent(alert, sent)
        except StoreError as error:
            self._tell(f"What became of the alert {alert.state!r} could not be written: {error}")


def facts(alert: Alert) -> Payload:
    """What is sent of an alert: plain JSON, no cell of any row."""
    return {
        "model": alert.name,
        "state": alert.state,
        "why": alert.why,
        "subject": alert.subject,
        "time": alert.time.isoformat(),
        "text": f"{alert.name} is {alert.state}: {alert.why}" if alert.state in LASTING else _happened(alert),
    }


def _happened(alert: Alert) -> str:
    return f"{alert.name}: {alert.state} ({alert.subject}): {alert.why}"
