"""A whole column is read exactly as its cells are, one by one, in whatever form it comes."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.cells import as_moment, as_number, is_missing_feature
from automl.data.columnar import Cells

UNITS = [("", False), ("", True), ("kg", False), ("$", True)]

number_like = st.one_of(
    st.floats(width=64).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"\A\s?[-+(]?\$?[0-9]{0,4}[.,]?[0-9]{1,4}([eE][-+]?[0-9]{1,3})? ?(kg|%)?\)?\s?\Z"),
)
date_like = st.one_of(
    st.datetimes().map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.strftime("%m/%d/%Y %H:%M")),
    st.from_regex(r"\A[0-3]?[0-9][./][01]?[0-9][./][0-9]{4}( [0-9]{2}:[0-9]{2})?\n?\Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}){0,2}(\.[0-9]{1,9})?Z?)?\Z"),
)
words = st.one_of(
    st.sampled_from(["", " ", "NA", "nA", "?", "-", "Unknown", "unKnown\u00a0", "inf", "nan", "-nan", "1_0", "\uff11"]),
    st.text(max_size=6),
)
columns = st.one_of(*(st.lists(st.one_of(*kinds), max_size=8) for kinds in [(number_like,), (date_like,)]), st.lists(
    st.one_of(number_like, date_like, words, st.none()), max_size=8
))  # fmt: skip


def bits(number: float) -> bytes:
    return b"missing" if math.isnan(number) else struct.pack("d", number)


def same_bits(array: Sequence[float] | np.ndarray, expected: list[float]) -> bool:
    return [bits(number) for number in array] == [bits(number) for number in expected]


def forms(texts: list[str | None]) -> list[Cells]:
    """The same texts in Arrow, in pandas, as objects."""
    try:
        arrow = pa.chunked_array([pa.array(texts[:3], pa.string()), pa.array(texts[3:], pa.string())])
        frame = pd.Series(texts, dtype="str")
    except (UnicodeEncodeError, pa.ArrowInvalid):  # half a character
        return [Cells.of(texts)]
    return [Cells.of(arrow), Cells.of(frame), Cells.of(texts)]


@given(columns)
def test_numbers_of_a_column_are_those_of_its_cells_to_the_bit(texts: list[str | None]) -> None:
    for cells in forms(texts):
        for unit, grouped in UNITS:
            assert same_bits(cells.numbers(unit, grouped), [as_number(text, unit, grouped) for text in texts])


@given(columns)
def test_moments_of_a_column_are_those_of_its_cells_to_the_bit(texts: list[str | None]) -> None:
    for cells in forms(texts):
        for formats in ((), ("%d.%m.%Y", "%Y-%m-%d %H"), ("epoch ms",), ("%m/%d/%Y %H:%M",), ("%d.%m.%Y",)):
            assert same_bits(cells.moments(formats), [as_moment(text, formats) for text in texts])


@given(columns)
def test_missing_cells_of_a_column_are_those_that_are_missing_alone(texts: list[str | None]) -> None:
    for cells in forms(texts):
        assert cells.missing().tolist() == [is_missing_feature(text) for text in texts]
        assert cells.tolist() == texts or any(text is None for text in texts)
        distinct = cells.distinct()
        assert [distinct.values[code] for code in distinct.codes] == cells.tolist()
        assert distinct.counts.sum() == len(texts)


TYPED: dict[str, Any] = {
    "whole": pd.Series([3, -1, 3], dtype="int64"),
    "small": pd.Series([0.1, 2.5, np.nan], dtype="float32"),
    "infinite": pd.Series([np.inf, -np.inf, 1.0]),
    "truths": pd.Series([True, False, True]),
    "nullable": pd.Series([1, None, 3], dtype="Int64"),
    "full nullable": pd.Series([1, 2, 3], dtype="Int32"),
    "arrow": pd.Series([1, None, 3], dtype=pd.ArrowDtype(pa.int64())),
    "arrow text": pd.Series(["1", None, "x"], dtype=pd.ArrowDtype(pa.string())),
    "categories": pd.Series(["1", "x", None], dtype="category"),
    "mixed": pd.Series(["1", 2, None], dtype=object),
    "moments": pd.Series(pd.to_datetime(["2024-01-05 10:00:00.25", None, "1500-02-03"], format="ISO8601")),
    "zoned": pd.Series(pd.to_datetime(["2024-01-05 10:00", None, "1999-02-03"], format="ISO8601")).dt.tz_localize(
        "Europe/Vienna"
    ),
    "numpy text": np.array(["1", "x", ""]),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.5])),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_typed_column_is_read_as_its_cells(name: str) -> None:
    column = TYPED[name]
    cells = Cells.of(column)
    assert len(cells) == 3
    assert same_bits(cells.numbers(), [as_number(value) for value in column.tolist()])
    assert cells.missing().tolist() == [is_missing_feature(value) for value in column.tolist()]
    if name in ("moments", "zoned", "mixed"):
        assert same_bits(cells.moments(), [as_moment(value) for value in column.tolist()])


def test_a_sample_is_spread_and_finds_the_few_cells_that_are_there() -> None:
    assert Cells.of([str(number) for number in range(1000)]).spread(3) == ["0", "499", "999"]
    holes: list[Any] = [""] * 10_000
    holes[4321] = "here"
    for column in (holes, pd.Series(holes, dtype="str")):
        assert Cells.of(column).spread(100) == ["here"]
    assert Cells.of([""] * 500).spread(100) == []
    assert Cells.of([]).spread(100) == []


def test_much_text_in_objects_becomes_arrow_and_means_the_same() -> None:
    objects = [None if number % 7 == 0 else f"{number % 100}.5" for number in range(30_000)]
    assert Cells.of(objects).text is not None
    assert same_bits(Cells.of(objects).numbers()[:50], [as_number(value) for value in objects[:50]])
    assert Cells.of([b"picture", *objects]).text is None
    assert Cells.of(["\ud800", *objects]).text is None
