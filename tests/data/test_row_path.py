"""A few rows are read cell by cell, many column by column: the same values, the same issues, the same refusals."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.dataset import Rows, conform
from automl.data.row_path import FEW_ROWS
from automl.data.schema import Column, Schema
from automl.errors import DataError

BASE = Path("/base")
COLUMNS = (
    Column("photo", "image", nullable=True),
    Column("number", "number"),
    Column("grouped", "number", nullable=True, grouped=True),
    Column("level", "category", levels=("1", "b", "True")),
    Column("power", "number", nullable=True, unit="bhp"),
    Column("price", "number", nullable=True, unit="$", grouped=True),
    Column("comma", "number", nullable=True, comma=True),
    Column("truth", "boolean", levels=("nope", "yep")),
    Column("moment", "datetime", nullable=True, formats=("%d.%m.%Y", "%Y%m%d")),
    Column("epoch", "datetime", nullable=True, formats=("epoch ms",)),
    Column("nothing", "ignored"),
    Column("town", "category", nullable=True, levels=("Ulm", "Bonn"), other=True),
    Column("code", "category", nullable=True, levels=("00501", "2", "-1")),
    Column("words", "text", nullable=True),
)
SCHEMA = Schema(COLUMNS, "goal", "regress")
NAMES = [column.name for column in SCHEMA.used]
ODD = [
    *(
        "1",
        "1.0",
        "b",
        " b",
        "yep",
        "NOPE",
        "31.12.2024",
        "2024-12-31T10:00:00Z",
        "20240131",
        "20240131.0",
        "Ulm",
        "ulm",
    ),
    *(
        "",
        " ",
        "nan",
        "?",
        "unknown",
        "inf",
        "-Infinity",
        "1e400",
        "1_000",
        "1,234",
        "1.234,5",
        "1.234",
        "$1,234.50",
        "(5)",
        "5 bhp",
    ),
    *("\u0661\u0662", "\x1c7", "\u00a07\u2003", "\u22127", "'-1'", "501", "a.png", "/abs.png"),
    *(None, True, False, 10**400, -0.0, float("inf"), float("nan"), 2**63, 501, 2.0, b"", b"12", b"raw"),
    *(np.float32(0.1), np.float64("nan"), np.int8(1), np.bool_(True), np.str_("b"), np.datetime64("2024-01-31")),
    *(np.datetime64("NaT"), np.timedelta64(5, "m"), np.array(1.5), np.array([1, 2]), [1, 2], {"a": 1}, ()),
    *(pd.NA, pd.NaT, pd.Timestamp("2024-01-31", tz="Europe/Berlin"), pd.Timedelta("5m"), Decimal("1.5")),
    *(Decimal("NaN"), date(2024, 1, 31), datetime(2024, 1, 31, 10, tzinfo=UTC), timedelta(hours=1), 1.7e12, 20240131),
]
cells = st.one_of(
    st.sampled_from(ODD),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.floats().map(str),
    st.text(max_size=8),
    st.dates().map(str),
)
records = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, cells)), min_size=1, max_size=5)

Told = tuple[dict[str, list[Any]], list[tuple[str, str, int, str]]]


def in_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in NAMES}


def told(made: Rows, times: int = 1) -> Told:
    """Values with their types, and issues; of rows that stand `times` times one below the other, once."""
    rows = len(made) // times
    values = {
        name: [(type(cell), None if cell != cell else cell) for cell in array[:rows]]
        for name, array in made.arrays.items()
    }
    return values, [(each.column, each.what, each.count // times, each.example) for each in made.issues]


def by_columns(rows: list[dict[str, Any]], schema: Schema = SCHEMA, strict: bool = False) -> Told:
    """The same rows so often that they are read column by column."""
    times = FEW_ROWS // len(rows) + 1
    return told(conform({name: cells * times for name, cells in in_columns(rows).items()}, schema, BASE, strict), times)


@settings(max_examples=150, deadline=None)
@given(records)
def test_few_rows_are_read_as_many(rows: list[dict[str, Any]]) -> None:
    expected = by_columns(rows)
    assert told(conform(in_columns(rows), SCHEMA, BASE)) == expected
    assert told(conform(rows, SCHEMA, BASE)) == expected
    assert list(expected[0]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_odd_cell_is_read_as_in_a_column(name: str) -> None:
    schema = Schema((SCHEMA.column(name),), "goal", "regress")
    for cell in ODD:
        expected = told(conform({name: [cell] * (FEW_ROWS + 1)}, schema, BASE), FEW_ROWS + 1)
        assert told(conform([{name: cell}], schema, BASE)) == expected, cell


@settings(max_examples=100, deadline=None)
@given(records)
def test_few_rows_are_refused_as_many(rows: list[dict[str, Any]]) -> None:
    def refusal(data: Any) -> str:
        try:
            conform(data, SCHEMA, BASE, strict=True)
        except DataError as error:
            return str(error).partition(" that the model ")[2].partition(".")[0] + str(error).split("'")[1]
        return ""

    times = FEW_ROWS // len(rows) + 1
    assert refusal(rows) == refusal({name: cells * times for name, cells in in_columns(rows).items()})


def frames() -> dict[str, Mapping[str, Any]]:
    """A table of 80 rows in every form in which pandas holds cells."""
    count = np.arange(80)
    plain = pd.DataFrame(
        {
            "number": count / 3,
            "grouped": count,
            "level": (count % 3).astype(str),
            "power": np.where(count % 5, count, -1).astype(np.float32),
            "truth": count % 2 == 0,
            "moment": pd.Timestamp("2020-01-31") + pd.to_timedelta(count, "h"),
            "epoch": count * 10**9,
            "town": np.where(count % 7, "Ulm", "Rom"),
            "code": count % 4,
            "words": [f"word {number}" for number in count],
        }
    )
    holes = plain.mask(np.asarray(count % 9 == 0)[:, None].repeat(len(plain.columns), axis=1))
    zoned = plain.assign(moment=plain["moment"].dt.tz_localize("Europe/Berlin"))
    return {
        "typed": plain,
        "with holes": holes,
        "nullable": holes.convert_dtypes(),
        "with a zone": zoned,
        "texts": plain.astype(str),
        "categories": plain.astype("category"),
        "objects": holes.astype(object),
        "arrays": {name: plain[name].to_numpy() for name in plain},
        "arrow": {name: plain.convert_dtypes(dtype_backend="pyarrow")[name] for name in plain},
    }


@pytest.mark.parametrize("form", frames())
def test_a_slice_of_a_table_is_read_as_the_table(form: str) -> None:
    table = frames()[form]
    schema = SCHEMA.ignoring({"photo": "none", "price": "none", "comma": "none"})
    whole, _ = told(conform(table, schema))
    few = {name: table[name][:20] for name in table}
    made, _ = told(conform(few, schema))
    assert made == {name: cells[:20] for name, cells in whole.items()}


def test_a_record_may_lack_what_may_be_missing() -> None:
    full = {"number": 1, "level": "b", "truth": "yep"}
    made = conform([full, {**full, "town": "Ulm", "further": 3}], SCHEMA)
    assert made["town"].tolist() == [-1, 0]
    assert list(made.arrays) == NAMES
    assert [(issue.column, issue.what, issue.count) for issue in made.issues] == [
        (name, "absent", 2) for name in NAMES if name not in (*full, "town")
    ]
    with pytest.raises(DataError, match="Column 'truth' is missing"):
        conform([{"number": 1, "level": "b"}], SCHEMA)
    with pytest.raises(DataError, match="columns are missing"):
        conform([full], SCHEMA, strict=True)


def test_columns_may_have_numbers_for_names() -> None:
    schema = Schema((Column("1", "number"), Column("2", "number")), "goal", "regress")
    assert conform([{1: 5, 2: "6"}], schema).arrays == {"1": [5.0], "2": [6.0]}


def test_no_rows_are_no_rows() -> None:
    for nothing in ([], {name: [] for name in NAMES}, pd.DataFrame(columns=NAMES)):
        made = conform(nothing, SCHEMA)
        assert len(made) == 0
        assert made["town"].dtype == np.int32


def test_a_schema_is_forgotten_with_its_owner() -> None:
    schema = Schema((Column("a", "number"),), "goal", "regress")
    conform([{"a": 1}], schema)
    gone = weakref.ref(schema)
    del schema
    gc.collect()
    assert gone() is None
