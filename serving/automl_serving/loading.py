"""Loading the versions of one model: each proves itself first; one that cannot is refused, and said once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from automl.errors import AutoMLError
from automl.store import LoggedPrediction
from automl_serving.app import make_app
from automl_serving.context import Context
from automl_serving.reading import Cells
from automl_serving.served import ServedModel, load_served
from automl_serving.shelf import Serving
from automl_serving.sources import ModelSource

logger = logging.getLogger(__name__)

RETRY_SECONDS = 15.0  # until a version that could not be served is tried again: it may have been mended

Heard = Callable[[int, Sequence[Cells], Sequence[LoggedPrediction]], None]


@dataclass(frozen=True)
class Refusal:
    """Why a version could not be served, and when (`time.monotonic()`)."""

    reason: str
    time: float


class Loader:
    """Turns version numbers into versions that answer. `heard` is told what each of them has answered."""

    def __init__(self, source: ModelSource, context: Context, heard: Heard) -> None:
        self._source = source
        self._context = context
        self._heard = heard
        self._refused: dict[int, Refusal] = {}

    def load(self, number: int) -> Serving:
        """A version, loaded and verified; raises what is wrong with it."""
        return self.serve(load_served(self._source.name, number, self._source.folder(number)))

    def load_or_refuse(self, number: int, instead: int | None) -> Serving | None:
        """A version, loaded and verified, or None: `instead` goes on answering. A refused one is not tried at once."""
        known = self._refused.get(number)
        if known is not None and time.monotonic() - known.time < RETRY_SECONDS:
            return None
        try:
            serving = self.load(number)
        except Exception as error:  # a broken version must not take the endpoint down
            reason = str(error) if isinstance(error, AutoMLError) else type(error).__name__
            self._refused[number] = Refusal(reason, time.monotonic())
            if known is None or known.reason != reason:
                what = (self._source.name, number, instead, reason)
                logger.error("%s: version %d is not served, %s stays: %s", *what)
            return None
        self._refused.pop(number, None)
        return serving

    def forgive(self) -> None:
        """Try what was refused again as soon as it is asked for."""
        self._refused.clear()

    def serve(self, served: ServedModel, role: str = "champion") -> Serving:
        """The app of a version, whose answers are logged in this role."""
        observed = self._context.observed
        meter = observed.meter(served.name, served.number)

        def answered(rows: Sequence[Cells], entries: Sequence[LoggedPrediction]) -> None:
            meter.answered(entries, role)
            self._heard(served.number, rows, entries)

        app = make_app(served, replace(self._context, role=role, answered=answered))
        return Serving(served, app, meter, observed)
