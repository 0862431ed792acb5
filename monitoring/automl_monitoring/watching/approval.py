"""The answer of a person to a retraining that the watch asks for."""

from __future__ import annotations

from datetime import UTC, datetime

from automl.errors import NotFoundError
from automl.store import AuditEntry, Job, Store
from automl.store.audit import current_actor


def answer(store: Store, name: str, yes: bool, why: str) -> Job:
    """Let the retraining of a model that waits for an answer begin, or end it; who said so is in the audit trail.

    NotFoundError if none waits.
    """
    store.versions.of(name)
    job = next((each for each in store.jobs.of(name) if each.stage == "asked"), None)
    if job is None:
        raise NotFoundError(f"No retraining of {name!r} waits for an answer.", f"See `automl monitor status {name}`.")
    actor = current_actor()
    said = why.strip() or f"{'approved' if yes else 'denied'} by {actor}"
    ended = {} if yes else {"ended": datetime.now(UTC).isoformat(), "ended_why": said}
    with store.engine.begin() as connection:
        entry = AuditEntry("approve" if yes else "deny", name, None, said, {"job": job.sequence})
        store.audit.add(entry, connection)
        return store.jobs.move(job, "planned" if yes else "kept", {"answered_by": actor, **ended}, connection)
