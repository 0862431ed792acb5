"""After a promotion: has a version that was the champion before proved better on rows that were labelled since?

What was true may become true again: seasons, tariffs, habits. So former champions are kept in mind as long as one
watches (a pool of past models for concepts that recur, as in Gama and Kosina 2014), and the one that is better beyond
doubt on the newest labels comes back by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from automl.errors import AutoMLError
from automl.store import CHAMPION, Decision, Job, Store
from automl_monitoring.policy import Policy
from automl_monitoring.watching.probation import (
    LEAST_ROWS,
    ROLLOUT,
    SURE,
    Comparison,
    Trial,
    compare,
    outcome_of,
    record_of,
)

NEWEST = (1, 2, 4, 8)  # all rows, the newer half, quarter, eighth
LOOKS = 8  # while the newest labelled rows become others
MOST = 4  # former champions, the last ones
WATCHED_S = 90 * 86400.0  # after a change: what was known before is stale by then


def watch_over(store: Store, name: str, job: Job, policy: Policy, tell: Callable[[str], None]) -> None:
    """Look at the champion that came of a job, or back after it, where enough labels have come since the last look."""
    newest, detail = policy.rollout.watch_rows, job.detail
    if job.stage != "promoted" or not newest or detail.get("settled") or "promoted_after" not in detail:
        return
    current = int(detail.get("returned", detail["challenger"]))
    if store.versions.aliases(name).get(CHAMPION) != current:
        store.jobs.move(job, "promoted", {"settled": True})  # somebody has moved it by hand since
        return
    after, looked = int(detail["promoted_after"]), int(detail.get("looked", 0))
    rows = store.log.count(name, labelled_only=True, after=after)
    if rows < looked + max(LEAST_ROWS, min(looked, newest // LOOKS)):
        return
    former, compared = _best(store, name, current, after, max(newest, policy.retrain.least_labels))
    waited = (datetime.now(UTC) - datetime.fromisoformat(detail["promoted_begun"])).total_seconds()
    trial = Trial("promoted", rows, newest, waited, WATCHED_S, "", policy.gate.margin, compared, former)
    outcome, why = outcome_of(trial)
    if outcome == "stop":
        _bring_back(store, name, job, trial, why, tell)
    else:
        store.jobs.move(job, "promoted", {"settled": True} if waited >= WATCHED_S else {"looked": rows})


def _best(store: Store, name: str, current: int, after: int, most: int) -> tuple[int, Comparison | None]:
    """The former champion for which the newest labelled rows after the log's sequence `after` speak most."""
    entries = [entry for entry in store.log.newest(name, most, labelled_only=True) if entry.sequence > after]
    numbers = former_champions(store, name, current)
    best: tuple[int, Comparison | None] = (0, None)
    for number in numbers:
        try:
            versions = store.versions.find(name, number), store.versions.find(name, current)
        except AutoMLError:  # its files are gone
            continue
        compared = compare(*versions, entries, NEWEST, sure=1 - (1 - SURE) / len(numbers))
        if compared is not None and (best[1] is None or compared.low > best[1].low):
            best = number, compared
    return best


def former_champions(store: Store, name: str, current: int) -> list[int]:
    """Versions that were the champion before, the last first."""
    moved = [entry.number for entry in store.audit.of(name)[::-1] if entry.action in ("promote", "rollback")]
    return [number for number in dict.fromkeys(moved) if number not in (None, current)][:MOST]


def _bring_back(store: Store, name: str, job: Job, trial: Trial, why: str, tell: Callable[[str], None]) -> None:
    """The champion's alias and what is known of it move together; from now on it is the one that is watched."""
    now, detail = store.log.settled(), job.detail
    current = int(detail.get("returned", detail["challenger"]))
    since = {"promoted_begun": datetime.now(UTC).isoformat(), "promoted_after": now, "looked": 0}
    told = {"rolled_back": why, "returned": trial.former, "returns": int(detail.get("returns", 0)) + 1}
    with store.engine.begin() as connection:
        store.versions.roll_back(name, why, by="watch", to=trial.former, expected=current, connection=connection)
        store.jobs.move(job, "promoted", {**since, **told}, connection)
        store.decisions.add(Decision(name, ROLLOUT, "stop", why, record_of(trial)), connection)
    tell(f"Rolled back to version {trial.former}: {why}.")
