"""From raw columns to a schema: kinds, target, task, classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.cells import is_missing
from automl.data.inference import choose_target, choose_task, infer_column, infer_schema
from automl.data.reading import Table
from automl.data.schema import Schema
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
    assert guess.overrule == f"--task {'regress' if task == 'classify' else 'classify'}"
    assert choose_task(series, task) == (task, None)


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
