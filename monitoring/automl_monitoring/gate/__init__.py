"""The gate: may a challenger replace the champion? Every part must be passed, on rows that neither model has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from automl_monitoring.gate.calibration import calibration
from automl_monitoring.gate.contest import Contest, hold_contest, same_order
from automl_monitoring.gate.cost import judge_latency, latency, size
from automl_monitoring.gate.gain import Judgement, gain, judge_challenger, knowledge
from automl_monitoring.gate.groups import groups
from automl_monitoring.gate.leaks import leaks
from automl_monitoring.gate.part import Figure, Part
from automl_monitoring.gate.requests import requests
from automl_monitoring.gate.slices import slices
from automl_monitoring.policy import GatePolicy

__all__ = ["Contest", "Judgement", "Part", "examine", "hold_contest", "judge_challenger", "outcome", "same_order"]

PARTS: tuple[Callable[[Contest, GatePolicy], Part], ...] = (
    gain,
    knowledge,
    leaks,
    groups,
    slices,
    calibration,
    size,
    requests,
)


def examine(
    contest: Contest | None, policy: GatePolicy, measured: Mapping[str, Mapping[str, Figure]] | None = None
) -> tuple[Part, ...]:
    """Every part of the gate, in its order; None is a contest of models that know different classes.

    `measured`: the figures of a part that were measured before, by its name; then nothing is measured anew.
    """
    if contest is None:
        return (Part("gain", False, "the challenger's classes are not the champion's"),)
    parts = [part(contest, policy) for part in PARTS]
    known = None if measured is None else measured.get("latency")
    if known is None:
        return (*parts, latency(contest, policy))
    times = float(known["champion_ms"] or 0.0), float(known["challenger_ms"] or 0.0)
    return (*parts, judge_latency(*times, policy))


def outcome(parts: Sequence[Part]) -> tuple[bool, str]:
    """May the challenger be promoted, and why: the first part that it did not pass, or its gain.

    A gain that another part forbids to act on is said with it.
    """
    failed = [part for part in parts if not part.passed]
    said = parts[0].what
    if not failed:
        return True, said
    return False, failed[0].what if failed[0] is parts[0] else f"{said}; but {failed[0].what}"
