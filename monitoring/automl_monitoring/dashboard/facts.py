"""What the store knows, as the pages need it: a few statements for all models, none for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from automl.errors import NotFoundError, nearest
from automl.store import CHAMPION, Alert, AuditEntry, CheckRecord, Decision, Job, Rollout, Store, Version
from automl_monitoring.dashboard.retrainings import GATE, Retraining, retrainings_of
from automl_monitoring.dashboard.traffic import Traffic

SHOWN_VERDICTS = 30
SHOWN_CHECKS = 120  # in the curves of a model
SHOWN_RETRAININGS = 20
SHOWN_JOBS = 50
SHOWN_DECISIONS = 20
SHOWN_ALERTS = 20
SHOWN_AUDIT = 50
URGENCY = ("act", "watch", "unknown", "healthy", "")


@dataclass(frozen=True)
class Model:
    """A model at a glance. `hours`: rows logged in each of the last 24 hours. `labels` of its `rows` have a label."""

    name: str
    versions: tuple[Version, ...]
    check: CheckRecord | None
    verdicts: tuple[str, ...]
    hours: tuple[int, ...]
    rows: int
    labels: int
    job: Job | None
    rollout: Rollout | None

    @property
    def champion(self) -> Version | None:
        return next((version for version in self.versions if CHAMPION in version.aliases), None)

    @property
    def verdict(self) -> str:
        """That of the newest check; empty if there was none."""
        return self.check.verdict if self.check else ""

    @property
    def blocked(self) -> bool:
        """Does the newest window hold broken data, from which nothing is learned?"""
        return bool(self.check and self.check.summary.get("blocks"))

    @property
    def reason(self) -> str:
        """The first reason of the newest verdict."""
        return next(iter(self.check.summary.get("reasons", ())), "") if self.check else ""


@dataclass(frozen=True)
class Overview:
    """All models, the most urgent first, and what happened last."""

    models: tuple[Model, ...]
    retrainings: tuple[Retraining, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True)
class History:
    """One model with its past: windows oldest first, each by its newest check; all else newest first.

    `days`: rows logged in each of the last 30.
    """

    model: Model
    checks: tuple[CheckRecord, ...]
    days: tuple[int, ...]
    retrainings: tuple[Retraining, ...]
    jobs: tuple[Job, ...]
    decisions: tuple[Decision, ...]
    alerts: tuple[Alert, ...]
    audit: tuple[AuditEntry, ...]


class Facts:
    """Reads a store for the pages."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._traffic = Traffic(store)

    def models(self, now: datetime | None = None) -> list[Model]:
        """Every model, the most urgent first."""
        recent = self.store.recent
        checks, verdicts = recent.newest_checks(), recent.verdicts(SHOWN_VERDICTS)
        hours = self._traffic.by_hour(now or datetime.now(UTC))
        rows, labels = self._traffic.rows(), self._traffic.labels()
        jobs, rollouts = recent.open_jobs(), recent.newest_rollouts()
        found = [
            Model(
                name=name,
                versions=tuple(versions),
                check=checks.get(name),
                verdicts=tuple(verdicts.get(name, ())),
                hours=hours.get(name, ()),
                rows=rows.get(name, 0),
                labels=labels.get(name, 0),
                job=jobs.get(name),
                rollout=rollouts.get(name),
            )
            for name, versions in self.store.versions.all().items()
        ]
        return sorted(found, key=lambda model: URGENCY.index(model.verdict) if model.verdict in URGENCY else 0)

    def overview(self, now: datetime) -> Overview:
        """What the first page shows."""
        return Overview(
            models=tuple(self.models(now)),
            retrainings=tuple(self._retrainings()),
            alerts=tuple(self.store.recent.alerts(SHOWN_ALERTS)),
        )

    def history(self, name: str, now: datetime) -> History:
        """What the page of a model shows; NotFoundError if there is none of this name."""
        model = self.model(name, now)
        recent = self.store.recent
        return History(
            model=model,
            checks=tuple(recent.windows(name, SHOWN_CHECKS)),
            days=self._traffic.by_day(now).get(name, ()),
            retrainings=tuple(self._retrainings(name)),
            jobs=tuple(recent.jobs(SHOWN_JOBS, name)),
            decisions=tuple(recent.decisions(SHOWN_DECISIONS, name)),
            alerts=tuple(recent.alerts(SHOWN_ALERTS, name)),
            audit=tuple(recent.audit(SHOWN_AUDIT, name)),
        )

    def model(self, name: str, now: datetime) -> Model:
        """One model at a glance; NotFoundError if there is none of this name."""
        models = {model.name: model for model in self.models(now)}
        if name not in models:
            raise NotFoundError(f"There is no model {name!r} in this store.", nearest(name, models))
        return models[name]

    def check(self, name: str, sequence: int) -> CheckRecord:
        """One check; NotFoundError if there is none."""
        found = self.store.checks.find(name, sequence)
        if found is None:
            raise NotFoundError(f"The model {name!r} has no check {sequence}.", "Its page lists those that there are.")
        return found

    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """How many retrainings ended how, by (model, outcome)."""
        return self.store.recent.decision_counts(GATE)

    def _retrainings(self, name: str | None = None) -> Sequence[Retraining]:
        recent = self.store.recent
        return retrainings_of(recent.decisions(SHOWN_RETRAININGS, name, GATE), recent.jobs(SHOWN_JOBS, name))
