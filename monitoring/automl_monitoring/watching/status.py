"""How a model is, and what its watch does, at a glance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from automl.store import CHAMPION, Alert, CheckRecord, Job, Store
from automl_monitoring.alerts import present_state
from automl_monitoring.policy import Policy
from automl_monitoring.trigger import budget_left, tried_of
from automl_monitoring.watching.lease import lease_name

ALERTS = 5


@dataclass(frozen=True)
class Status:
    """`state`: healthy, watch, act or blocked, as it was told last. `watcher`: who holds the lease. `today`,
    `this_month`: retrainings that may still begin within this day and these 30 days."""

    name: str
    champion: int
    state: str
    check: CheckRecord | None
    job: Job | None
    watcher: str | None
    today: int
    this_month: int
    alerts: tuple[Alert, ...]

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        check = None if self.check is None else {**_json(self.check), "summary": None}
        job = None if self.job is None else _json(self.job)
        alerts = [_json(alert) for alert in self.alerts]
        return {**asdict(self), "check": check, "job": job, "alerts": alerts}


def status_of(store: Store, name: str, policy: Policy) -> Status:
    """The state of a model now; NotFoundError if there is no such model."""
    champion = store.versions.find(name, CHAMPION)
    checks, jobs = store.checks.recent(name, 1), store.jobs.of(name)
    left = budget_left([tried_of(job) for job in jobs], datetime.now(UTC).isoformat(), policy.retrain)
    return Status(
        name=name,
        champion=champion.number,
        state=present_state(store, name),
        check=checks[-1] if checks else None,
        job=jobs[-1] if jobs else None,
        watcher=store.leases.holder(lease_name(name)),
        today=max(left[0], 0),
        this_month=max(left[1], 0),
        alerts=tuple(store.alerts.recent(name, ALERTS)),
    )


def _json(record: Any) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(record).items()}
