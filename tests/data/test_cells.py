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

from automl.data.cells import (
    as_level,
    as_moment,
    as_number,
    as_text,
    as_truth,
    is_missing,
    is_missing_feature,
)

ONE = ["1", " 1 ", 1, 1.0, np.int64(1), np.float32(1), Decimal(1)]
MISSING = [
    None,
    "",
    "  ",
    "NA",
    "n/a",
    "NaN",
    "null",
    "?",
    "#REF!",
    "\\N",
    math.nan,
    np.float64("nan"),
    pd.NA,
    pd.NaT,
    b"",
]


@pytest.mark.parametrize("cell", ONE)
def test_one_is_one(cell: object) -> None:
    assert as_text(cell) == "1"
    assert as_number(cell) == 1.0
    assert as_truth(cell) == 1.0
    assert not is_missing(cell)


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_every_way_to_be_missing(cell: object) -> None:
    assert is_missing(cell)
    assert is_missing_feature(cell)
    assert as_text(cell) is None
    assert as_level(cell) is None
    assert math.isnan(as_number(cell))
    assert math.isnan(as_moment(cell))


@pytest.mark.parametrize("cell", ["None", "none", "0", 0, False, " -", np.array([1, 2]), [], {}], ids=repr)
def test_what_only_looks_missing_is_there(cell: object) -> None:
    assert not is_missing(cell)


@pytest.mark.parametrize("cell", [" -", "--", ".", "Unknown", "MISSING", "not available"])
def test_a_doubtful_word_is_missing_in_a_feature_and_may_be_a_class(cell: str) -> None:
    assert is_missing_feature(cell)
    assert not is_missing(cell)
    assert as_text(cell) == cell.strip()
    assert as_level(cell) is None


@pytest.mark.parametrize(
    "cell", ["none", "None", "not_applicable", "UNKNOWN BIRD - SMALL", "unknown/no savings account"]
)
def test_a_level_that_speaks_of_nothing_is_a_level(cell: str) -> None:
    assert not is_missing_feature(cell)


@pytest.mark.parametrize(
    ("cell", "unit", "grouped", "number"),
    [
        ("1,234", "", True, 1234),
        ("12,34,567.5", "", True, 1_234_567.5),
        ("1\u202f234", "", True, 1234),
        ("(1,234)", "", True, -1234),
        ("1,234", "", False, math.nan),
        ("1,5", "", True, math.nan),
        ("0,512", "", True, math.nan),
        ("\u22125", "", False, -5),
        ("+5", "", False, 5),
        ("'5'", "", False, 5),
        ("$5", "$", False, 5),
        ("-$1,234.50", "$", True, -1234.5),
        ("$-5", "$", False, -5),
        ("5 €", "$", False, math.nan),
        ("€\u00a05", "€", False, 5),
        ("45 %", "%", False, 45),
        ("23.4 KMPL", "kmpl", False, 23.4),
        ("23.4 km/kg", "kmpl", False, math.nan),
        ("640Nm@ 1740rpm", "Nm", False, 640),
        ("22.4 kgm at 1750-2750rpm", "Nm", False, math.nan),
        ("12.7@ 2,700(kgm@ rpm)", "Nm", True, math.nan),
        ("60 sq  ft", "sq ft", False, 60),
        ("7", "kg", False, 7),
        ("kg", "kg", False, math.nan),
    ],
)
def test_numbers_as_people_write_them(cell: str, unit: str, grouped: bool, number: float) -> None:
    np.testing.assert_equal(as_number(cell, unit, grouped), number)
    np.testing.assert_equal(as_number(f" {cell} ", unit, grouped), number)


def test_a_list_in_a_cell_is_the_json_that_a_csv_would_hold() -> None:
    assert as_text(["a", 1, None]) == '["a", 1, null]' == as_text(np.array(["a", 1, None], dtype=object))
    assert as_text({"é": 1}) == '{"é": 1}'


@pytest.mark.parametrize(
    ("cell", "level"), [("1.0", "1"), (1.0, "1"), ("1", "1"), ("01", "01"), ("1.10", "1.10"), ("-0.0", "0")]
)
def test_a_level_is_the_same_from_a_float_column(cell: object, level: str) -> None:
    assert as_level(cell) in (level, f"-{level}")


@pytest.mark.parametrize("cell", ["1_000", "1,5", "abc", "inf", "-Infinity", "1e400", math.inf, [1], pd.Timestamp(0)])
def test_what_is_no_finite_number_is_none(cell: object) -> None:
    assert math.isnan(as_number(cell))


@pytest.mark.parametrize(
    ("cell", "truth"),
    [
        ("Yes", 1.0),
        ("n", 0.0),
        (True, 1.0),
        ("TRUE", 1.0),
        (0, 0.0),
        ("0", 0.0),
        ("Ja", 1.0),
        ("off", 0.0),
        ("non", 0.0),
        (" sí ", 1.0),
    ],
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
    assert as_moment(1_709_296_200, ("epoch",)) == as_moment("1709296200000", ("epoch ms",)) == expected
    assert as_moment(20240301, ("%Y%m%d",)) == as_moment(20240301.0, ("%Y%m%d",)) == expected - 12.5 * 3600
    assert as_moment("0001-01-01") == -62_135_596_800
    assert as_moment("9999-12-31") == as_moment(date(9999, 12, 31)) == as_moment(np.datetime64("9999-12-31"))


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


@pytest.mark.parametrize(("cell", "unit"), [("10 km/h", "km"), ("5 mg/dL", "mg"), ("5 M", "m"), ("5 m", "M")])
def test_another_unit_is_not_read_as_its_beginning(cell: str, unit: str) -> None:
    assert math.isnan(as_number(cell, unit))


@pytest.mark.parametrize(("cell", "unit"), [("5 KM", "km"), ("190Nm/ 1740rpm", "Nm"), ("7 g/100km", "g"), ("5 m", "m")])
def test_a_unit_is_read_in_any_case_and_before_its_circumstances(cell: str, unit: str) -> None:
    assert math.isfinite(as_number(cell, unit))


@pytest.mark.parametrize("blanks", ["  ", "\t \t", "\u00a0"])
def test_blanks_around_a_unit_and_a_sign_do_not_count(blanks: str) -> None:
    assert as_number(f"({blanks}5{blanks}kg{blanks})", "kg", grouped=True) == -5
    assert as_number(f"-{blanks}${blanks}5", "$") == -5


def test_no_cell_takes_long_to_refuse() -> None:
    blanks, digits = "(" + " " * 8_000 + "x", "1" * 8_000 + "x"
    for _ in range(1_000):  # each took seconds where the pattern searched in vain
        assert math.isnan(as_number(blanks))
        assert math.isnan(as_number(digits, "kg"))


@pytest.mark.parametrize(
    "span", [timedelta(hours=1), pd.Timedelta("1h"), np.timedelta64(60, "m"), np.timedelta64(3_600_000, "ms")], ids=repr
)
def test_a_span_of_time_is_its_seconds(span: object) -> None:
    assert as_number(span) == 3600
    assert as_text(span) == "3600"
