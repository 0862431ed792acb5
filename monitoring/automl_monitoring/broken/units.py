"""Numbers in another unit, far outside of their range, or with a code in place of missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, describe_number
from automl_monitoring.broken.suspicion import Suspicion
from automl_monitoring.checks.columns import beyond_chance, follows_the_clock
from automl_monitoring.checks.subject import Subject
from automl_monitoring.two_sample import kolmogorov_smirnov, many_values

LEAST_FACTOR = 5.0  # further than that no population drifts while its shape stays
LEAST_DISTANCE = 0.3
MOST_ROWS = 20_000  # show a shape and a range well enough
BEYOND = 0.2  # share of the rows outside of all that was seen, from which a multiple needs no other sign
QUIET = 0.001  # level at which no other column may have moved else: new customers have paid less, in the same unit
SHAPE = 0.15  # K-S distance to the reference, once rescaled, up to which the shape is the same
LIKELY = 0.05  # p value from which an exact conversion fits
ROUND = (7, 10, 12, 24, 30, 60, 100, 365, 1_000, 3_600, 10_000, 1_000_000)
NEAR = 0.15  # relative distance from which a factor is said as the round one
FEWEST_SAMPLED = 200  # rows from which an exact conversion can be recognised
SPIKE = 0.05  # share of the rows with one number that lies outside of all that was seen
ALONE = 0.8  # of what lies outside is that one number; several are a population that moves
OFF = 0.5  # widths of the reference's range that it lies outside, unless it is a usual code
CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0)
OUTSIDE = 0.05  # share of the rows that lie far outside
FAR = 3.0  # widths of the reference's range
LEAST_OUTSIDE = 3  # rows


@dataclass(frozen=True)
class Conversion:
    """new = factor * old + offset."""

    words: str
    factor: float
    offset: float = 0.0


CONVERSIONS = (
    Conversion("miles became kilometres", 1.609344),
    Conversion("kilometres became miles", 1 / 1.609344),
    Conversion("inches became centimetres", 2.54),
    Conversion("centimetres became inches", 1 / 2.54),
    Conversion("pounds became kilograms", 0.45359237),
    Conversion("kilograms became pounds", 1 / 0.45359237),
    Conversion("feet became metres", 0.3048),
    Conversion("metres became feet", 1 / 0.3048),
    Conversion("°C became °F", 1.8, 32.0),
    Conversion("°F became °C", 1 / 1.8, -32 / 1.8),
)


def suspicions(subject: Subject) -> list[Suspicion]:
    """Numbers whose values are a multiple of what they were, or that no row of the reference could hold."""
    if not subject.window.features:
        return []
    found: dict[str, str] = {}
    likely: dict[str, str] = {}
    for column in subject.model.schema.of_kind("number"):
        if follows_the_clock(subject, column.name):
            continue
        sides = [_some(side.rows[column.name]) for side in (subject.reference, subject.window)]
        before, now = (side[np.isfinite(side)] for side in sides)
        if min(len(before), len(now)) < subject.policy.least_rows / 2 or not many_values(before, now):
            continue
        low, high = float(before.min()), float(before.max())
        low = low if column.minimum is None else min(low, column.minimum)
        high = high if column.maximum is None else max(high, column.maximum)
        multiplied = _multiplied(before, now)
        certain = bool(multiplied) and float(((now < low) | (now > high)).mean()) >= BEYOND
        said = multiplied or _spiked(now, low, high) or _outside(now, low, high)
        if said:
            (likely if multiplied and not certain else found)[column.name] = said
    if likely and not _others_moved(subject, {*found, *likely}):
        found |= likely
    return [Suspicion(f"{name}: {said}", (name,)) for name, said in found.items()]


def _some(values: Array) -> Array:
    """float64: up to MOST_ROWS evenly spaced values."""
    step = max(len(values) // MOST_ROWS, 1)
    return np.asarray(values[::step], dtype=np.float64)


def _others_moved(subject: Subject, suspects: set[str]) -> bool:
    """Did columns move that are not suspect and do not tell the time? Then rather the population is another one."""
    moved = beyond_chance(subject.shifts, QUIET, subject.policy.effect_floor)
    return any(shift.column not in suspects and not follows_the_clock(subject, shift.column) for shift in moved)


def _multiplied(before: Array, now: Array) -> str:
    """Whether the window is the reference times a constant: the distance is large, and gone once rescaled."""
    medians = [float(np.median(np.abs(side[side != 0]))) if np.any(side) else 0.0 for side in (before, now)]
    distance, _ = kolmogorov_smirnov(before, now)
    if distance < LEAST_DISTANCE or min(medians) <= 0:
        return ""
    factor = medians[1] / medians[0]
    if max(factor, 1 / factor) >= LEAST_FACTOR:
        chance = 1.2 * float(np.sqrt(1 / len(before) + 1 / len(now)))  # exceeded by the right scale once in ten
        rest = min(kolmogorov_smirnov(before, now / each)[0] for each in _candidates(factor))
        return _times(factor) if rest <= max(SHAPE, chance) else ""
    if len(now) < FEWEST_SAMPLED:
        return ""
    for each in CONVERSIONS:
        p_value = kolmogorov_smirnov(before, (now - each.offset) / each.factor)[1]
        if p_value >= LIKELY and _settled(before, each):
            return f"looks like another unit: {each.words}."
    return ""


def _settled(before: Array, conversion: Conversion) -> bool:
    """Does the conversion move the reference so far that no other explanation is near?"""
    return kolmogorov_smirnov(before, before * conversion.factor + conversion.offset)[0] >= LEAST_DISTANCE


def _candidates(factor: float) -> Sequence[float]:
    return (factor, _rounded(factor))


def _rounded(factor: float) -> float:
    size = max(factor, 1 / factor)
    nearest = min(ROUND, key=lambda each: abs(np.log(size / each)))
    near = float(nearest) if abs(np.log(size / nearest)) <= NEAR else size
    return near if factor >= 1 else 1 / near


def _times(factor: float) -> str:
    size = _rounded(factor)
    said = f"{size:,.0f} times larger" if size >= 1 else f"{1 / size:,.0f} times smaller"
    return f"looks like another unit: the values are {said}, with the same shape."


def _spiked(now: Array, low: float, high: float) -> str:
    """One number outside of all that was seen, again and again: a code for missing, or a default."""
    outside = now[(now < low) | (now > high)]
    if len(outside) < LEAST_OUTSIDE:
        return ""
    values, counts = np.unique(outside, return_counts=True)
    most = int(counts.argmax())
    share, value = counts[most] / len(now), float(values[most])
    off = max(low - value, value - high) >= OFF * (high - low) or value in CODES
    if share < SPIKE or counts[most] < max(LEAST_OUTSIDE, ALONE * len(outside)) or share == 1.0 or not off:
        return ""
    return (
        f"the number {describe_number(value)}, outside of all that was seen, stands in {share:.0%} of "
        "the rows. Is it a code for missing?"
    )


def _outside(now: Array, low: float, high: float) -> str:
    width = FAR * (high - low)
    far = (now < low - width) | (now > high + width)
    if far.sum() < LEAST_OUTSIDE or far.mean() < OUTSIDE:
        return ""
    worst = float(now[far][np.abs(now[far]).argmax()])
    return (
        f"{far.mean():.0%} of the values lie far outside of {describe_number(low)} to {describe_number(high)}, the "
        f"worst is {describe_number(worst)}. Do some rows come in another unit?"
    )
