"""One cell means one thing, however it arrives: as text from a CSV, typed from JSON, or from a data frame."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.cells import as_moment, as_number, as_text, as_truth, is_missing

ONE = ["1", " 1 ", 1, 1.0, np.int64(1), np.float32(1), Decimal(1)]
MISSING = [None, "", "  ", "NA", "n/a", "NaN", "null", "?", math.nan, np.float64("nan"), pd.NA, pd.NaT, b""]


@pytest.mark.parametrize("cell", ONE)
def test_one_is_one(cell: object) -> None:
    assert as_text(cell) == "1"
    assert as_number(cell) == 1.0
    assert as_truth(cell) == 1.0
    assert not is_missing(cell)


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_every_way_to_be_missing(cell: object) -> None:
    assert is_missing(cell)
    assert as_text(cell) is None
    assert math.isnan(as_number(cell))
    assert math.isnan(as_moment(cell))


@pytest.mark.parametrize("cell", ["None", "none", "0", 0, False, " -", np.array([1, 2]), [], {}], ids=repr)
def test_what_only_looks_missing_is_there(cell: object) -> None:
    assert not is_missing(cell)


@pytest.mark.parametrize("cell", ["1_000", "1,5", "abc", "inf", "-Infinity", "1e400", math.inf, [1], pd.Timestamp(0)])
def test_what_is_no_finite_number_is_none(cell: object) -> None:
    assert math.isnan(as_number(cell))


@pytest.mark.parametrize(
    ("cell", "truth"), [("Yes", 1.0), ("n", 0.0), (True, 1.0), ("TRUE", 1.0), (0, 0.0), ("0", 0.0)]
)
def test_truths(cell: object, truth: float) -> None:
    assert as_truth(cell) == truth


@pytest.mark.parametrize("cell", [2, "maybe", 0.5, None])
def test_what_is_no_truth_is_none(cell: object) -> None:
    assert math.isnan(as_truth(cell))


def test_a_moment_is_the_same_from_text_and_typed() -> None:
    expected = datetime(2024, 3, 1, 12, 30, tzinfo=UTC).timestamp()
    east = timezone(timedelta(hours=2))
    for cell in (
        "2024-03-01T12:30:00",
        "2024-03-01T14:30:00+02:00",
        datetime(2024, 3, 1, 12, 30),
        datetime(2024, 3, 1, 14, 30, tzinfo=east),
        pd.Timestamp("2024-03-01 12:30"),
        np.datetime64("2024-03-01T12:30"),
    ):
        assert as_moment(cell) == expected
    assert as_moment("01.03.2024 12:30", ("%d.%m.%Y %H:%M",)) == expected
    assert as_moment(date(2024, 3, 1)) == expected - 12.5 * 3600
    assert math.isnan(as_moment("31.31.2024", ("%d.%m.%Y",)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_and_its_text_are_the_same_number(number: float) -> None:
    assert as_number(repr(number)) == number == as_number(as_text(number))


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_has_one_text(number: int) -> None:
    assert as_text(number) == as_text(float(number)) == as_text(str(number)) == str(number)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.floats(), st.booleans(), st.none(), st.dates()))
def test_no_cell_breaks_the_parser(cell: object) -> None:
    text = as_text(cell)
    assert (text is None) == is_missing(cell)
    assert not math.isinf(as_number(cell))
    assert math.isnan(as_truth(cell)) or as_truth(cell) in (0.0, 1.0)
    assert not math.isinf(as_moment(cell, ("%Y-%m-%d",)))
