"""A new version among real requests: in the shadow, as a canary, and in the time after its promotion.

Both versions answer the labelled rows of that time anew, so that they are compared on the same rows. The new one has
won before the gate: here it is only asked whether the old one proves better by more than noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automl.bootstrap import RESAMPLES, paired_gain, time_block
from automl.data.dataset import Array, conform
from automl.metrics import Metric, find_metric
from automl.model.artifact import load_model
from automl.model.logged import hides_features
from automl.model.model import Model
from automl.model.threshold import weighed
from automl.store import LoggedPrediction, Version
from automl_monitoring.gate import same_order
from automl_monitoring.window import conform_labels, feature_frame

LEAST_ROWS = 50  # labelled, before anything is said
PART_ROWS = 250  # of a part of them, which is one of several: a few days may belong to anybody
ROLLOUT = "rollout"  # the kind of decisions about a version on trial
SURE = 0.99  # not .95: it is asked again and again while labels come
LEAST_DEFINED = 0.9  # of the resamples must have a score


@dataclass(frozen=True)
class Comparison:
    """Both versions on the same `rows` labelled rows. `low`: the lower bound of what the old one is better by."""

    metric: str
    rows: int
    old: float
    new: float
    low: float


@dataclass(frozen=True)
class Trial:
    """What is known of a version on trial. `stage`: shadow, canary or promoted. `answers`: of `wanted`, that it gave.

    `waited`, `patience`: seconds. `stopped`: why whoever serves gave it up, empty if nobody did. `former`: the version
    that it is compared with, where that is another than the champion.
    """

    stage: str
    answers: int
    wanted: int
    waited: float
    patience: float
    stopped: str
    margin: float
    comparison: Comparison | None
    former: int = 0


def outcome_of(trial: Trial) -> tuple[str, str]:
    """(outcome, why): "stop" and take the old version, "wait" for more, or "go on" to what comes next. Pure."""
    if trial.stopped:
        return "stop", trial.stopped
    compared = trial.comparison
    if compared is not None and compared.low > trial.margin:
        said = f"{compared.metric} {compared.old:.4f} before and {compared.new:.4f} now"
        which = f"version {trial.former}, a champion before," if trial.former else "the one before"
        return "stop", f"{which} is better by more than noise: {said} on {compared.rows:,} labelled rows"
    if trial.answers >= trial.wanted:
        return "go on", f"{trial.answers:,} answers, nothing against it"
    if trial.waited >= trial.patience:
        return "go on", f"{trial.answers:,} of {trial.wanted:,} answers when the time was up, nothing against it"
    return "wait", f"{trial.answers:,} of {trial.wanted:,} answers"


def recompute(record: Mapping[str, Any]) -> tuple[str, str]:
    """(outcome, why) that follow from the record of a decision of the kind "rollout"."""
    given = dict(record)
    compared = given.pop("comparison")
    return outcome_of(Trial(**given, comparison=None if compared is None else Comparison(**compared)))


def record_of(trial: Trial) -> dict[str, Any]:
    """Plain JSON from which `recompute` makes the same choice."""
    return asdict(trial)


def compare(
    old: Version,
    new: Version,
    entries: Sequence[LoggedPrediction],
    parts: Sequence[int] = (1,),
    sure: float = SURE,
) -> Comparison | None:
    """Let both answer these labelled rows anew, oldest first; None with too few, or where no score is to be trusted.

    `parts`: the newest half, quarter … of the rows are looked at as well, and what speaks most for the old one counts.
    `sure`: of the lower bound.
    """
    entries = [entry for entry in entries if not hides_features(entry)]
    if len(entries) < LEAST_ROWS:
        return None
    models = load_model(old.folder), load_model(new.folder)
    schema, metric = models[0].schema, find_metric(models[0].problem.metric)
    if set(schema.classes) != set(models[1].schema.classes):
        return None
    target = conform_labels(entries, schema)
    before, now = (_answers(model, entries) for model in models)
    aligned = same_order(now, models[1].schema.classes, schema.classes)
    if aligned is None:
        return None
    parts = [part for part in parts if part == 1 or len(entries) // part >= PART_ROWS]
    newest = [slice(len(entries) - len(entries) // part, None) for part in parts]
    compared = [_compared(metric, target[rows], before[rows], aligned[rows], sure) for rows in newest]
    return max(filter(None, compared), key=lambda each: each.low, default=None)


def _compared(metric: Metric, target: Array, before: Array, now: Array, sure: float) -> Comparison | None:
    if target.dtype.kind == "i" and len(np.unique(target)) < 2:
        return None
    gains = paired_gain(metric, target, now, before, block=time_block(target, now, before))
    scores = metric.score(target, before), metric.score(target, now)
    if len(gains) < LEAST_DEFINED * RESAMPLES or not np.isfinite(scores).all():
        return None
    return Comparison(metric.name, len(target), *scores, low=float(np.quantile(gains, 1 - sure)))


def _answers(model: Model, entries: Sequence[LoggedPrediction]) -> Array:
    frame = feature_frame(entries, [column.name for column in model.schema.used])
    return weighed(model.outputs(conform(frame, model.schema)), model.decision)
