"""After a promotion: has a version that was the champion before proved better on rows that were labelled since?

What was true may become true again: seasons, tariffs, habits. So former champions are kept in mind as long as one
watches (a pool of past models for concepts that recur, as in Gama and Kosina 2014), and the one that is better beyond
doubt on the newest labels comes back by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from automl.errors import AutoMLError, StoreError
from automl.model.artifact import load_model, verify_model
from automl.store import CHAMPION, REJECTED, AuditEntry, Decision, Job, LoggedPrediction, Store, Version
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


def watch_over(store: Store, name: str, job: Job, policy: Policy, tell: Callable[[str], None]) -> bool:
    """Look at the champion that came of a job, or back after it, where enough labels have come since the last look.

    True if another one came back.
    """
    newest, detail = policy.rollout.watch_rows, job.detail
    if job.stage != "promoted" or not newest or detail.get("settled") or "promoted_after" not in detail:
        return False
    current = int(detail.get("returned", detail["challenger"]))
    if store.versions.aliases(name).get(CHAMPION) != current:
        store.jobs.move(job, "promoted", {"settled": True})  # somebody has moved it by hand since
        return False
    after, looked = int(detail["promoted_after"]), int(detail.get("looked", 0))
    rows = store.log.count(name, labelled_only=True, after=after)
    if rows < looked + max(LEAST_ROWS, min(looked, newest // LOOKS)):
        return False
    begun, most = datetime.fromisoformat(detail["promoted_begun"]), max(newest, policy.retrain.least_labels)
    entries = [each for each in store.log.newest(name, most, labelled_only=True) if each.sequence > after]
    former, compared = _best(store, name, current, begun, entries)
    waited = (datetime.now(UTC) - begun).total_seconds()
    trial = Trial("promoted", rows, newest, waited, WATCHED_S, "", policy.gate.margin, compared, former)
    outcome, why = outcome_of(trial)
    if outcome == "stop":
        _bring_back(store, name, job, trial, why, tell)
        return True
    store.jobs.move(job, "promoted", {"settled": True} if waited >= WATCHED_S else {"looked": rows})
    return False


def _best(
    store: Store, name: str, current: int, begun: datetime, entries: Sequence[LoggedPrediction]
) -> tuple[int, Comparison | None]:
    """The former champion for which these labelled rows, answered after `begun`, speak most."""
    champion = store.versions.find(name, current)
    rivals = former_champions(store, champion, begun)
    best: tuple[int, Comparison | None] = (0, None)
    for rival in rivals:
        try:
            compared = compare(rival, champion, entries, NEWEST, sure=1 - (1 - SURE) / len(rivals))
            if compared is not None and (best[1] is None or compared.low > best[1].low):
                if compared.low > 0:
                    verify_model(load_model(rival.folder))  # it is to answer with the libraries of today
                best = rival.number, compared
        except StoreError:
            raise
        except AutoMLError:  # its files are gone, or it is not what it was
            continue
    return best


def former_champions(store: Store, champion: Version, begun: datetime) -> list[Version]:
    """Versions that were the champion before, the last first; made before `begun`, chosen by the same metric, and
    neither withdrawn by a person nor rejected by who serves."""
    trail = store.audit.of(champion.name)[::-1]
    withdrawn = {entry.detail["from"] for entry in trail if _is_withdrawal(entry)}
    moved = [entry.number for entry in trail if entry.action in ("promote", "rollback")]
    known = {version.number: version for version in store.versions.of(champion.name)}
    former = [known[number] for number in dict.fromkeys(moved) if number is not None and number in known]
    return [
        version
        for version in former
        if version.number not in {champion.number, *withdrawn}
        and version.created <= begun
        and version.metric == champion.metric
        and REJECTED not in version.aliases
    ][:MOST]


def _is_withdrawal(entry: AuditEntry) -> bool:
    return entry.action == "rollback" and entry.detail.get("by") == "hand"


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
