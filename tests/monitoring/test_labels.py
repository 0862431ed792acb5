"""`automl label`: labels join by id or by key, wrong ones are refused before anything is written."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from automl.cli import build_app
from automl.data.dataset import conform_target
from automl.data.schema import Schema
from automl.errors import AutoMLError, DataError, TargetError
from automl.store import KeyLabel, Store
from automl_monitoring.commands.label import source_of
from automl_monitoring.labels import read_key_labels, read_labels
from tests.monitoring.conftest import Log

CLASSIFY = Schema((), "Churn", "classify", ("No", "Yes"))
REGRESS = Schema((), "price", "regress")


def test_columns_are_found_by_any_of_their_names() -> None:
    wanted = [("a", "Yes"), ("b", "No")]
    for identifier, label in [("id", "label"), ("prediction_id", "Churn"), ("ID", "truth")]:
        assert read_labels(pd.DataFrame({identifier: ["a", "b"], label: ["Yes", "No"]}), CLASSIFY) == wanted
    assert read_labels(pd.DataFrame({"id": ["a", "b"], "Churn": ["Yes", ""]}), CLASSIFY) == wanted[:1]
    assert read_labels(pd.DataFrame({"id": ["a"], "price": [2.0]}), REGRESS) == [("a", "2")]


def test_labels_are_stored_as_a_target_with_decimal_commas_is_read() -> None:
    schema = Schema((), "price", "regress", comma=True)
    texts = pd.DataFrame({"id": ["a", "b"], "price": ["1.579,1", "2.000"]})
    stored = read_labels(texts, schema) + read_labels(pd.DataFrame({"id": ["c"], "price": [2.125]}), schema)
    assert conform_target([label for _, label in stored], schema).tolist() == [1579.1, 2000, 2.125]
    with pytest.raises(TargetError, match="Row 1"):
        read_labels(pd.DataFrame({"id": ["a"], "price": ["1,579.1"]}), schema)


@pytest.mark.parametrize(
    ("columns", "schema", "error", "said"),
    [
        ({"key": ["a"], "label": ["Yes"]}, CLASSIFY, DataError, "id or prediction_id"),
        ({"id": ["a"], "x": ["Yes"], "y": ["No"]}, CLASSIFY, DataError, "label or Churn"),
        ({"id": ["a", "b"], "label": ["Yes", "Yess"]}, CLASSIFY, TargetError, "Row 2"),
        ({"id": ["a"], "label": ["cheap"]}, REGRESS, TargetError, "Row 1"),
        ({"id": [""], "label": ["Yes"]}, CLASSIFY, DataError, "Row 1"),
        ({"id": ["a"], "label": [""]}, CLASSIFY, DataError, "no label"),
    ],
)
def test_what_cannot_be_used_is_refused(
    columns: dict[str, list[str]], schema: Schema, error: type[AutoMLError], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_labels(pd.DataFrame(columns), schema)


def test_the_command_joins_corrects_and_refuses(
    store: Store, traffic: pd.DataFrame, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = log(store, traffic.head(5))
    table = tmp_path / "labels.csv"

    def label(labels: dict[str, str]) -> dict[str, object]:
        table.write_text("id,Churn\n" + "".join(f"{key},{value}\n" for key, value in labels.items()))
        build_app()(["label", "churn", str(table), "--store", str(store.folder), "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    first = label({ids[0]: "Yes", ids[1]: "No", "nobody": "No"})
    assert (first["added"], first["unknown"]) == (2, ["nobody"])
    assert label({ids[0]: "Yes", ids[1]: "No"})["unchanged"] == 2
    assert label({ids[0]: "No"})["corrected"] == 1
    with pytest.raises(TargetError, match="Row 2"):
        label({ids[2]: "Yes", ids[3]: "Perhaps"})
    assert store.log.count("churn", labelled_only=True) == 2


def test_contradictions_and_strangers_are_refused(
    store: Store, traffic: pd.DataFrame, log: Log, tmp_path: Path
) -> None:
    ids = log(store, traffic.head(2))
    for rows, words in (
        ([(ids[0], "Yes"), (ids[0], "No")], "two different labels"),
        ([("nobody", "Yes"), ("no one", "No")], "None of the 2 ids"),
    ):
        table = tmp_path / "labels.csv"
        table.write_text("id,label\n" + "".join(f"{key},{value}\n" for key, value in rows))
        with pytest.raises(DataError, match=words):
            build_app()(["label", "churn", str(table), "--store", str(store.folder)], standalone_mode=False)
    assert store.log.count("churn", labelled_only=True) == 0


def test_keys_are_read_with_their_times() -> None:
    table = pd.DataFrame(
        {"Customer": ["a", " b ", 7, "a", ""], "time": ["2026-03-29 02:30", "", "2026-01-01T00:00:00+02:00", "", ""]}
    ).assign(Churn=["Yes", "No", "No", "No", ""])
    assert read_key_labels(table, CLASSIFY, "customer") == [
        KeyLabel("a", "Yes", datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
        KeyLabel("b", "No"),
        KeyLabel("7", "No", datetime(2025, 12, 31, 22, tzinfo=UTC)),
        KeyLabel("a", "No"),
    ]
    assert read_key_labels(pd.DataFrame({"key": [12.0, 13.0], "price": [1, 2]}), REGRESS, "key")[0].key == "12"


@pytest.mark.parametrize(
    ("columns", "by", "said"),
    [
        ({"id": ["a"], "label": ["Yes"]}, "customer", "no column 'customer'"),
        ({"key": ["a", ""], "label": ["Yes", "No"]}, "key", "Row 2 has a label but no key"),
        ({"key": ["a", "a"], "label": ["Yes", "No"]}, "key", "two different labels"),
        ({"key": ["a"], "label": ["Yes"], "time": ["soon"]}, "key", "Row 1: the time 'soon'"),
        ({"key": ["a"], "label": [""]}, "key", "no label"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(columns: dict[str, list[str]], by: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_key_labels(pd.DataFrame(columns), CLASSIFY, by)


def test_labels_by_key_from_a_table_of_a_database(
    store: Store, traffic: pd.DataFrame, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(store, traffic.head(4))
    rows = [replace(entry, id=f"k{place}", key=f"c{place}") for place, entry in enumerate(store.log.newest("churn", 4))]
    store.log.write(rows)
    crm = sqlite3.connect(tmp_path / "crm.db")
    pd.DataFrame({"customer": ["c0", "c1", "gone"], "left": ["Yes", "No", "No"]}).to_sql("truth", crm, index=False)
    crm.close()
    address = f"sqlite:///{tmp_path / 'crm.db'}"
    words = ["label", "churn", address, "--by", "customer", "--store", str(store.folder), "--json"]
    query = ["--query", 'SELECT customer, "left" AS label FROM truth']
    for added, unchanged in ((2, 0), (0, 2)):
        build_app()([*words, *query], standalone_mode=False)
        told = json.loads(capsys.readouterr().out)
        assert (told["added"], told["unchanged"], told["unknown"]) == (added, unchanged, ["gone"])
    labelled = store.log.newest("churn", 99, labelled_only=True)
    assert {entry.key: entry.label for entry in labelled} == {"c0": "Yes", "c1": "No"}
    assert labelled[0].label_source == f"table {address}"
    with pytest.raises(DataError, match="None of the 1 keys"):
        build_app()([*words, "--query", "SELECT 'x' AS customer, 'No' AS label"], standalone_mode=False)


def test_where_labels_came_from_holds_no_secret_and_never_looks_like_http() -> None:
    assert source_of("postgresql://me:secret@host/base") == "table postgresql://host/base"
    assert source_of("http://me:secret@host/labels.csv?token=1") == "file http://host/labels.csv"
    assert source_of("folder/labels.csv") == "file labels.csv"
