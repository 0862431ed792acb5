"""Conforming rows: alone or in company, typed or as text, a row becomes the same arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.dataset import Rows, conform, conform_target, copies_of, present
from automl.data.schema import Column, Schema
from automl.errors import DataError, TargetError

COLUMNS = (
    Column("number", "number"),
    Column("truth", "boolean", levels=("nope", "yep")),
    Column("level", "category", levels=("1", "b", "True")),
    Column("moment", "datetime", formats=("%d.%m.%Y",)),
    Column("words", "text"),
    Column("photo", "image"),
    Column("nothing", "ignored"),
)
SCHEMA = Schema(COLUMNS, "goal", "classify", ("no", "yes"))
NAMES = [column.name for column in SCHEMA.used]

cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["1", "1.0", "b", "yep", "NOPE", "31.12.2024", "2024-12-31", "nan", "?"]),
    st.dates(),
    st.lists(st.integers(), max_size=2),
)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, cells)), min_size=1, max_size=6)


def in_columns(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in NAMES}


def same(one: Rows, other: Rows) -> bool:
    return all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in NAMES)


@given(rows)
def test_a_row_conforms_alone_as_in_company(records: list[dict[str, Any]]) -> None:
    whole = conform(in_columns(records), SCHEMA, Path("/base"))
    for position, record in enumerate(records):
        alone = conform(in_columns([record]), SCHEMA, Path("/base"))
        assert same(alone, whole.take(np.array([position])))


@given(rows)
def test_a_data_frame_conforms_as_its_lists(records: list[dict[str, Any]]) -> None:
    lists = in_columns(records)
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in lists.items()})
    assert same(conform(lists, SCHEMA), conform(frame, SCHEMA))


def test_what_each_kind_becomes() -> None:
    made = conform(
        {
            "number": ["1", 2.5, "x", None],
            "truth": ["YEP", "nope", 1, "maybe"],
            "level": [1.0, "b", True, "new"],
            "moment": ["01.01.1970", "1970-01-02", "soon", ""],
            "words": [" a ", 3, None, "NA"],
            "photo": ["x.png", b"raw", None, "/abs.png"],
            "further": [1, 2, 3, 4],
        },
        SCHEMA,
        Path("/base"),
    )
    np.testing.assert_array_equal(made["number"], [1, 2.5, math.nan, math.nan])
    np.testing.assert_array_equal(made["truth"], [1, 0, 1, math.nan])
    np.testing.assert_array_equal(made["level"], [0, 1, 2, -1])
    np.testing.assert_array_equal(made["moment"], [0, 86_400, math.nan, math.nan])
    assert made["words"].tolist() == ["a", "3", "", ""]
    assert made["photo"].tolist() == ["/base/x.png", b"raw", None, "/abs.png"]
    assert made["level"].dtype == np.int32
    assert {(issue.column, issue.what, issue.count) for issue in made.issues} == {
        ("number", "not a number", 1),
        ("truth", "not a boolean", 1),
        ("level", "unseen level", 1),
        ("moment", "not a datetime", 1),
    }
    assert "further" not in made.arrays
    assert "nothing" not in made.arrays


def test_an_absent_column_is_named_with_its_nearest() -> None:
    given_columns = {name: ["1"] for name in NAMES if name != "moment"} | {"momnt": ["1"]}
    with pytest.raises(DataError, match=r"Column 'moment' is missing.*'momnt'"):
        conform(given_columns, SCHEMA)


def test_an_absent_column_that_may_be_missing_is_missing_in_every_row() -> None:
    schema = Schema((Column("a", "number"), Column("b", "category", True, ("x",))), "y", "regress")
    made = conform({"a": [1, 2], "further": [3, 4]}, schema)
    assert made["b"].tolist() == [-1, -1]
    assert [(issue.column, issue.what, issue.count) for issue in made.issues] == [("b", "absent", 2)]
    with pytest.raises(DataError, match="Column 'a' is missing"):
        conform({"b": ["x"]}, schema)
    with pytest.raises(DataError, match="Column 'b' is missing"):
        conform({"a": [1, 2]}, schema, strict=True)
    hopeful = Schema((Column("b", "number", True),), "y", "regress")
    with pytest.raises(DataError, match="Column 'b' is missing"):
        conform({"c": [1]}, hopeful)


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        (Column("x", "category", levels=("a",)), ["a", "b", "b"], "2 cells.*unseen level.*'b'"),
        (Column("x", "number"), ["1", "two"], "1 cell .*not a number.*'two'"),
        (Column("x", "datetime"), ["soon", None], "1 cell .*not a datetime.*'soon'"),
    ],
)
def test_strictness_refuses_what_leniency_counts(column: Column, cells: list[Any], words: str) -> None:
    schema = Schema((column,), "y", "regress")
    assert conform({"x": cells}, schema).issues
    with pytest.raises(DataError, match=words) as refused:
        conform({"x": cells}, schema, strict=True)
    assert "Column 'x'" in str(refused.value)
    assert not conform({"x": [cells[0] if column.kind == "category" else None]}, schema, strict=True).issues


def test_rare_and_unseen_levels_share_a_code_that_strictness_lets_pass() -> None:
    schema = Schema((Column("x", "category", levels=("a", "b"), other=True),), "y", "regress")
    made = conform({"x": ["a", "new", None, "b", "-"]}, schema, strict=True)
    assert made["x"].tolist() == [0, 2, -1, 1, -1]
    assert [(issue.what, issue.count, issue.example) for issue in made.issues] == [("rare or unseen level", 1, "new")]


def test_levels_that_are_numbers_are_met_by_numbers_of_any_type() -> None:
    plain = Schema((Column("x", "category", levels=("1", "2")),), "y", "regress")
    ways: list[Any] = [
        [1, 2],
        [1.0, 2.0],
        ["1", "2"],
        ["1.0", "2.0"],
        ["01", " 2.00"],
        np.array([1, 2]),
        pd.Series([1.0, 2]),
    ]
    for cells in ways:
        assert conform({"x": cells}, plain)["x"].tolist() == [0, 1]
    postcodes = Schema((Column("x", "category", levels=("00501", "00502")),), "y", "regress")
    assert conform({"x": ["00501", 502, 501.0]}, postcodes)["x"].tolist() == [0, 1, 0]
    words = Schema((Column("x", "category", levels=("1", "x")),), "y", "regress")
    assert conform({"x": ["1.0", 1.0, 1, "01"]}, words)["x"].tolist() == [0, 0, 0, -1]


def test_copies_are_rows_with_the_same_cells() -> None:
    raw = {
        "number": [1, "1.0", None, "x", 2, -0.0, 0],
        "truth": ["yep"] * 7,
        "level": ["b"] * 7,
        "moment": [None] * 7,
        "words": ["w", " w ", "w", "w", "w", "w", "w"],
        "photo": [b"p"] * 7,
    }
    assert copies_of(conform(raw, SCHEMA)).tolist() == [0, 0, 2, 2, 4, 5, 5]
    raw["photo"] = ["p.png", b"p", None, "", b"q", b"q", b"q"]
    assert copies_of(conform(raw, SCHEMA)).tolist() == [0, 1, 2, 2, 4, 5, 5]


@given(rows)
def test_a_row_and_its_copy_are_equal(records: list[dict[str, Any]]) -> None:
    made = conform(in_columns([*records, *records]), SCHEMA)
    copies = copies_of(made)
    assert (copies[len(records) :] < len(records)).all()
    assert (copies <= np.arange(len(copies))).all()
    assert same(made, made.take(copies))


def test_rows_survive_their_folder(tmp_path: Path) -> None:
    plain = Schema(COLUMNS[:5], "goal", "classify", ("no", "yes"))
    made = conform({name: ["1", None] for name in NAMES}, plain)
    made.save(tmp_path / "rows")
    again = Rows.load(tmp_path / "rows")
    assert len(again) == 2
    for name, array in made.arrays.items():
        assert again[name].dtype == array.dtype
        np.testing.assert_array_equal(again[name], array)


def test_the_target_becomes_indexes_or_numbers() -> None:
    target = conform_target(["yes", " no", None, "NA"], SCHEMA)
    assert target.tolist() == [1, 0, -1, -1]
    assert present(target).tolist() == [True, True, False, False]
    number = conform_target(["1.5", 2, "", "x"], Schema((), "goal", "regress"))
    np.testing.assert_array_equal(number, [1.5, 2, math.nan, math.nan])
    assert present(number).tolist() == [True, True, False, False]
    with pytest.raises(TargetError, match="does not know: 'maybe'"):
        conform_target(["maybe"], SCHEMA)


def test_a_label_from_json_is_the_class_that_a_csv_spelt() -> None:
    floats = Schema((), "goal", "classify", ("0.0", "1.0"), "float")
    assert conform_target(["0.0", 1, 1.0, "1"], floats).tolist() == [0, 1, 1, 1]
    whole = Schema((), "goal", "classify", ("0", "1"), "int")
    assert conform_target(["0", 1.0, "1.0"], whole).tolist() == [0, 1, 1]
    codes = Schema((), "goal", "classify", ("01", "1"), "str")
    assert conform_target(["01", 1], codes).tolist() == [0, 1]
