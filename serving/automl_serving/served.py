"""One model version in memory: loaded, verified, and able to answer rows of JSON cells."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automl.model.artifact import load_model, read_selftest, verify_model
from automl.model.intervals import margin_of
from automl.model.logged import log_entries
from automl.model.model import Answers, Model
from automl.model.prediction_sets import least_probability_of
from automl.store import LoggedPrediction
from automl_serving.contract import Contract, make_contract
from automl_serving.reading import Cells
from automl_serving.settings import Options

QUICK_SECONDS = 0.01  # an answer that takes less is cheaper than the hop to a thread


@dataclass(frozen=True)
class ServedModel:
    """A verified version and its contract.

    `seconds` is what one row takes, once warm; `example_answer` what the contract's example is answered; `margin` half
    the width of the interval around a regression's answers (see automl.model.intervals); `least` the probability from
    which on a class belongs to the set of a classification's (see automl.model.prediction_sets); `classes` as answered.
    """

    name: str
    number: int
    model: Model
    contract: Contract
    seconds: float
    example_answer: Mapping[str, Any] = field(default_factory=dict)
    margin: float | None = None
    least: float | None = None
    classes: tuple[str | int | float | bool, ...] = ()

    @property
    def sees_pictures(self) -> bool:
        """Are there images among its columns? They take longer to read than to answer, and to be logged too."""
        return bool(self.model.schema.images)

    def predict(self, rows: Sequence[Cells]) -> Answers:
        """Answers for validated rows; DataError if a cell turns out to be unusable after all."""
        return self.model.answer(list(rows))

    def log_entries(
        self,
        rows: Sequence[Cells],
        answers: Answers,
        latency_ms: float,
        role: str = "champion",
        keys: Sequence[str | None] | None = None,
        watched: bool = True,
    ) -> list[LoggedPrediction]:
        """What is logged of an answer to rows, which may have keys; unless `watched`, images are not measured."""
        flags = [self.contract.flags_of(row) for row in rows]
        return log_entries(self.model, (self.name, self.number), rows, answers, latency_ms, flags, role, keys, watched)


def load_served(name: str, number: int, folder: Path) -> ServedModel:
    """Load an artifact and let it prove itself on its self-test rows; ArtifactError if it fails.

    Proving also loads every library that answering needs, so that no client waits for that.
    """
    model = load_model(folder)
    verify_model(model)
    contract = make_contract(model.schema, read_selftest(folder).columns, model.card.private)
    example = contract.reader(Options()).rows({"rows": contract.example})
    served = ServedModel(name, number, model, contract, seconds=0.0)
    if model.schema.task == "regress":
        served = replace(served, margin=margin_of(folder))
    else:
        served = replace(served, least=least_probability_of(folder), classes=tuple(model.classes))
    served.predict(example)
    started = time.perf_counter()
    answers = served.predict(example)
    seconds = time.perf_counter() - started
    shown = answer_record(served, served.log_entries(example, answers, seconds * 1000))
    return replace(served, seconds=seconds, example_answer=shown)


def answer_record(served: ServedModel, entries: Sequence[LoggedPrediction]) -> dict[str, Any]:
    """The JSON of an answer, made from what is logged, so that the two cannot differ."""
    predictions: list[dict[str, Any]] = []
    for entry in entries:
        flags = [{"column": column, "kind": kind} for column, kind in (entry.flags or {}).items()]
        prediction: dict[str, Any] = {"id": entry.id, "prediction": entry.prediction, "flags": flags}
        if entry.probabilities is not None:
            prediction["probabilities"] = entry.probabilities
            if served.least is not None:
                prediction["set"] = _likely(served, entry.prediction, entry.probabilities)
        elif served.margin is not None and isinstance(entry.prediction, float):
            prediction["interval"] = {"low": entry.prediction - served.margin, "high": entry.prediction + served.margin}
        predictions.append(prediction)
    return {"model": served.name, "version": served.number, "predictions": predictions}


def _likely(served: ServedModel, answered: Any, probabilities: Mapping[str, float]) -> list[str | int | float | bool]:
    """The answer and whatever else is likely enough, in the order of the classes."""
    least = 1.0 if served.least is None else served.least
    shares = zip(served.classes, probabilities.values(), strict=True)
    return [name for name, share in shares if share >= least or name == answered]
