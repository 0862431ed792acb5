"""From raw columns to a schema: kinds, target, task, classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.cells import is_missing
from automl.data.dataset import conform, conform_target
from automl.data.inference import choose_target, choose_task, infer_column, infer_schema
from automl.data.reading import Table, table_of
from automl.data.schema import Column, Schema
from automl.data.schema_file import SchemaFile
from automl.errors import DataError, OptionError, TargetError
from automl.hooks import read_source

HERE = Path()
ROWS = 60


def kind_of(cells: Sequence[object], name: str = "column") -> str:
    return infer_column(name, cells, None, HERE).kind


def repeated(*cells: object) -> list[object]:
    return list(cells) * (ROWS // len(cells))


def test_the_schema_of_the_example(churn_csv: Path) -> None:
    table = read_source(churn_csv)
    schema = infer_schema(table, "Churn", "classify")
    charges = schema.column("TotalCharges")
    assert (charges.kind, charges.nullable) == ("number", True)
    assert sum(is_missing(cell) for cell in table.frame["TotalCharges"]) == 11
    assert schema.column("customerID").kind == "ignored"
    assert "identifier" in schema.column("customerID").reason
    assert schema.column("SeniorCitizen").kind == "number"
    assert schema.column("Partner").levels == ("No", "Yes")
    assert schema.column("Partner").kind == "boolean"
    assert schema.column("Contract").kind == "category"
    assert schema.column("Contract").levels[0] == "Month-to-month"  # the most frequent one first
    assert (schema.column("tenure").minimum, schema.column("tenure").maximum) == (0, 72)
    assert schema.column("tenure").integer
    assert not charges.integer
    assert (schema.classes, schema.class_type) == (("No", "Yes"), "str")
    assert "Churn" not in [column.name for column in schema.columns]


def test_a_schema_survives_json(churn_csv: Path, tmp_path: Path) -> None:
    schema = infer_schema(read_source(churn_csv), "Churn", "classify")
    schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == schema == Schema.from_json(schema.to_json())


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (repeated("1", "2.5", "-3e2"), "number"),
        (repeated(1, 2.5, None), "number"),
        (repeated("Yes", "No"), "boolean"),
        (repeated("true", "FALSE", ""), "boolean"),
        (repeated(True, False), "boolean"),
        (repeated("0", "1"), "number"),
        (repeated("red", "green", "blue"), "category"),
        (repeated("2024-01-05", "2024-02-29"), "datetime"),
        (repeated("31.12.2024 10:00", "01.02.2024 11:30"), "datetime"),
        (repeated(pd.Timestamp("2024-01-05"), pd.Timestamp("2024-03-01")), "datetime"),
        ([f"this is the sentence number {number} of many" for number in range(ROWS)], "text"),
        ([f"{number:05d}-QX{number * 7919 % 997}" for number in range(ROWS)], "ignored"),
        (list(range(ROWS)), "ignored"),
        (repeated("same"), "ignored"),
        (repeated("same", ""), "category"),
        (repeated("", None), "ignored"),
        (repeated(b"\x89PNG", b"\xff\xd8"), "image"),
    ],
)
def test_the_kind_of_a_column(cells: list[object], kind: str) -> None:
    assert kind_of(cells) == kind


def test_an_identifier_is_known_by_its_name_and_distinct_values() -> None:
    numbers = np.random.default_rng(0).permutation(10_000)[:ROWS].tolist()
    assert kind_of(numbers, "user_id") == "ignored"
    assert kind_of(numbers, "income") == "number"


def test_the_order_of_day_and_month_is_learned_from_any_cell() -> None:
    column = infer_column("d", repeated("01/02/2024", "03/04/2024", "25/12/2024"), None, HERE)
    assert (column.kind, column.formats) == ("datetime", ("%d/%m/%Y",))
    column = infer_column("d", repeated("01/02/2024", "03/04/2024", "12/25/2024"), None, HERE)
    assert (column.kind, column.formats) == ("datetime", ("%m/%d/%Y",))


def test_images_are_paths_of_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    paths = repeated("a.png", "b.png")
    assert infer_column("photo", paths, None, tmp_path).kind == "image"
    assert infer_column("photo", paths, None, tmp_path / "elsewhere").kind == "category"


def test_a_few_odd_cells_do_not_make_numbers_words() -> None:
    cells = [*map(str, np.arange(200) * 3 % 71), "n.a.!"]
    column = infer_column("x", cells, None, HERE)
    assert column.kind == "number"
    assert column.maximum == 70


@pytest.mark.parametrize(
    ("classes", "kind", "values"),
    [
        (["yes", "no"], "str", ["no", "yes"]),
        (["10", "9", "1"], "int", [1, 9, 10]),
        ([3, 1, 2], "int", [1, 2, 3]),
        (["0.5", "1.5"], "float", [0.5, 1.5]),
        ([1.0, 0.0], "int", [0, 1]),
        ([True, False], "bool", [False, True]),
        (["01", "02"], "str", ["01", "02"]),
        (["1", "1.0"], "str", ["1", "1.0"]),
        (["1", "x"], "str", ["1", "x"]),
    ],
)
def test_classes_come_back_as_they_were_spelt(classes: list[object], kind: str, values: list[object]) -> None:
    schema = schema_of(repeated(*classes), "classify")
    assert schema.class_type == kind
    assert sorted(map(str, map(schema.class_value, schema.classes))) == sorted(map(str, values))
    assert [type(schema.class_value(text)) for text in schema.classes] == [type(value) for value in values]


def schema_of(target: list[Any], task: Any) -> Schema:
    frame = pd.DataFrame({"x": np.arange(len(target)) % 7, "goal": pd.Series(target, dtype=object)})
    return infer_schema(Table(frame), "goal", task)


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (repeated("a", "b", "c"), "classify"),
        (repeated("0", "1"), "classify"),
        (repeated("1.5", "2.5"), "classify"),
        (repeated(*range(5)), "classify"),
        (list(range(ROWS)), "regress"),
        (repeated("1.5", "2.5", "4"), "regress"),
        (repeated("1", "2", "n/a"), "classify"),
        (repeated("1", "2", "three"), "classify"),
        ([*range(ROWS), "twelve", "n/a"], "regress"),
    ],
)
def test_the_task_is_guessed_and_said(target: list[object], task: str) -> None:
    series = pd.Series(target, dtype=object, name="goal")
    guessed, guess = choose_task(series, None)
    assert guessed == task
    assert guess is not None
    assert task in guess.what
    assert "goal" in guess.what
    other = "regress" if task == "classify" else "classify"
    try:
        schema_of(target, other)
    except TargetError:  # an advice that is refused would be none
        assert guess.overrule == "--target COLUMN"
    else:
        assert guess.overrule == f"--task {other}"
    assert choose_task(series, task) == (task, None)


@pytest.mark.parametrize(
    ("name", "counts", "task"),
    [
        ("quality", [20, 163, 1457, 2198, 880, 175, 5], "regress"),
        ("rings", [5, 5, 5, 5], "regress"),
        ("Class", [20, 163, 1457, 2198, 880], "classify"),
        ("quality_class", [20, 163, 1457, 2198, 880], "classify"),
        ("X1", [119, 120, 120, 120, 118], "classify"),
        ("X1", [20, 163, 1457, 880, 20], "regress"),
        ("X1", [2198, 1457, 163, 20, 5], "classify"),
        ("code", [50] * 30, "classify"),
        ("X1", [50] * 30, "regress"),
    ],
)
def test_whole_numbers_are_classes_or_a_measure_by_name_and_shape(name: str, counts: list[int], task: str) -> None:
    cells = [str(number + 3) for number, count in enumerate(counts) for _ in range(count)]
    guessed, guess = choose_task(pd.Series(cells, dtype="str", name=name), None)
    assert guessed == task
    assert guess is not None
    assert "whole numbers" in guess.what or "different numbers" in guess.what


def test_a_target_with_a_notation_is_a_number() -> None:
    prices = [f"${number * 37:,}" for number in range(1, ROWS + 1)]
    assert choose_task(pd.Series(prices, name="cost"), None)[0] == "regress"
    schema = schema_of(prices, "regress")
    assert (schema.unit, schema.grouped) == ("$", True)
    assert conform_target(["$1,234", 5, "7"], Schema.from_json(schema.to_json())).tolist() == [1234, 5, 7]


def test_classes_in_quotes_keep_their_spelling_and_take_labels_without() -> None:
    schema = schema_of(repeated("'-1'", "'1'"), "classify")
    assert schema.classes == ("'-1'", "'1'")
    assert conform_target(["'1'", "-1", 1, None], schema).tolist() == [1, 0, 1, -1]


def test_a_class_may_be_called_unknown() -> None:
    assert schema_of(repeated("a", "unknown", "-"), "classify").classes == ("-", "a", "unknown")


def test_a_long_table_has_the_schema_of_its_columns() -> None:
    rows = 60_000
    frame = pd.DataFrame({f"c{number}": np.arange(rows) % (number + 2) for number in range(20)}).astype("str")
    schema = infer_schema(Table(frame), "c0", "classify")
    assert schema.columns == tuple(infer_column(name, frame[name], None, HERE) for name in frame.columns[1:])


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(OptionError, match="no task 'cluster'"):
        choose_task(pd.Series([1, 2]), "cluster")


def test_the_target_is_taken_by_name_else_last_and_said() -> None:
    by_name = Table(pd.DataFrame({"Label": [1], "x": [2]}))
    last = Table(pd.DataFrame({"x": [2], "outcome": [1]}))
    assert choose_target(by_name, None)[0] == "Label"
    name, guess = choose_target(last, None)
    assert name == "outcome"
    assert guess is not None
    assert "the last column" in guess.what
    assert choose_target(last, "x") == ("x", None)
    with pytest.raises(TargetError, match=r"no column 'Outcome'.*Did you mean 'outcome'\?"):
        choose_target(last, "Outcome")
    with pytest.raises(TargetError, match="one column only"):
        choose_target(Table(pd.DataFrame({"x": [1]})), None)


@pytest.mark.parametrize(
    ("target", "task", "words"),
    [
        (repeated("", None), "classify", "are missing"),
        (repeated("", None), "regress", "are missing"),
        (repeated("x"), "classify", "one class only: 'x'"),
        (list(range(ROWS)), "classify", "--task regress"),
        (repeated("a", "b"), "regress", "--task classify"),
        ([*range(ROWS), "twelve"], "regress", "not a number in 1 of"),
        ([f"order {row}" for row in range(ROWS)], "classify", "classes in"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(target: list[object], task: str, words: str) -> None:
    with pytest.raises(TargetError) as refused:
        schema_of(target, task)
    assert words in str(refused.value)
    assert "'goal'" in str(refused.value)


def column_of(cells: Sequence[Any], name: str = "column", kind: str | None = None) -> Column:
    """The column, which must be the same from a list and from the text columns that a CSV reader gives."""
    column = infer_column(name, cells, kind, HERE)
    if all(isinstance(cell, str) for cell in cells):
        assert infer_column(name, pd.Series(cells, dtype="str"), kind, HERE) == column
    return column


def many(write: Callable[[int], str], rows: int = 600) -> list[str]:
    return [write(number) for number in np.random.default_rng(0).integers(1, 5000, rows).tolist()]


@pytest.mark.parametrize(
    ("cells", "unit", "grouped"),
    [
        (many(lambda number: f"{number:,}"), "", True),
        (many(lambda number: f"({number:,})" if number % 2 else f"{number:,}"), "", True),
        (many(lambda number: f"${number:,}.50"), "$", True),
        (many(lambda number: f"{number / 100} €"), "€", False),
        (many(lambda number: f"{number % 100}%"), "%", False),
        (many(lambda number: f"{number} CC" if number % 20 else f"{number}"), "CC", False),
        (many(lambda number: f"{number} sq ft"), "sq ft", False),
        (many(lambda number: f"{number}Nm@ 1740rpm" if number % 20 else f"{number} kgm at 17rpm"), "Nm", False),
    ],
)
def test_numbers_with_a_notation(cells: list[str], unit: str, grouped: bool) -> None:
    column = column_of(cells)
    assert (column.kind, column.unit, column.grouped) == ("number", unit, grouped)
    odd = sum("kgm" in cell for cell in cells)
    assert (f"{odd} cells are in another form" in column.reason) == (odd > 0)


@pytest.mark.parametrize(
    "cells",
    [
        repeated("2WD", "4WD"),
        repeated("1st", "2nd", "3rd"),
        repeated("10+ years", "< 1 year", "2 years"),
        repeated("city_103", "city_40", "city_7"),
        repeated("2-10", "11-100", "1"),
        repeated("1.2.3", "10.0.1", "2.3.15"),
        repeated("25/12/2024", "12/25/2024"),
    ],
)
def test_names_with_digits_are_levels(cells: list[str]) -> None:
    assert column_of(cells).kind == "category"


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (repeated("9/30/1990 0:00:00", "11/1/1993 0:00:00"), ("%m/%d/%Y %H:%M:%S",)),
        (repeated("1/5/2024 3:04 PM", "1/15/2024 11:59 am"), ("%m/%d/%Y %I:%M %p",)),
        (repeated("5 Mar 2024", "12 May 2021"), ("%d %b %Y",)),
        (repeated("January 5, 2024", "March 12, 2021"), ("%B %d, %Y",)),
        (repeated("05-Mar-21", "12-Apr-22"), ("%d-%b-%y",)),
        (repeated("2024/1/5", "2024/12/31"), ("%Y/%m/%d",)),
        (repeated("01.02.2024", "03.04.2024"), ("%d.%m.%Y",)),
        (repeated("1066-10-14", "0001-01-01", "9999-12-31"), ()),
        (repeated("2024-01-05T10:00:00+02:00", "2024-01-05T10:00:00Z"), ()),
        (["2024-01-05"] * 3000 + ["5 May 2024"], ("%Y-%m-%d", "%d %b %Y")),
        (["01/02/2024"] * 3000 + ["25/12/2024"], ("%d/%m/%Y",)),
        (repeated("10:30", "23:59"), ("%H:%M",)),
    ],
)
def test_dates_of_any_common_form(cells: list[str], formats: tuple[str, ...]) -> None:
    column = column_of(cells)
    assert (column.kind, column.formats) == ("datetime", formats)
    rows = conform({"column": cells}, Schema((column,), "y", "regress"))
    assert np.isfinite(rows["column"]).all()


def test_several_forms_of_dates_in_one_column_never_swap_day_and_month() -> None:
    cells = repeated("2024-01-05", "05/20/2024", "3 March 2020", "04/03/2020 10:00")
    column = column_of(cells)
    assert set(column.formats) == {"%Y-%m-%d", "%m/%d/%Y", "%d %B %Y", "%m/%d/%Y %H:%M"}
    assert "month first" in column_of(repeated("01/02/2024", "03/04/2024")).reason


def test_whole_numbers_are_dates_only_when_all_are() -> None:
    days = [f"2024{1 + day % 12:02d}{1 + day % 28:02d}" for day in range(200)]
    assert column_of(days).formats == ("%Y%m%d",)
    assert infer_column("x", [int(day) for day in days], None, HERE).kind == "datetime"
    assert column_of([*days, "20241301"]).kind == "number"
    assert column_of(repeated("20240101", "20240102")).kind == "number"
    assert column_of(repeated("20240101", "20240102"), "start_date").kind == "datetime"
    seconds = many(lambda number: str(1_600_000_000 + number))
    assert column_of(seconds).kind == "number"
    assert column_of(seconds, kind="datetime").formats == ("epoch",)
    assert column_of([f"{second}000" for second in seconds], kind="datetime").formats == ("epoch ms",)


def test_codes_with_leading_zeros_stay_codes() -> None:
    codes = column_of(many(lambda number: f"{number % 40 + 480:05d}"))
    assert codes.kind == "category"
    assert all(level.startswith("00") for level in codes.levels)
    assert column_of(many(lambda number: f"{number % 12 + 1:02d}")).kind == "number"
    assert column_of(many(lambda number: f"0.{number}")).kind == "number"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("customerID", "identifier"),
        ("PassengerId", "identifier"),
        ("enrollee_id", "identifier"),
        ("PID", "identifier"),
        ("Unnamed: 0", "identifier"),
        ("order_no", "identifier"),
        ("paid", ""),
        ("humidity", ""),
        ("number_of_visits", ""),
    ],
)
def test_whole_numbers_that_all_differ_are_identifiers_by_name(name: str, reason: str) -> None:
    numbers = np.random.default_rng(1).permutation(90_000)[:500].tolist()
    column = infer_column(name, numbers, None, HERE)
    assert (column.kind == "ignored", reason in column.reason) == (bool(reason), True)


def test_row_numbers_in_any_order_and_names_of_all_rows_are_ignored() -> None:
    order = np.random.default_rng(1).permutation(500)
    assert infer_column("instant", (order + 1).tolist(), None, HERE).reason == "a row number"
    assert infer_column("who", [f"Jo{number} Doe" for number in order], None, HERE).reason.startswith("an identifier")
    assert infer_column("x", np.random.default_rng(1).normal(size=500), None, HERE).kind == "number"


def test_rare_levels_share_one_code_where_there_are_many_rows() -> None:
    cells = ["a"] * 300 + ["b"] * 300 + ["c"] * 4 + ["d"]
    column = column_of(cells)
    assert (column.levels, column.other, column.codes) == (("a", "b"), True, 3)
    assert "2 rare levels" in column.reason
    few = column_of([*cells[298:302], "c"])
    assert (few.other, few.codes) == (False, 3)
    wide = column_of([f"level {number % 1200}" for number in range(12_000)])
    assert (len(wide.levels), wide.other) == (1000, True)


def test_levels_that_are_all_rare_still_tell_who_has_one() -> None:
    cabins = column_of([f"C{number // 7 % 34}" if number % 7 == 0 else "" for number in range(700)])
    assert (cabins.kind, cabins.nullable, cabins.levels, cabins.codes) == ("category", True, (), 1)


def test_lists_in_cells_are_read_as_text_and_said() -> None:
    rng = np.random.default_rng(0)
    genres = [";".join(f"g{genre}" for genre in rng.integers(0, 12, 3)) for _ in range(600)]
    assert (column_of(genres).kind, column_of(genres).reason) == ("text", "lists in the cells, read as text")
    pairs = [[int(a), int(b)] for a, b in rng.integers(0, 99, (600, 2))]
    assert infer_column("x", pairs, None, HERE).kind == "text"
    assert "lists" in column_of(repeated('["a", "b"]', "[]")).reason
    unspaced = ["".join(chr(0x4E00 + int(sign)) for sign in rng.integers(0, 3000, 30)) for _ in range(100)]
    assert column_of(unspaced).kind == "text"


def test_truths_in_many_words() -> None:
    assert column_of(repeated("Yes", "no", "NO", "TRUE", "false")).kind == "boolean"
    assert column_of(repeated("ja", "nein")).levels == ("nein", "ja")
    assert column_of(repeated("y", "n", "t", "f")).kind == "category"


def test_doubtful_words_are_missing_in_features() -> None:
    numbers = column_of(repeated("1", "2", "-", "unknown"))
    assert (numbers.kind, numbers.nullable, numbers.reason) == ("number", True, "")
    assert column_of(repeated("red", "blue", "Unknown")).levels == ("red", "blue")


def test_kinds_can_be_fixed() -> None:
    table = Table(
        pd.DataFrame({"zip": repeated("01", "02", "03"), "note": repeated("p", "q"), "y": repeated("a", "b")})
    )
    schema = infer_schema(table, "y", "classify", {"zip": "category", "note": "ignored"})
    assert schema.column("zip").levels == ("01", "02", "03")
    assert schema.column("note").reason == "as asked"
    with pytest.raises(OptionError, match=r"no column 'zap'.*'zip'"):
        infer_schema(table, "y", "classify", {"zap": "category"})
    with pytest.raises(OptionError, match="no column type 'colour'"):
        infer_schema(table, "y", "classify", {"zip": "colour"})
    with pytest.raises(DataError, match="No column is usable"):
        infer_schema(table, "y", "classify", {"zip": "ignored", "note": "datetime"})


def test_compact_dates_with_holes_as_a_float_column_writes_them() -> None:
    days = [f"2024{1 + day % 12:02d}{1 + day % 28:02d}.0" for day in range(200)]
    column = column_of([*days, ""])
    assert (column.kind, column.formats, column.nullable) == ("datetime", ("%Y%m%d",), True)
    whole = column_of([day.removesuffix(".0") for day in days])
    assert (column.minimum, column.maximum) == (whole.minimum, whole.maximum)


@pytest.mark.parametrize("kind", [None, "datetime"])
def test_numbers_in_the_range_of_dates_that_are_written_as_none(kind: str | None) -> None:
    days = [f"2.024{1 + day % 12:02d}{1 + day % 28:02d}e7" for day in range(200)]
    assert column_of(days, "day", kind).kind == ("ignored" if kind else "number")


def test_one_bad_date_does_not_make_seconds_of_the_others() -> None:
    days = [f"2020{1 + day % 12:02d}{1 + day % 28:02d}" for day in range(299)]
    column = column_of([*days, "20230230"], "when", "datetime")
    assert column.formats == ("%Y%m%d",)
    assert "1 cell is no date" in column.reason
    seconds = [str(20_000_000 + 997 * number) for number in range(300)]
    assert column_of(seconds, "when", "datetime").formats == ("epoch",)


def test_long_digits_are_no_amounts() -> None:
    random = np.random.default_rng(0)
    cells = ["".join(map(str, random.integers(0, 2, 8_000))) + "b" for _ in range(ROWS)]
    assert column_of(cells).kind != "number"


def test_spans_of_time_are_seconds() -> None:
    cells = [timedelta(minutes=int(number)) for number in np.random.default_rng(0).integers(1, 500, 300)]
    seconds = [cell.total_seconds() for cell in cells]
    for spans in (cells, pd.Series([*cells, None]), np.array(cells, "timedelta64[ns]"), table_of_polars(cells)):
        column = infer_column("took", spans, None, HERE)
        assert (column.kind, column.minimum, column.maximum) == ("number", min(seconds), max(seconds))
        rows = conform({"took": spans}, Schema((column,), "y", "regress"))
        assert rows["took"][: len(cells)].tolist() == seconds


def test_times_of_day_are_read_as_their_text() -> None:
    cells = repeated(time(10, 30), time(23, 59, 5), time(7))
    spoken = infer_column("at", [str(cell) for cell in cells], None, HERE)
    for times in (cells, table_of_polars(cells)):
        assert infer_column("at", times, None, HERE) == spoken
        rows = conform({"at": times}, Schema((spoken,), "y", "regress"))
        assert np.isfinite(rows["at"]).all()


def table_of_polars(cells: list[Any]) -> Any:
    import polars

    return table_of(polars.DataFrame({"cells": cells})).frame["cells"]


def test_bytes_that_are_no_pictures_are_ignored() -> None:
    column = infer_column("blob", [b"abc%d" % number for number in range(ROWS)], None, HERE)
    assert (column.kind, column.reason) == ("ignored", "binary data")
    assert kind_of([*repeated(b"BMW of a kind", b"abc"), b"GIF89a..."]) == "image"
    assert infer_column("blob", repeated(b"a", b"b"), "image", HERE).kind == "image"


def test_the_target_has_a_task_and_no_kind() -> None:
    table = Table(pd.DataFrame({"a": repeated("1", "2", "3"), "b": repeated("x", "y")}), HERE)
    with pytest.raises(OptionError, match=r"cannot be given a type.*--task"):
        infer_schema(table, "b", "classify", {"b": "category"})
    file = SchemaFile(target="a", kinds={"b": "category"}).overruled_by(SchemaFile(target="b"))
    assert infer_schema(table, "b", "classify", file.kinds).target == "b"
