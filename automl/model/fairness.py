"""How a model treats the groups of a sensitive column: figures for a person to judge, no verdict.

Whether a gap is unfair depends on what the answers are used for. What is measured: how often each group is given each
answer, beside how often it is true (demographic parity), and how good the answers are in each group.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.cells import as_number, as_text
from automl.data.dataset import Array, describe_number
from automl.data.schema import Schema
from automl.metrics import Metric
from automl.model.threshold import decide, weighed

if TYPE_CHECKING:
    import pandas as pd

BANDS = 4  # of a column of numbers
MOST_GROUPS = 12  # beyond, and below FEW_ROWS, groups are put together; if those are few rows still, they are left out
FEW_ROWS = 30  # a share of fewer is mostly chance, and might tell of a person
MISSING, REST = "(missing)", "(others)"
NOTABLE = 0.05  # of a share; smaller gaps are not worth a line, however certain
CERTAIN = 3.0  # standard errors that a gap must measure to be no chance, many groups being compared


def fairness_figures(
    frame: pd.DataFrame,
    columns: Sequence[str],
    target: Array,
    outputs: Array,
    schema: Schema,
    metric: Metric,
    decision: Sequence[float] = (),
) -> tuple[dict[str, Any], ...]:
    """One record of plain JSON for each sensitive column; rows without honest outputs (NaN) are left out, and groups
    of fewer than FEW_ROWS rows, which might be one person: `left_out` is the number of their rows.

    `target` and `outputs` are conformed and aligned with the raw `frame`; `decision`: the model's weights by class.

        {"column": "sex", "metric": "f1", "classes": ["no", "yes"],
         "groups": [{"group": "female", "rows": 120, "score": 0.71, "answered": [0.8, 0.2], "true": [0.7, 0.3]}],
         "left_out": 7,
         "gap": {"of": "yes", "highest": "male", "lowest": "female", "size": 0.1, "notable": true}}

    For a number as the target, `answered` and `true` hold one mean each, `spread` the standard deviation of their
    difference, and the gap is one of `answered - true`.
    """
    known = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    figures = []
    for column in columns:
        labels = _labels(frame[column][known].tolist())
        names, counts = np.unique(labels.astype(str), return_counts=True)
        groups = [
            _group(name, labels == name, target[known], outputs[known], schema, metric, decision)
            for name in sorted(names[counts >= FEW_ROWS].tolist(), key=_rank(labels))
        ]
        record = {"column": column, "metric": metric.name, "classes": list(schema.classes), "groups": groups}
        left_out = int(counts[counts < FEW_ROWS].sum())
        figures.append({**record, "left_out": left_out, "gap": _gap(groups, schema)})
    return tuple(figures)


def fairness_note(figures: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each column with a notable gap."""
    notes = []
    for each in figures:
        gap = each["gap"]
        if gap is None or not gap["notable"]:
            continue
        high, low = (next(g for g in each["groups"] if g["group"] == gap[end]) for end in ("highest", "lowest"))
        if each["classes"]:
            number = each["classes"].index(gap["of"])
            said = [f"{g['answered'][number]:.0%} of {g['group']} ({g['rows']:,} rows)" for g in (high, low)]
            what = f"{gap['of']!r} is answered to {said[0]} and {said[1]}"
        else:
            errors = [describe_number(g["answered"][0] - g["true"][0]) for g in (high, low)]
            said = [f"{e} for {g['group']} ({g['rows']:,} rows)" for e, g in zip(errors, (high, low), strict=True)]
            what = f"the answers are off by {said[0]} and {said[1]} on average"
        notes.append(f"{each['column']}: {what}; all figures are in the report")
    return tuple(notes)


def _labels(cells: Sequence[Any]) -> Array:
    """The group of each row, as text: the level, the quarter that a number lies in, or a common name for the rare."""
    texts = np.array([as_text(cell) or MISSING for cell in cells], dtype=object)
    numbers = np.array([as_number(cell) for cell in cells], dtype=np.float64)
    there = texts != MISSING
    if len(np.unique(numbers[there])) > MOST_GROUPS and np.isfinite(numbers[there]).mean() > 0.9:
        texts = _bands(numbers)
    names, counts = np.unique(texts.astype(str), return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:MOST_GROUPS]
    kept = set(frequent.tolist()) & set(names[counts >= FEW_ROWS].tolist())
    return np.array([text if text in kept else REST for text in texts], dtype=object)


def _bands(numbers: Array) -> Array:
    known = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, BANDS + 1)))
    place = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, max(len(edges) - 2, 0))
    said = [f"{describe_number(low)} to {describe_number(high)}" for low, high in itertools.pairwise(edges)]
    return np.array([said[at] if here else MISSING for at, here in zip(place, known, strict=True)], dtype=object)


def _rank(labels: Array) -> Any:
    counts = {name: -int(np.sum(labels == name)) for name in set(labels.tolist())}
    return lambda name: (name in (MISSING, REST), counts[name], name)


def _group(
    name: str, rows: Array, target: Array, outputs: Array, schema: Schema, metric: Metric, decision: Sequence[float]
) -> dict[str, Any]:
    target, outputs = target[rows], outputs[rows]
    score = metric.score(target, weighed(outputs, decision))
    if schema.task == "classify":
        width = len(schema.classes)
        answered = np.bincount(decide(outputs, decision), minlength=width) / len(target)
        true = np.bincount(target, minlength=width) / len(target)
        spread = 0.0
    else:
        answered, true = np.array([outputs.mean()]), np.array([target.mean()])
        spread = float(np.std(outputs - target))
    return {
        "group": name,
        "rows": len(target),
        "score": float(score) if math.isfinite(score) else None,
        "answered": answered.tolist(),
        "true": true.tolist(),
        "spread": spread,
    }


def _gap(groups: Sequence[Mapping[str, Any]], schema: Schema) -> dict[str, Any] | None:
    """The largest gap between two groups of enough rows; None if there are no two."""
    large = [group for group in groups if group["rows"] >= FEW_ROWS and group["group"] not in (MISSING, REST)]
    if len(large) < 2:
        return None
    classify = schema.task == "classify"
    found: list[dict[str, Any]] = []
    # Of two classes the second is the event; what is answered to more of the one is answered to fewer of the other.
    for number in [1] if len(schema.classes) == 2 else range(len(large[0]["answered"])):
        sizes = [g["answered"][number] - (0.0 if classify else g["true"][number]) for g in large]
        high, low = large[int(np.argmax(sizes))], large[int(np.argmin(sizes))]
        size = max(sizes) - min(sizes)
        of = schema.classes[number] if classify else schema.target
        notable = _notable(size, high, low, number, classify)
        found.append({"of": of, "highest": high["group"], "lowest": low["group"], "size": size, "notable": notable})
    return max(found, key=lambda gap: gap["size"])


def _notable(size: float, high: Mapping[str, Any], low: Mapping[str, Any], number: int, classify: bool) -> bool:
    """Is a gap beyond chance, by the normal approximation, and large enough to speak of?"""
    if classify:
        shares = [(group["answered"][number], group["rows"]) for group in (high, low)]
        error = math.sqrt(sum(share * (1 - share) / rows for share, rows in shares))
        return size >= NOTABLE and size > CERTAIN * error
    error = math.sqrt(sum(group["spread"] ** 2 / group["rows"] for group in (high, low)))
    return size >= NOTABLE * max(high["spread"], low["spread"]) and size > CERTAIN * error
