"""One model version in memory: loaded, verified, and able to answer rows of JSON cells."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automl.model.artifact import load_model, read_selftest, verify_model
from automl.model.logged import log_entries
from automl.model.model import Answers, Model
from automl.store import LoggedPrediction
from automl_serving.contract import Cells, Contract, cells_of, make_contract

QUICK_SECONDS = 0.01  # an answer that takes less is cheaper than the hop to a thread


@dataclass(frozen=True)
class ServedModel:
    """A verified version and its contract.

    `seconds` is what one row takes, once warm; `example_answer` what the contract's example is answered.
    """

    name: str
    number: int
    model: Model
    contract: Contract
    seconds: float
    example_answer: Mapping[str, Any] = field(default_factory=dict)

    def is_quick(self, rows: int) -> bool:
        """Will so many rows be answered before anybody notices?"""
        return self.seconds * rows < QUICK_SECONDS

    def predict(self, rows: Sequence[Cells]) -> Answers:
        """Answers for validated rows; DataError if a cell turns out to be unusable after all."""
        return self.model.answer(list(rows))

    def log_entries(self, rows: Sequence[Cells], answers: Answers, latency_ms: float) -> list[LoggedPrediction]:
        """What is logged of an answer."""
        return log_entries(self.model, (self.name, self.number), rows, answers, latency_ms)


def load_served(name: str, number: int, folder: Path) -> ServedModel:
    """Load an artifact and let it prove itself on its self-test rows; ArtifactError if it fails.

    Proving also loads every library that answering needs, so that no client waits for that.
    """
    model = load_model(folder)
    verify_model(model)
    contract = make_contract(model.schema, read_selftest(folder).columns, model.card.private)
    example = cells_of(contract.request.model_validate({"rows": contract.example}))
    served = ServedModel(name, number, model, contract, seconds=0.0)
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
        prediction: dict[str, Any] = {"id": entry.id, "prediction": entry.prediction}
        if entry.probabilities is not None:
            prediction["probabilities"] = entry.probabilities
        predictions.append(prediction)
    return {"model": served.name, "version": served.number, "predictions": predictions}
