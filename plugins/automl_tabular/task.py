"""The tabular task: two matrices out of the schema's columns, and the texts as they are."""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.schema import Schema
from automl.task import Architecture, Features, Learner, Problem, Task

if TYPE_CHECKING:
    from automl.model.onnx_graph import Graph

DAY_S = 86_400.0
LARGEST = float(np.finfo(np.float32).max)  # beyond it a float32 is infinite, which XGBoost refuses
MOST_SPANS = 10  # days between pairs of dates
DATE_PARTS = (" (days)", " (month)", " (day of month)", " (weekday)", " (hour)")
TEXT_SIZES = (" (characters)", " (words)", " (digits)", " (capitals)")

_DIGITS = re.compile(r"\d+")


class TabularTask(Task):
    """Fits any schema without images; others are preferred where text dominates."""

    name = "tabular"

    def suits(self, schema: Schema) -> float:
        return 0.0 if schema.of_kind("image") or not schema.used else 0.5

    def features(self, schema: Schema, rows: Rows) -> Features:
        """`numbers`: float32 (rows, numbers), NaN when missing. `codes`: int32 (rows, categories), -1 when missing.

        `texts`: str objects (rows, texts), only of a schema with text columns.
        """
        made = layout(schema)
        numbers = np.empty((len(rows), len(made.numbers)), dtype=np.float32)
        codes = np.empty((len(rows), len(made.categories)), dtype=np.int32)
        with np.errstate(over="ignore"):
            _fill(numbers, rows, made.plain)
            end = len(made.plain)
            if made.dates:
                dates = _date_columns(np.stack([rows[name] for name in made.dates], axis=1), made.spans)
                numbers[:, end : end + dates.shape[1]] = dates
                end += dates.shape[1]
            for name in made.texts:
                numbers[:, end : end + len(TEXT_SIZES)] = _text_sizes(rows[name])
                end += len(TEXT_SIZES)
        np.clip(numbers, -LARGEST, LARGEST, out=numbers)
        _fill(codes, rows, made.categories)
        arrays: dict[str, Array] = {"numbers": numbers, "codes": codes}
        if made.texts:
            arrays["texts"] = np.stack([rows[name] for name in made.texts], axis=1)
        return Features(arrays)

    def architectures(self) -> list[Architecture]:
        """All families hear what the texts say; the boosters are given arithmetic, which one of them chooses."""
        from automl_tabular.arithmetic import Arithmetic
        from automl_tabular.catboost import CatBoost
        from automl_tabular.forest import Forest
        from automl_tabular.lightgbm import LightGBM
        from automl_tabular.linear import Linear
        from automl_tabular.neighbours import Neighbours
        from automl_tabular.network import Network
        from automl_tabular.prepared import PreparedArchitecture
        from automl_tabular.tabicl import TabICL
        from automl_tabular.texts import TextScores
        from automl_tabular.xgboost import XGBoost

        boosters = [PreparedArchitecture(family, Arithmetic) for family in (CatBoost(), LightGBM(), XGBoost())]
        families = [Linear(), *boosters, Forest(), Network(), Neighbours(), TabICL()]
        return [PreparedArchitecture(family, TextScores) for family in families]

    def onnx_answers(self, problem: Problem, learners: Sequence[Learner], graph: Graph) -> list[str]:
        from automl_tabular.onnx_members import answers_of, columns_of

        columns = columns_of(problem.schema, graph)
        return [answers_of(learner, problem, columns, graph) for learner in learners]


@dataclass(frozen=True)
class Layout:
    """Where the columns of a schema go: `numbers` and `levels` name the columns of the two matrices.

    The first numbers are the `plain` columns as they are; then come the parts of the `dates`, the days between the
    pairs of dates in `spans`, and the sizes of the `texts`. `levels`: per category its number of codes.
    """

    plain: tuple[str, ...]
    dates: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    texts: tuple[str, ...]
    categories: tuple[str, ...]
    numbers: tuple[str, ...]
    levels: tuple[int, ...]

    @classmethod
    def of(cls, schema: Schema) -> Layout:
        plain = tuple(column.name for column in schema.of_kind("number", "boolean"))
        dates = tuple(column.name for column in schema.of_kind("datetime"))
        spans = tuple(islice(combinations(range(len(dates)), 2), MOST_SPANS))
        texts = tuple(column.name for column in schema.of_kind("text"))
        numbers = (
            *plain,
            *(name + part for name in dates for part in DATE_PARTS),
            *(f"{dates[first]} to {dates[second]} (days)" for first, second in spans),
            *(name + size for name in texts for size in TEXT_SIZES),
        )
        categories = schema.of_kind("category")
        names, levels = tuple(each.name for each in categories), tuple(each.codes for each in categories)
        return cls(plain, dates, spans, texts, names, numbers, levels)


# By identity, since the hash of a schema with a thousand columns costs more than a row's prediction.
_layouts: dict[int, tuple[weakref.ref[Schema], Layout]] = {}


def layout(schema: Schema) -> Layout:
    """What the features of a schema hold, without any rows; remembered as long as the schema lives."""
    key = id(schema)
    known = _layouts.get(key)
    if known is None or known[0]() is not schema:
        known = weakref.ref(schema, lambda _: _layouts.pop(key, None)), Layout.of(schema)
        _layouts[key] = known
    return known[1]


def _fill(matrix: Array, rows: Rows, names: tuple[str, ...]) -> None:
    """Write these columns of the rows into the first columns of the matrix."""
    if not names:
        return
    arrays = rows.arrays
    columns = [arrays[name] for name in names]
    if len(matrix) == 1:  # what an endpoint waits for: one call, however many columns
        np.concatenate(columns, out=matrix[0, : len(names)], casting="same_kind")
    else:
        np.stack(columns, axis=1, out=matrix[:, : len(names)], casting="same_kind")


def _date_columns(seconds: Array, spans: tuple[tuple[int, int], ...]) -> Array:
    """(rows, dates) seconds since the epoch -> (rows, 5 · dates + spans), NaN where a date is missing.

    Of each date the days since the epoch, the month, the day of the month, the weekday (0 is Monday), the hour.
    """
    known = np.isfinite(seconds)
    whole = np.where(known, seconds, 0.0)
    moments = whole.astype("datetime64[s]")
    months = moments.astype("datetime64[M]")
    days = np.floor(whole / DAY_S)
    parts = np.stack(
        [
            whole / DAY_S,
            months.astype(np.int64) % 12 + 1,
            (moments.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days + 3) % 7,
            (whole - days * DAY_S) // 3600,
        ],
        axis=2,
    )
    parts = np.where(known[:, :, None], parts, np.nan).reshape(len(seconds), -1)
    if not spans:
        return parts
    first, second = np.array(spans).T
    return np.concatenate([parts, (seconds[:, second] - seconds[:, first]) / DAY_S], axis=1)


def _text_sizes(texts: Array) -> Array:
    """Characters, words, runs of digits, capital letters of each text: (rows, 4)."""
    sizes = [(len(text), len(text.split()), len(_DIGITS.findall(text)), sum(map(str.isupper, text))) for text in texts]
    return np.array(sizes, dtype=np.float64).reshape(-1, len(TEXT_SIZES))
