"""Planning a retraining, and finding the rows of a plan again."""

from __future__ import annotations

from datetime import UTC, datetime

from automl.engine import training_table
from automl.errors import DataError
from automl.model.artifact import load_model
from automl.store import CHAMPION, Store, Version
from automl_monitoring.policy import Policy, seconds_of
from automl_monitoring.retraining.plan import Plan, digest_of_rows
from automl_monitoring.retraining.rows import Labelled, Moment, choose_rows


def plan(
    store: Store,
    name: str,
    policy: Policy,
    *,
    until: int | None = None,
    now: datetime | None = None,
    least_labels: int | None = None,
) -> Plan:
    """What a retraining of the champion would do with the labels that are there; writes nothing.

    `until`: the last log sequence to look at. `least_labels`: instead of the policy's. Raises DataError when there are
    too few labelled rows that the champion has not been trained on, or for a model of images, which the log does not
    keep.
    """
    champion = store.versions.find(name, CHAMPION)
    moment = Moment(now or datetime.now(UTC), until)
    needed = policy.retrain.least_labels if least_labels is None else least_labels
    labelled = _chosen(store, champion, moment, policy, needed)
    return Plan(
        name=name,
        champion=champion.number,
        made=moment.made.isoformat(),
        first=labelled.train[0].sequence,
        train_last=labelled.train[-1].sequence,
        judges_first=labelled.judges[0].sequence,
        judges_last=labelled.judges[-1].sequence,
        train_rows=len(labelled.train),
        judge_rows=len(labelled.judges),
        train_digest=digest_of_rows(labelled.train),
        judge_digest=digest_of_rows(labelled.judges),
        outside_rows=labelled.outside_rows,
        left_out=labelled.left_out,
        notes=labelled.notes,
        seconds=seconds_of(policy.retrain.time),
    )


def rows_of(store: Store, plan: Plan, policy: Policy) -> Labelled:
    """The rows of a plan; without those whose label was corrected since, which move no other row."""
    champion = store.versions.find(plan.name, plan.champion)
    return _chosen(
        store, champion, Moment(plan.moment, plan.judges_last), policy, 0, (plan.train_last, plan.judges_first)
    )


def _chosen(
    store: Store,
    champion: Version,
    moment: Moment,
    policy: Policy,
    least_labels: int,
    bounds: tuple[int, int] | None = None,
) -> Labelled:
    model = load_model(champion.folder)
    if model.schema.of_kind("image"):
        raise DataError(
            f"{champion.name} learns from images, and the log keeps none to retrain with.",
            f"Add the new images to its folder and run `automl fit FOLDER --name {champion.name}`.",
        )
    lag = seconds_of(policy.retrain.label_lag)
    asked = policy.retrain.model_copy(update={"least_labels": least_labels})
    return choose_rows(store, champion, model, training_table(store, champion), moment, asked, lag, bounds)
