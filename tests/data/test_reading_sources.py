"""Sources that are not one plain file: frames, databases, addresses, patterns, workbooks; and what is larger than
memory."""

from __future__ import annotations

import functools
import http.server
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.memory import Sample, available_memory
from automl.data.reading import Table, Wanted, table_of
from automl.errors import DataError, OptionError, SourceError
from automl.hooks import read_source

from ..workbooks import xlsx

ROWS = 20_000


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """An SQLite file with two tables."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table sales (item text, price real)")
        connection.executemany("insert into sales values (?, ?)", [("a", 1.5), ("b", None), (None, 3.0)])
        connection.execute("create table items (item text)")
    connection.close()
    return path


@pytest.fixture
def numbers(tmp_path: Path) -> pd.DataFrame:
    """Rows that know their position."""
    return pd.DataFrame({"row": np.arange(ROWS), "half": np.arange(ROWS) / 2, "name": [f"n{i}" for i in range(ROWS)]})


# frames


def test_a_pandas_frame_is_a_table_and_its_named_index_a_column() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 9], name="key"))
    assert table_of(frame).frame.to_dict("list") == {"key": [7, 9], "a": [1, 2]}
    assert table_of(frame.reset_index(drop=True)[::-1]).frame.to_dict("index") == {0: {"a": 2}, 1: {"a": 1}}
    assert frame.index.name == "key"


def test_a_polars_frame_is_a_table() -> None:
    import polars

    table = table_of(polars.DataFrame({"a": [1, None], "b": ["x", None], "c": [True, False]}))
    assert table.frame["b"].tolist()[0] == "x"
    assert table.frame["b"].isna().tolist() == [False, True]
    assert table.frame["a"].isna().tolist() == [False, True]
    assert table.frame["c"].tolist() == [True, False]


@pytest.mark.parametrize("thing", [[1, 2], {"a": [1]}, np.zeros((2, 2)), None, pd.Series([1])])
def test_what_is_no_frame_is_refused(thing: object) -> None:
    with pytest.raises(DataError, match="is not a table that can be read"):
        table_of(thing)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        table_of(pd.DataFrame({"a": []}))
    with pytest.raises(DataError, match="no columns"):
        table_of(pd.DataFrame())


# databases


def test_a_table_or_a_query_of_an_sqlite_file(sales: Path) -> None:
    table = read_source(sales, Wanted(table="sales"))
    assert table.name == "shop"
    assert table.frame["price"].tolist()[::2] == [1.5, 3.0]
    assert table.frame["item"].isna().tolist() == [False, False, True]
    query = Wanted(query="select item as \"i:j\", price * 2 as twice from sales where item like 'a%'")
    assert read_source(sales, query).frame.to_dict("list") == {"i:j": ["a"], "twice": [3.0]}


def test_an_address_of_a_database_is_read_alike(sales: Path) -> None:
    table = read_source(f"sqlite:///{sales}", Wanted(table="sales"))
    assert table.frame["price"].tolist()[::2] == [1.5, 3.0]
    assert table.name == "sales"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(), "holds 2 tables: items, sales. Choose one with --table NAME."),
        (Wanted(table="sale"), "no table 'sale' in .*Did you mean 'sales'"),
        (Wanted(table="items"), "header .1 columns. but no rows"),
        (Wanted(query="select * frm sales"), 'cannot be read: near "frm": syntax error. Is the query right'),
        (Wanted(query="select price, price from sales"), "two columns called 'price'.*AS"),
        (Wanted(query="delete from sales"), "readonly database"),
        (Wanted(query="select 1; drop table sales"), "one statement at a time"),
        (Wanted(query="pragma user_version = 3"), "readonly|no rows"),
    ],
)
def test_what_a_database_refuses(sales: Path, wanted: Wanted, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_source(sales, wanted)
    with sqlite3.connect(sales) as connection:
        assert connection.execute("select count(*) from sales").fetchone() == (3,)
    connection.close()


def test_a_password_is_never_shown() -> None:
    for address in (
        "nosuch://me:geheim@host/base",
        "mysql+nosuch://me:geheim@host/base",
        "http://me:geheim@127.0.0.1:9/x",
    ):
        with pytest.raises(SourceError) as refused:
            read_source(address)
        assert "geheim" not in str(refused.value)
        assert "\n" not in str(refused.value)


# addresses


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server of the folder `tmp_path / "web"`."""
    (tmp_path / "web").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()
        thread.join()


def test_a_file_is_read_from_a_web_server(server: str, tmp_path: Path, churn_csv: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "web" / "my churn.csv").write_bytes(churn_csv.read_bytes())
    table = read_source(f"{server}/my%20churn.csv?key=secret")
    assert table.frame.equals(read_source(churn_csv).frame)
    assert table.name == "my_churn"
    assert table.base == Path()
    with pytest.raises(
        SourceError, match=r"127.0.0.1:\d+/none.csv cannot be read: .*not be found|404|FileNotFound"
    ) as refused:
        read_source(f"{server}/none.csv?key=secret")
    assert "secret" not in str(refused.value)
    (tmp_path / "web" / "bad.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(SourceError, match=r"^http://127.0.0.1:\d+/bad.csv is not a table .* line 2"):
        read_source(f"{server}/bad.csv")


def test_what_fsspec_knows_is_read() -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://data/t.csv", "wb") as file:
        file.write(b"a,b\n1,2\n")
    assert read_source("memory://data/t.csv").frame.to_dict("list") == {"a": ["1"], "b": ["2"]}
    with pytest.raises(SourceError, match=r"cannot be read: .*nosuch"):
        read_source("nosuch://data/t.csv")


# patterns


def test_files_of_one_shape_are_stacked_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "part-2.csv").write_text("b;a\n4;3\n")
    (tmp_path / "part-1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "part-3.csv.gz").write_bytes(b"")
    table = read_source(tmp_path / "part-*.csv")
    assert table.frame.to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}
    assert table.notes == ("2 files were read as one table",)
    (tmp_path / "part-3.csv").write_text("a,c\n1,2\n")
    with pytest.raises(
        SourceError, match=r"part-3.csv has other columns than .*part-1.csv: it lacks 'b' and it has 'c'"
    ):
        read_source(f"{tmp_path}/part-*.csv")
    with pytest.raises(SourceError, match=r"No file matches .*prat"):
        read_source(f"{tmp_path}/prat-*.csv")


def test_a_file_with_a_star_in_its_name_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text("a,b\n1,2\n")
    assert read_source(tmp_path / "a[1].csv").frame.shape == (1, 2)


# workbooks


def test_a_sheet_is_chosen_and_the_others_are_said(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(xlsx({"empty": [], "one": [["a", "b"], [1, "x"]], "two": [["c"], [True]]}))
    first = read_source(path)
    assert first.frame.to_dict("list") == {"a": [1.0], "b": ["x"]}
    assert first.notes == ("sheet 'one' was read, not 'empty', 'two'; to change it: --sheet NAME",)
    second = read_source(path, Wanted(sheet="two"))
    assert second.frame.to_dict("list") == {"c": [True]}
    assert second.notes == ()
    with pytest.raises(SourceError, match=r"no sheet 'tow' in .* Did you mean 'two'\?"):
        read_source(path, Wanted(sheet="tow"))


# larger than memory


def check_sample(table: Table) -> None:
    """A part of the rows, in order, from all over the table; and said."""
    rows = table.frame["row"].astype(float).to_numpy()
    assert 200 < len(rows) <= ROWS / 2
    assert (np.diff(rows) > 0).all()
    assert abs(rows.mean() - ROWS / 2) < 6 * ROWS / np.sqrt(12 * len(rows))
    assert (table.frame["half"].astype(float) * 2 == rows).all()
    assert table.notes == (
        f"the table is larger than memory allows: {len(rows):,} of its {ROWS:,} rows were drawn at random",
    )


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".feather", ".jsonl", ".db", ".ragged.csv"])
def test_a_table_larger_than_memory_is_sampled(
    tmp_path: Path, numbers: pd.DataFrame, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"numbers{ending}"
    if ending.startswith(".csv") or ending == ".ragged.csv":
        numbers.to_csv(path, index=False)
    elif ending == ".parquet":
        numbers.to_parquet(path, row_group_size=1000)
    elif ending == ".feather":
        numbers.to_feather(path, chunksize=1000)
    elif ending == ".jsonl":
        numbers.to_json(path, orient="records", lines=True)
    else:
        with sqlite3.connect(path) as connection:
            numbers.to_sql("numbers", connection, index=False)
        connection.close()
    if ending == ".ragged.csv":
        path.write_text(path.read_text() + f"{ROWS}\n")
    whole = read_source(path)
    assert len(whole.frame) == ROWS + (ending == ".ragged.csv")
    monkeypatch.setenv("AUTOML_MEMORY", "1.2MB")
    if ending == ".ragged.csv":
        assert len(read_source(path).frame) < ROWS / 2
        return
    sampled = read_source(path)
    check_sample(sampled)
    assert sampled.frame.equals(read_source(path).frame)


def test_every_row_has_the_same_chance_to_be_sampled() -> None:
    sample = Sample(most=20_000)
    for start in range(0, 50_000, 1000):
        sample.add(pd.DataFrame({"row": np.arange(start, start + 1000)}))
    rows = sample.result()[0]["row"].to_numpy()
    counts = np.histogram(rows, bins=10, range=(0, 50_000))[0]
    expected = len(rows) / 10
    assert ((counts - expected) ** 2 / expected).sum() < 33.7  # chi-square, 9 degrees of freedom, p = 0.0001


def test_the_memory_asked_for_is_believed_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_MEMORY", "1.5GB")
    assert available_memory() == 1_500_000_000
    monkeypatch.setenv("AUTOML_MEMORY", "much")
    with pytest.raises(OptionError, match="AUTOML_MEMORY=much is no amount"):
        available_memory()
    monkeypatch.delenv("AUTOML_MEMORY")
    assert available_memory() > 10**7
