"""What Prometheus is told: how the models are, not how busy this server is.

The cardinality is bounded: the most urgent models, of each the columns that matter most, and fixed lists of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from automl.store import CheckRecord
from automl_monitoring.dashboard.curves import ANSWERS, rank_columns
from automl_monitoring.dashboard.facts import Facts, Model
from automl_monitoring.dashboard.retrainings import OUTCOMES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "automl_monitoring"
MOST_MODELS = 200
VERDICTS = {"unknown": -1, "healthy": 0, "watch": 1, "act": 2}

SERIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "verdict": ("The newest verdict: -1 unknown, 0 healthy, 1 watch, 2 act.", ("model",)),
    "blocked": ("1 where the newest window holds broken data, from which nothing is learned.", ("model",)),
    "check_timestamp_seconds": ("When the newest check was made (Unix time).", ("model",)),
    "check_rows": ("Rows that the newest check looked at.", ("model",)),
    "check_labelled_rows": ("Those of them that have a label.", ("model",)),
    "champion_version": ("The version that answers.", ("model",)),
    "score": ("The score by labels in the newest check.", ("model", "metric")),
    "score_low": ("The lower end of its interval.", ("model", "metric")),
    "score_high": ("The upper end of its interval.", ("model", "metric")),
    "score_reference": ("What the score was on the reference.", ("model", "metric")),
    "estimate": ("The score in the newest check as estimated without labels.", ("model", "metric")),
    "drift": ("Distance of a column or of the answers from the reference, 0 to 1.", ("model", "column")),
    "logged_rows_total": ("Rows in the prediction log.", ("model",)),
    "labelled_rows_total": ("Rows in the prediction log that have a label.", ("model",)),
    "labelled_share": ("Share of the logged rows that have a label.", ("model",)),
    "retrainings_total": ("Retrainings by what was decided.", ("model", "outcome")),
    "job_stage": ("1 for the stage of the retraining that is at work.", ("model", "stage")),
    "rollout_stage": ("1 for the stage of a rollout that is under way.", ("model", "stage")),
}

Sample = tuple[str, tuple[str, ...], float]


def metrics_text(facts: Facts) -> bytes:
    """All series in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(facts))
    return generate_latest(registry)


class _Collector:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        samples: dict[str, list[tuple[tuple[str, ...], float]]] = {name: [] for name in SERIES}
        models = self._facts.models()[:MOST_MODELS]
        for name, labels, value in (*_retrainings(self._facts, models), *(s for model in models for s in _of(model))):
            samples[name].append((labels, value))
        for name, (says, labels) in SERIES.items():
            counted = name.endswith("_total")
            kind = CounterMetricFamily if counted else GaugeMetricFamily
            family = kind(f"{PREFIX}_{name.removesuffix('_total')}", says, labels=labels)
            for given, value in samples[name]:
                family.add_metric(given, value)
            yield family


def _of(model: Model) -> Iterator[Sample]:
    """What is told of one model."""
    name = (model.name,)
    champion = model.champion
    if champion is not None:
        yield "champion_version", name, champion.number
    yield "logged_rows_total", name, model.rows
    yield "labelled_rows_total", name, model.labels
    if model.rows:
        yield "labelled_share", name, model.labels / model.rows
    if model.job is not None:
        yield "job_stage", (model.name, model.job.stage), 1
    if model.rollout is not None and model.rollout.stage != "ended":
        yield "rollout_stage", (model.name, model.rollout.stage), 1
    if model.check is not None:
        yield from _checked(model.check, champion.metric if champion else "")


def _checked(check: CheckRecord, metric: str) -> Iterator[Sample]:
    name = (check.name,)
    yield "verdict", name, VERDICTS.get(check.verdict, -1)
    yield "blocked", name, float(bool(check.summary.get("blocks")))
    yield "check_timestamp_seconds", name, check.time.timestamp()
    yield "check_rows", name, check.rows
    yield "check_labelled_rows", name, check.summary.get("labelled", 0)
    shown = {*rank_columns([check]), *ANSWERS}
    for measure in check.summary.get("measures", ()):
        kind, column = measure["name"], measure.get("column", "")
        if kind in ("score", "estimate") and not column:
            yield kind, (check.name, metric), measure["value"]
        if kind == "score" and not column:
            for end in ("low", "high", "reference"):
                if measure.get(end) is not None:
                    yield f"score_{end}", (check.name, metric), measure[end]
        if kind == "drift" and column in shown:
            yield "drift", (check.name, column), measure["value"]


def _retrainings(facts: Facts, models: Iterable[Model]) -> Iterator[Sample]:
    shown = {model.name for model in models}
    for (name, outcome), decided in facts.outcomes().items():
        if name in shown and outcome in OUTCOMES:
            yield "retrainings_total", (name, OUTCOMES[outcome]), decided
