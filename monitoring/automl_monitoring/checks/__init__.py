"""The checks of a window, in the order they are made. Each is a function from a `Subject` to an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable

from automl_monitoring.checks import answers, columns, estimate, fairness, performance, quality, together, wording
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Outcome

CHECKS: tuple[Callable[[Subject], Outcome], ...] = (
    quality.examine,  # first: broken data block a retraining, whatever the others say
    columns.examine,
    wording.examine,
    answers.examine,
    together.examine,
    performance.examine,
    estimate.examine,
    fairness.examine,
)
