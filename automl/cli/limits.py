"""What the options of a fit's budget and model say, as numbers; OptionError with an example for what makes no sense."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from automl.errors import OptionError, nearest

if TYPE_CHECKING:
    from automl.model.choices import Preference

DEFAULT_S = 60.0
LATENCY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """Seconds (infinite without a clock), trials, workers, bytes of memory; what the model may cost to ask and keep."""

    seconds: float
    max_trials: int | None
    workers: int | None
    memory: int | None
    prefer: Preference
    max_latency_ms: float | None
    max_bytes: int | None


def limits_asked(
    time: str | None,
    max_trials: int | None,
    workers: int | None,
    memory: str | None,
    prefer: str,
    max_latency: str | None,
    max_size: str | None,
) -> Limits:
    """The options as they were typed, understood."""
    from automl.data.memory import parse_size
    from automl.search.budget import parse_duration

    seconds = DEFAULT_S if max_trials is None else math.inf
    return Limits(
        seconds=seconds if time is None else parse_duration(time),
        max_trials=_at_least_one("--max-trials", max_trials, 20),
        workers=_at_least_one("--workers", workers, 2),
        memory=None if memory is None else parse_size(memory, f"--memory {memory}"),
        prefer=_preference(prefer),
        max_latency_ms=None if max_latency is None else parse_latency(max_latency),
        max_bytes=None if max_size is None else parse_size(max_size, f"--max-size {max_size}"),
    )


def parse_latency(text: str) -> float:
    """Milliseconds in '5ms', '0.005s' or '5'."""
    match = LATENCY.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise OptionError(f"--max-latency {text!r} is no duration.", "Example: --max-latency 5ms")
    return float(match[1]) * (1000.0 if match[2].lower() == "s" else 1.0)


def _at_least_one(option: str, count: int | None, example: int) -> int | None:
    if count is not None and count < 1:
        raise OptionError(f"{option} {count} is less than one.", f"Example: {option} {example}")
    return count


def _preference(text: str) -> Preference:
    from automl.model.choices import Preference

    choices: tuple[Preference, ...] = get_args(Preference)
    for choice in choices:
        if choice == text.strip().lower():
            return choice
    hint = nearest(text, choices)
    raise OptionError(f"--prefer {text!r} is no choice of models.", f"{hint} Example: --prefer balanced")
