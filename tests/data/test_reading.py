"""Reading sources: whatever the file is written like, the same cells come out, or one clear refusal."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.columns import conform_column
from automl.data.dataset import conform, conform_target
from automl.data.inference import infer_column, infer_schema
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.errors import DataError, SourceError
from automl.hooks import read_source

Write = Callable[[str, bytes | str], Path]
EXPECTED = {"name": ["José", "Ann"], "age": ["31", "4"], "note": ["a,b", 'say "hi"']}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file into an empty folder and give its path."""

    def make(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def cells(path: Path) -> dict[str, list[object]]:
    return read_source(path).frame.to_dict("list")


def delimited(delimiter: str) -> str:
    rows = [["name", "age", "note"], ["José", "31", "a,b"], ["Ann", "4", 'say "hi"']]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in rows]
    return "\r\n".join(delimiter.join(row) for row in quoted) + "\r\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
def test_the_delimiter_is_found_whatever_the_ending_says(write: Write, delimiter: str, ending: str) -> None:
    assert cells(write(f"people{ending}", delimited(delimiter))) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_is_found(write: Write, encoding: str) -> None:
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    assert cells(write("people.csv", mark + delimited(",").encode(encoding))) == EXPECTED


def test_gzip_is_opened_by_its_content(write: Write) -> None:
    packed = gzip.compress(delimited(",").encode())
    assert cells(write("people.csv.gz", packed)) == EXPECTED
    assert cells(write("people.csv", packed)) == EXPECTED


def test_a_name_is_the_stem_without_any_ending(write: Write) -> None:
    assert read_source(write("people.v1.csv.gz", gzip.compress(delimited(",").encode()))).name == "people"


def test_every_cell_of_a_csv_stays_the_text_that_it_is(write: Write) -> None:
    text = "zip,flag,none\n01234,True,NA\n00099,,None\n"
    assert cells(write("raw.csv", text)) == {
        "zip": ["01234", "00099"],
        "flag": ["True", ""],
        "none": ["NA", "None"],
    }


def test_quoted_cells_hold_newlines_and_delimiters(write: Write) -> None:
    text = 'a,b\n"two\nlines, and a comma",2\n"x",3\n'
    assert cells(write("quoted.csv", text)) == {"a": ["two\nlines, and a comma", "x"], "b": ["2", "3"]}


def test_short_lines_are_filled_with_missing_cells(write: Write) -> None:
    assert cells(write("short.csv", "a,b,c\n1,2,3\n4\n")) == {"a": ["1", "4"], "b": ["2", ""], "c": ["3", ""]}


def test_names_are_stripped_and_blank_ones_named(write: Write) -> None:
    assert cells(write("index.csv", ", price \n0,9\n1,8\n")) == {"Unnamed: 0": ["0", "1"], "price": ["9", "8"]}


def test_parquet_keeps_types_and_named_indexes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]}, index=pd.Index([7, 9], name="key"))
    frame.to_parquet(tmp_path / "typed.parquet")
    read = read_source(tmp_path / "typed.parquet").frame
    assert read.columns.tolist() == ["key", "a", "b"]
    assert read["key"].tolist() == [7, 9]
    assert np.isnan(read["a"].iloc[1])


def test_json_lines_keep_every_digit_and_every_key(write: Write) -> None:
    records = [{"x": 0.3, "1": 0.12345678901234566, "s": "p\u2028q"}, {"x": 1e-7, "t": True}]
    read = cells(write("records.jsonl", "\n".join(json.dumps(each, ensure_ascii=False) for each in records)))
    assert read["x"] == [0.3, 1e-7]
    assert read["1"][0] == 0.12345678901234566
    assert read["s"][0] == "p\u2028q"
    assert read["t"][1] is True


REFUSED = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n\n", "no table"),
    "header.csv": (b"a,b,c\n", "header (3 columns) but no rows"),
    "long.csv": (b"a,b\n1,2\n1,2,3\n", "line 3"),
    "first_long.csv": (b"a,b\n1,2,3\n1,2,3\n", "line 2"),
    "open_quote.csv": (b'a,b\n"x,2\n3,4\n', "a quote opened in line 2 is never closed"),
    "binary.csv": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 9, "a PNG image"),
    "nul.csv": (b"a,b\n1,\x00\x01\x02\x03\n", "binary file"),
    "parquet.csv": (b"PAR1\x15\x04", "not a readable Parquet file"),
    "half.csv": (b"\xff\xfea\x00,", "UTF-16"),
    "cut.csv.gz": (gzip.compress(b"a,b\n1,2\n" * 50)[:-9], "damaged gzip"),
    "broken.csv.gz": (b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 40, "damaged gzip"),
    "fake.parquet": (b"PAR1 and no more", "not a readable Parquet"),
    "numbers.jsonl": (b"1\n2\n", "line 1 is no object"),
    "half.jsonl": (b'{"a": 1}\n{"a": \n', "line 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_with_its_path(write: Write, name: str) -> None:
    content, words = REFUSED[name]
    with pytest.raises(DataError) as refused:
        read_source(write(name, content))
    assert words in str(refused.value)
    assert name.split(".")[0] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_suggests_its_neighbour(write: Write) -> None:
    beside = write("telco_churn.csv", "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"There is no file .*Did you mean 'telco_churn\.csv'\?$"):
        read_source(beside.with_name("telco_chrun.csv"))
    with pytest.raises(SourceError, match=r"xyz\.$"):
        read_source(beside.with_name("xyz"))
    with pytest.raises(SourceError, match=r"folder .* does not exist either"):
        read_source(beside.parent / "nowhere" / "x.csv")


def test_an_unknown_kind_of_source_is_refused(write: Write) -> None:
    with pytest.raises(SourceError, match=r"\.docx file, which no reader takes"):
        read_source(write("letter.docx", "x"))
    with pytest.raises(SourceError, match="folder without images"):
        read_source(write("letter.docx", "x").parent)


def test_a_table_has_text_names_and_each_only_once() -> None:
    assert Table(pd.DataFrame({0: [1], 1: [2]})).frame.columns.tolist() == ["0", "1"]
    with pytest.raises(DataError, match="Two columns of data are called '1'"):
        Table(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_decimal_commas_are_read_where_the_comma_does_not_separate(write: Write) -> None:
    written = "price;size;name;when\n1.234,5;2;a,b;01.02.2020\n-3,14;10;c;02.02.2020\n;3;d;03.02.2020\n"
    table = read_source(write("prices.csv", written))
    frame = table.frame
    assert frame["price"].tolist() == ["1.234,5", "-3,14", ""]
    assert table.commas == {"price"}
    price = infer_column("price", frame["price"], None, table.base, comma=True)
    numbers, issue = conform_column(frame["price"], price, None)
    assert issue is None
    np.testing.assert_array_equal(numbers, [1234.5, -3.14, np.nan])
    assert frame["size"].tolist() == ["2", "10", "3"]
    assert frame["name"].tolist() == ["a,b", "c", "d"]
    assert frame["when"].tolist() == ["01.02.2020", "02.02.2020", "03.02.2020"]


def test_decimal_commas_are_said_and_thousands_are_left_alone(write: Write) -> None:
    assert read_source(write("prices.csv", "a;b\n1,5;2\n2,25;3\n")).notes == ("decimal commas were read in: a",)
    table = read_source(write("thousands.tsv", "a\tb\n1,234\t1,5\n12\t2,25\n"))
    assert table.frame["a"].tolist() == ["1,234", "12"]
    assert table.frame["b"].tolist() == ["1,5", "2,25"]
    assert table.commas == {"b"}
    assert table.notes == ("decimal commas were read in: b",)


def test_the_schema_alone_says_what_a_decimal_comma_is(write: Write) -> None:
    """The same cell is the same number alone, with others, from a file and from Python; also as a target."""
    rows = "".join(f"1.579,{digit};{digit}.047;{digit}\n" for digit in range(1, 10)) + "3.047;2,5;1\n"
    table = read_source(write("fit.csv", f"price;goal;size\n{rows}"))
    schema = infer_schema(table, "goal", "regress")
    assert schema.column("price").comma
    assert schema.comma
    assert schema == Schema.from_json(schema.to_json())
    assert conform_target(["2.000", "2,5", 2.5], schema).tolist() == [2000, 2.5, 2.5]

    alone = read_source(write("alone.csv", "price;size\n2.000;1\n3.000;2\n")).frame
    mixed = read_source(write("mixed.csv", "price;size\n2.000;1\n3.000,5;2\n")).frame
    assert conform(alone, schema).arrays["price"].tolist() == [2000, 3000]
    assert conform(mixed, schema).arrays["price"].tolist() == [2000, 3000.5]
    cells = ["2.000", "1.579,1", "2000,5", "2.5", "1579.1", 2.125, 2, "0.125", " +1,234 "]
    numbers = [2000, 1579.1, 2000.5, 2.5, 1579.1, 2.125, 2, 0.125, 1.234]
    given = {"price": cells, "size": [1] * len(cells)}
    assert conform(given, schema).arrays["price"].tolist() == numbers
    texts = pd.DataFrame({"price": pd.Series(cells[:5], dtype="str"), "size": 1})
    assert conform(texts, schema).arrays["price"].tolist() == numbers[:5]
    with_points = conform({"price": ["1,234.5"], "size": [1]}, schema)
    assert [issue.what for issue in with_points.issues] == ["not a number"]

    # A run keeps the raw cells; what can be nothing else is seen in them without the reader.
    again = infer_schema(Table(table.frame), "goal", "regress")
    assert again == schema


def test_a_name_fits_to_name_a_model(write: Write) -> None:
    assert read_source(write("my data (1).csv", "a,b\n1,2\n")).name == "my_data_1"
