"""A corpus of awkward files, each made here: read right, or refused in one clear line.

`READ` maps a file's name to its bytes and the cells expected of it; `REFUSED` to its bytes and words of the refusal.
Names begin with what is awkward, and the ending says what the file claims to be.
"""
# ruff: noqa: E501 — one file, one line

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import math
import os
import random
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from automl.data.reading import Table, Wanted
from automl.errors import DataError, SourceError
from automl.hooks import read_source

from ..cli.conftest import Automl, automl, check_refused  # noqa: F401 — `automl` is a fixture
from ..workbooks import xlsx

Cells = dict[str, list[Any]]
PEOPLE: Cells = {"name": ["José", "Ann"], "age": ["31", "4"]}
TEXT = "name,age\nJosé,31\nAnn,4\n"
MOST_MEMORY = 2 << 30


def zipped(**members: bytes | str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_dot_", "."), content)
    return buffer.getvalue()


def parquet(frame: pd.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, **options)
    return buffer.getvalue()


def feather(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(table, buffer)
    return buffer.getvalue()


def stream(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def database(*statements: str) -> bytes:
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    return connection.serialize()


def noise(count: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(count)


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


AB = {"a": ["1", "3"], "b": ["2", "4"]}
FRAME = pd.DataFrame({"a": [1.5, None], "b": ["x", "é"]})
FRAME_CELLS: Cells = {"a": [1.5, None], "b": ["x", "é"]}
RUSSIAN = "имя,город\n" + "Иван Петров,Москва\nПётр Иванов,Новгород\n" * 20
JAPANESE = "名前,都市\n" + "田中さん,東京都\n鈴木さん,大阪府\n" * 20

READ: dict[str, tuple[bytes | str, Cells]] = {
    # encodings
    "utf8.csv": (TEXT, PEOPLE),
    "utf8_mark.csv": (TEXT.encode("utf-8-sig"), PEOPLE),
    "utf16_mark.csv": (TEXT.encode("utf-16"), PEOPLE),
    "utf16_big_mark.csv": (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), PEOPLE),
    "utf16_little.csv": (TEXT.encode("utf-16-le"), PEOPLE),
    "utf16_big.csv": (TEXT.encode("utf-16-be"), PEOPLE),
    "utf32_mark.csv": (TEXT.encode("utf-32"), PEOPLE),
    "cp1252.csv": (TEXT.encode("cp1252"), PEOPLE),
    "cp1252_euro.csv": ("a;b\n5 €;x\n7 €;“y”\n".encode("cp1252"), {"a": ["5 €", "7 €"], "b": ["x", "“y”"]}),
    "cp1252_degrees.csv": ("t\n25°C\n30°C\n".encode("cp1252"), {"t": ["25°C", "30°C"]}),
    "cp1252_late.csv": (("a,b\n" + "x,y\n" * 30_000 + "é,z\n").encode("cp1252"), {"a": ["x"] * 30_000 + ["é"], "b": ["y"] * 30_000 + ["z"]}),
    "cp1252_undefined.csv": (b"a,b\n\x81\xe9,1\n", {"a": ["\ufffdé"], "b": ["1"]}),
    "cp1251.csv": (RUSSIAN.encode("cp1251"), {"имя": ["Иван Петров", "Пётр Иванов"] * 20, "город": ["Москва", "Новгород"] * 20}),
    "koi8.csv": (RUSSIAN.encode("koi8-r"), {"имя": ["Иван Петров", "Пётр Иванов"] * 20, "город": ["Москва", "Новгород"] * 20}),
    "shift_jis.csv": (JAPANESE.encode("shift_jis"), {"名前": ["田中さん", "鈴木さん"] * 20, "都市": ["東京都", "大阪府"] * 20}),
    "utf8_one_bad_byte.csv": ("a,b\nété,ñandú\nélan,ça\n".encode() + b"x\xff,z\n", {"a": ["été", "élan", "x\ufffd"], "b": ["ñandú", "ça", "z"]}),
    "utf8_bad_in_quotes.csv": (b'a,b\n"\xc3\xa9,\xff",\xc3\xa8\xc3\xa8\xc3\xa8\xc3\xa8\xc3\xa8\n', {"a": ["é,\ufffd"], "b": ["èèèèè"]}),
    "utf16_text.txt": (lines("a\tb", "1\té", end="\r\n").encode("utf-16"), {"a": ["1"], "b": ["é"]}),
    # letters
    "emoji.csv": ("a,b\n😀,👩‍👩‍👧\n🇩🇪,x\n", {"a": ["😀", "🇩🇪"], "b": ["👩‍👩‍👧", "x"]}),
    "right_to_left.csv": ("שם,عمر\nדוד,٣١\n\u202eabc,2\n", {"שם": ["דוד", "\u202eabc"], "عمر": ["٣١", "2"]}),
    "combining.csv": ("e\u0301,b\no\u0308,2\n", {"e\u0301": ["o\u0308"], "b": ["2"]}),
    "line_separator.csv": ("a,b\nx\u2028y,2\n\x85z,\x0c3\n", {"a": ["x\u2028y", "\x85z"], "b": ["2", "\x0c3"]}),
    "zero_width.csv": ("a,b\n\u200bx,2\n", {"a": ["\u200bx"], "b": ["2"]}),
    "control_signs.csv": ("a,b\n\x01x,\x7f\n\x1b[31m,3\n", {"a": ["\x01x", "\x1b[31m"], "b": ["\x7f", "3"]}),
    "astral_name.csv": ("𝒙,b\n1,2\n", {"𝒙": ["1"], "b": ["2"]}),
    # line ends
    "crlf.csv": ("a,b\r\n1,2\r\n3,4\r\n", AB),
    "cr.csv": ("a,b\r1,2\r3,4\r", AB),
    "mixed_ends.csv": ("a,b\r\n1,2\n3,4\r", AB),
    "no_last_end.csv": ("a,b\n1,2\n3,4", AB),
    "blank_between.csv": ("\n\na,b\n\n1,2\n\n\n3,4\n\n\n", AB),
    "blank_crlf.csv": ("\r\na,b\r\n\r\n1,2\r\n3,4\r\n\r\n", AB),
    "one_row.csv": ("a,b\n1,2", {"a": ["1"], "b": ["2"]}),
    "quoted_lines.csv": ('a,b\n"1\n\n2",x\n"\r\n",y\n', {"a": ["1\n\n2", "\r\n"], "b": ["x", "y"]}),
    "quoted_last_line.csv": ('a,b\n1,"x\ny"\n', {"a": ["1"], "b": ["x\ny"]}),
    "quoted_last_line_open_end.csv": ('a,b\n1,"x\ny"', {"a": ["1"], "b": ["x\ny"]}),
    "quoted_names.csv": ('"a\nx","b,y"\n1,2\n', {"a\nx": ["1"], "b,y": ["2"]}),
    "control_z.csv": ("a,b\n1,2\n3,4\n\x1a", {"a": ["1", "3", "\x1a"], "b": ["2", "4", ""]}),
    # separators and quotes
    "semicolon.csv": ("a;b\n1;2\n3;4\n", AB),
    "tab.csv": ("a\tb\n1\t2\n3\t4\n", AB),
    "pipe.csv": ("a|b\n1|2\n3|4\n", AB),
    "caret.csv": ("a^b\n1^2\n3^4\n", AB),
    "tilde.csv": ("a~b\n1~2\n3~4\n", AB),
    "colon.csv": ("a:b\n1:2\n3:4\n", AB),
    "blanks.txt": ("a b\n1 2\n3 4\n", AB),
    "declared.csv": ("sep=;\na;b\n1;2\n3;4\n", AB),
    "declared_oddly.csv": ("sep=é\n1\n2\n", {"sep=é": ["1", "2"]}),
    "semicolon_with_commas.csv": ("a;b\nx, y;2\nx, y, z;4\n", {"a": ["x, y", "x, y, z"], "b": ["2", "4"]}),
    "comma_named_tsv.tsv": ("a,b\n1,2\n3,4\n", AB),
    "single_quotes.csv": ("'a','b'\n'1','2, x'\n'3','4'\n", {"a": ["1", "3"], "b": ["2, x", "4"]}),
    "apostrophes.csv": ("a,b\nit's,2\nthat's,4\n", {"a": ["it's", "that's"], "b": ["2", "4"]}),
    "quoted_classes.csv": ("a,b\n1,'yes'\n3,'no'\n", {"a": ["1", "3"], "b": ["'yes'", "'no'"]}),
    "escaped_quotes.csv": ('a,b\n"x \\"y\\", z",2\n"w",4\n', {"a": ['x "y", z', "w"], "b": ["2", "4"]}),
    "doubled_quotes.csv": ('a,b\n"x ""y"", z",2\n"""w""",4\n', {"a": ['x "y", z', '"w"'], "b": ["2", "4"]}),
    "stray_quotes.csv": ('a,b\n5" disk,2\n3" disk,4\n', {"a": ['5" disk', '3" disk'], "b": ["2", "4"]}),
    "quote_then_text.csv": ('a,b\n"x"y,2\nz,4\n', {"a": ["xy", "z"], "b": ["2", "4"]}),
    "blank_before_quote.csv": ('a, b\n1, "x, y"\n2, "z"\n', {"a": ["1", "2"], "b": ["x, y", "z"]}),
    "all_empty_quotes.csv": ('a,b\n"",""\n1,2\n', {"a": ["", "1"], "b": ["", "2"]}),
    "json_in_cell.csv": ('a,b\n1,"{""x"": [1, 2]}"\n3,"{}"\n', {"a": ["1", "3"], "b": ['{"x": [1, 2]}', "{}"]}),
    "html.csv": ('a,b\n"<a href=""x"">y</a>",2\n<br>,4\n', {"a": ['<a href="x">y</a>', "<br>"], "b": ["2", "4"]}),
    "formulas.csv": ("a,b\n=1+1,@SUM(A1)\n+2,-3\n", {"a": ["=1+1", "+2"], "b": ["@SUM(A1)", "-3"]}),
    "urls.csv": ("link\nhttp://x.org/?a=1;b=2\nhttp://y.org/a,b|c\n", {"link": ["http://x.org/?a=1;b=2", "http://y.org/a,b|c"]}),
    "sentences.csv": ("text\nred, big; house\na car\nblue, or not, or so\n", {"text": ["red, big; house", "a car", "blue, or not, or so"]}),
    "times.csv": ("t,b\n10:30:00,2\n11:45:10,4\n", {"t": ["10:30:00", "11:45:10"], "b": ["2", "4"]}),
    # rows and columns
    "one_column.csv": ("a\n1\n2\n", {"a": ["1", "2"]}),
    "one_column_of_text.csv": ("text\nred big house\na car\nblue\n", {"text": ["red big house", "a car", "blue"]}),
    "short_rows.csv": ("a,b,c\n1,2,3\n4\n5,6\n", {"a": ["1", "4", "5"], "b": ["2", "", "6"], "c": ["3", "", ""]}),
    "trailing_separator.csv": ("a,b,\n1,2,\n3,4,\n", AB),
    "trailing_in_rows.csv": ("a,b\n1,2,\n3,4,\n", AB),
    "trailing_with_name.csv": ("a,b,c\n1,2,\n3,4,\n", {**AB, "c": ["", ""]}),
    "trailing_but_used.csv": ("a,b,\n1,2,\n3,4,9\n", {**AB, "Unnamed: 2": ["", "9"]}),
    "empty_names.csv": (",b,\n1,2,x\n3,4,y\n", {"Unnamed: 0": ["1", "3"], "b": ["2", "4"], "Unnamed: 2": ["x", "y"]}),
    "blank_names.csv": (" a ,\tb\n1,2\n3,4\n", AB),
    "twice.csv": ("a,b,a\n1,2,3\n", {"a": ["1"], "b": ["2"], "a.2": ["3"]}),
    "twice_and_taken.csv": ("a,a.2,a\n1,2,3\n", {"a": ["1"], "a.2": ["2"], "a.3": ["3"]}),
    "header_of_numbers.csv": ("1,2\n3,4\n5,6\n", {"1": ["3", "5"], "2": ["4", "6"]}),
    "comments.csv": ("# made by x\n# on 2020-01-01\na,b\n1,2\n3,4\n", AB),
    "commented_header.csv": ("#a,b\n1,2\n3,4\n", {"#a": ["1", "3"], "b": ["2", "4"]}),
    "title.csv": ("Sales of May\n\na,b,c\n1,2,3\n3,4,5\n", {**AB, "c": ["3", "5"]}),
    "wide.csv": (lines(",".join(f"c{i}" for i in range(10_000)), ",".join(map(str, range(10_000)))), {f"c{i}": [str(i)] for i in range(10_000)}),
    "long_name.csv": ("n" * 200_000 + ",b\n1,2\n", {"n" * 200_000: ["1"], "b": ["2"]}),
    "million_letters.csv": ("a,b\n" + "x" * 1_000_000 + ",2\ny,4\n", {"a": ["x" * 1_000_000, "y"], "b": ["2", "4"]}),
    "three_million_letters.csv": ('a,b\n"' + "é,\n" * 1_000_000 + '",2\ny,4\n', {"a": ["é,\n" * 1_000_000, "y"], "b": ["2", "4"]}),
    "long_then_ragged.csv": ("a,b\n" + "x" * 300_000 + ",2\ny\n", {"a": ["x" * 300_000, "y"], "b": ["2", ""]}),
    "one_letter.csv": ("a\n1", {"a": ["1"]}),
    "mostly_empty.csv": ("a,b\n" + ",\n" * 50 + "1,\n", {"a": [""] * 50 + ["1"], "b": [""] * 51}),
    # words for numbers
    "words.csv": ("a,b\nNaN,inf\n-Infinity,1e400\n-0.0,0x1F\n1_000,+5\n", {"a": ["NaN", "-Infinity", "-0.0", "1_000"], "b": ["inf", "1e400", "0x1F", "+5"]}),
    "missing_words.csv": ("a,b\nNA,null\nNone,\nn/a,?\n", {"a": ["NA", "None", "n/a"], "b": ["null", "", "?"]}),
    "zeros_in_front.csv": ("zip,b\n01234,2\n00001,4\n", {"zip": ["01234", "00001"], "b": ["2", "4"]}),
    "huge_numbers.csv": ("a,b\n123456789012345678901234567890,1e-400\n", {"a": ["123456789012345678901234567890"], "b": ["1e-400"]}),
    "old_dates.csv": ("when,b\n1066-10-14,2\n9999-12-31,4\n", {"when": ["1066-10-14", "9999-12-31"], "b": ["2", "4"]}),
    "decimal_commas.csv": ("a;b\n1,5;x\n1.234,25;y\n", {"a": ["1,5", "1.234,25"], "b": ["x", "y"]}),
    "decimal_commas_with_gaps.csv": ("a;b\n1,5;x\n;y\nNA;z\n", {"a": ["1,5", "", "NA"], "b": ["x", "y", "z"]}),
    "decimal_commas_cp1252.csv": ("größe;b\n1,5;x\n2,25;y\n".encode("cp1252"), {"größe": ["1,5", "2,25"], "b": ["x", "y"]}),
    # packed
    "gzip.csv.gz": (gzip.compress(TEXT.encode()), PEOPLE),
    "gzip_unnamed.csv": (gzip.compress(TEXT.encode()), PEOPLE),
    "gzip_two_members.csv.gz": (gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"), AB),
    "gzip_utf16.csv.gz": (gzip.compress(TEXT.encode("utf-16")), PEOPLE),
    "gzip_ragged.csv.gz": (gzip.compress(b"a,b\n1,2\n3\n"), {"a": ["1", "3"], "b": ["2", ""]}),
    "bzip2.csv.bz2": (bz2.compress(TEXT.encode()), PEOPLE),
    "xz.csv.xz": (lzma.compress(TEXT.encode()), PEOPLE),
    "xz_named_gz.csv.gz": (lzma.compress(TEXT.encode()), PEOPLE),
    "zip.zip": (zipped(people_dot_csv=TEXT), PEOPLE),
    "zip_named_csv.csv": (zipped(people_dot_csv=TEXT), PEOPLE),
    "zip_in_folder.zip": (zipped(**{"data/people.csv": TEXT, "__MACOSX/._people.csv": "x", "data/.hidden.csv": "x"}), PEOPLE),
    "zip_climbing.zip": (zipped(**{"../../etc/people.csv": TEXT}), PEOPLE),
    "zip_absolute.zip": (zipped(**{"/etc/people.csv": TEXT}), PEOPLE),
    "zip_with_readme.zip": (zipped(people_dot_csv=TEXT, README_dot_txt="read me"), PEOPLE),
    "zip_of_text.zip": (zipped(people_dot_txt=TEXT), PEOPLE),
    "zip_of_parquet.zip": (zipped(x_dot_parquet=parquet(FRAME)), FRAME_CELLS),
    "gzip_json_lines.jsonl.gz": (gzip.compress(b'{"a": 1}\n{"a": 2}\n'), {"a": [1, 2]}),
    "gzip_parquet.parquet.gz": (gzip.compress(parquet(FRAME)), FRAME_CELLS),
    "gzip_zeros.csv.gz": (gzip.compress(b"a,b\n" + b"0,0\n" * 200_000), {"a": ["0"] * 200_000, "b": ["0"] * 200_000}),
    # typed files
    "plain.parquet": (parquet(FRAME), FRAME_CELLS),
    "unnamed_parquet.csv": (parquet(FRAME), FRAME_CELLS),
    "indexed.parquet": (parquet(FRAME.set_index("b")), {"b": ["x", "é"], "a": [1.5, None]}),
    "lists.parquet": (parquet(pd.DataFrame({"a": [[1, 2], []]})), {"a": [[1, 2], []]}),
    "old_dates.parquet": (parquet(pd.DataFrame({"a": pd.array(["x"]), "b": [b"\x00\xff"]})), {"a": ["x"], "b": [b"\x00\xff"]}),
    "many_groups.parquet": (parquet(pd.DataFrame({"a": range(1000)}), row_group_size=7), {"a": list(range(1000))}),
    "nulls.parquet": (parquet(pd.DataFrame({"a": pd.array([None, 2], dtype="Int64")})), {"a": [None, 2]}),
    "plain.feather": (feather(pa.Table.from_pandas(FRAME)), FRAME_CELLS),
    "plain.arrow": (feather(pa.Table.from_pandas(FRAME)), FRAME_CELLS),
    "stream.arrow": (stream(pa.Table.from_pandas(FRAME)), FRAME_CELLS),
    # JSON
    "records.json": ('[{"a": 1, "b": "x"}, {"b": "é", "c": null}]', {"a": [1, None], "b": ["x", "é"], "c": [None, None]}),
    "wrapped.json": ('{"count": 1, "data": [{"a": 1}, {"a": 2}]}', {"a": [1, 2]}),
    "columns.json": ('{"a": [1, 2], "b": ["x", "y"]}', {"a": [1, 2], "b": ["x", "y"]}),
    "columns_by_row.json": ('{"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": "y"}}', {"a": [1, 2], "b": ["x", "y"]}),
    "mark.json": (codecs.BOM_UTF8 + b'[{"a": 1}]', {"a": [1]}),
    "utf16.json": ('[{"a": "é"}]'.encode("utf-16"), {"a": ["é"]}),
    "lone_surrogate.json": ('[{"a": "\\ud800x", "\\udc00": 1}]', {"a": ["\ufffdx"], "\ufffd": [1]}),
    "pair_of_surrogates.json": ('[{"a": "\\ud83d\\ude00"}]', {"a": ["😀"]}),
    "nan.json": ('[{"a": NaN, "b": Infinity}, {"a": 1.0, "b": -0.0}]', {"a": [None, 1.0], "b": [math.inf, -0.0]}),
    "huge_whole.json": ('[{"a": 123456789012345678901234567890}, {"a": 1}]', {"a": [123456789012345678901234567890, 1]}),
    "mixed.json": ('[{"a": 1}, {"a": "x"}, {"a": [1]}, {"a": {"b": 2}}]', {"a": [1, "x", [1], {"b": 2}]}),
    "truth.json": ('[{"a": true}, {"a": false}]', {"a": [True, False]}),
    "lines_in_json.json": ('{"a": 1}\n{"a": 2}\n', {"a": [1, 2]}),
    "blank_lines.jsonl": ('\n{"a": 1}\r\n\n{"a": 2}', {"a": [1, 2]}),
    "late_key.jsonl": ('{"a": 1}\n{"b": 2}\n', {"a": [1, None], "b": [None, 2]}),
    "twice.jsonl": ('{"a": 1, "a": 2}\n', {"a": [2]}),
    # workbooks
    "plain.xlsx": (xlsx({"d": [["a", "b"], [1.5, "x"], [None, "é"]]}), FRAME_CELLS),
    "empty_first_sheet.xlsx": (xlsx({"empty": [], "d": [["a", "b"], [1.5, "x"], [None, "é"]]}), FRAME_CELLS),
    "title.xlsx": (xlsx({"d": [["Sales"], [], ["a", "b", "c"], [1, 2, 3]]}), {"a": [1.0], "b": [2.0], "c": [3.0]}),
    "unnamed.xlsx": (xlsx({"d": [["a", None, "a"], [1, 2, 3]]}), {"a": [1.0], "Unnamed: 1": [2.0], "a.2": [3.0]}),
    "number_names.xlsx": (xlsx({"d": [["a", 2020], [1, 2]]}), {"a": [1.0], "2020": [2.0]}),
    "named_csv.csv": (xlsx({"d": [["a", "b"], [1.5, "x"], [None, "é"]]}), FRAME_CELLS),
    "formula.xlsx": (xlsx({"d": [["a"], ["=1+1"]]}), {"a": ["=1+1"]}),
    # databases
    "plain.db": (database("create table t (a real, b text)", "insert into t values (1.5, 'x'), (null, 'é')"), FRAME_CELLS),
    "unnamed_database.csv": (database("create table t (a)", "insert into t values (1), (2)"), {"a": [1, 2]}),
    "mixed.sqlite": (database("create table t (a)", "insert into t values (1), ('x'), (x'00ff')"), {"a": [1, "x", b"\x00\xff"]}),
    "odd_names.sqlite3": (database('create table "a b""c" ("d e" int)', 'insert into "a b""c" values (1)'), {"d e": [1]}),
}  # fmt: skip

GZIP = gzip.compress(b"a,b\n" + noise(3000).hex().encode() + b",2\n")
PARQUET = parquet(pd.DataFrame({"a": range(500), "b": ["x", "y"] * 250}))
FEATHER = feather(pa.table({"a": list(range(500)), "b": ["x", "y"] * 250}))
XLSX = xlsx({"d": [["a", "b"], [1, "x"]]})
ZIP = zipped(people_dot_csv=TEXT * 50)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 9
FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

REFUSED: dict[str, tuple[bytes | str, str]] = {
    # nothing in it
    "empty.csv": (b"", "is empty"),
    "empty.parquet": (b"", "is empty"),
    "empty.json": (b"", "is empty"),
    "empty.xlsx": (b"", "is empty"),
    "empty.db": (b"", "is empty"),
    "blank_lines.csv": ("\n\n\n", "holds no table"),
    "blanks.csv": ("   \n  \n", "holds no table"),
    "only_a_mark.csv": (codecs.BOM_UTF8, "holds no table"),
    "only_separators.csv": (",,,\n,,,\n", "holds no table"),
    "header.csv": ("a,b,c\n", "a header (3 columns) but no rows"),
    "header_no_end.csv": ("a,b,c", "a header (3 columns) but no rows"),
    "header_and_blanks.csv": ("a,b\n\n\n", "a header (2 columns) but no rows"),
    "header_gzip.csv.gz": (gzip.compress(b"a,b\n"), "a header (2 columns) but no rows"),
    "empty_gzip.csv.gz": (gzip.compress(b""), "holds no table"),
    "no_rows.parquet": (parquet(FRAME.head(0)), "a header (2 columns) but no rows"),
    "no_rows.feather": (feather(pa.table({"a": pa.array([], pa.int64())})), "a header (1 columns) but no rows"),
    "empty_list.json": ("[]", "holds no table"),
    "empty_object.json": ("{}", "holds no table"),
    "empty_records.json": ("[{}, {}]", "holds no table"),
    "blank.jsonl": ("\n\n", "holds no table"),
    "empty_zip.zip": (zipped(), "which no reader takes"),
    "empty_sheets.xlsx": (xlsx({"a": [], "b": []}), "holds no table"),
    "header.xlsx": (xlsx({"d": [["a", "b"]]}), "a header (2 columns) but no rows"),
    "no_tables.db": (database("create table t (a)", "drop table t"), "holds no table"),
    "no_rows.db": (database("create table t (a, b)"), "a header (2 columns) but no rows"),
    # not what it claims
    "png.csv": (PNG, "is a PNG image, not a text table"),
    "pdf.csv": (b"%PDF-1.7\n" + noise(500), "is a PDF document"),
    "elf.csv": (b"\x7fELF" + bytes(60), "is a program"),
    "noise.csv": (noise(5000), "is a binary file"),
    "nul_in_cell.csv": (b"a,b\n1\x00,2\n", "is a binary file"),
    "nuls.csv": (bytes(5000), "is a binary file"),
    "pickle.csv": (b"\x80\x04\x95" + bytes(30), "is a pickle"),
    "noise.parquet": (noise(5000), "not a readable Parquet file"),
    "noise.feather": (noise(5000), "not a readable Arrow file"),
    "noise.xlsx": (noise(5000), "no readable workbook"),
    "noise.xls": (b"\xd0\xcf\x11\xe0" + noise(5000), "no readable workbook"),
    "noise.ods": (noise(5000), "no readable workbook"),
    "noise.db": (noise(5000), "cannot be read: file is not a database"),
    "noise.json": (noise(5000), "is a binary file"),
    "noise.csv.gz": (b"\x1f\x8b\x08\x00" + noise(500), "damaged gzip"),
    "noise.zip": (b"PK\x03\x04" + noise(500), "damaged zip"),
    "text.parquet": (TEXT, "not a readable Parquet file"),
    "text.xlsx": (TEXT, "no readable workbook"),
    "document.zip": (zipped(letter_dot_docx="x"), "which no reader takes"),
    "program.exe": (b"MZ" + noise(50), "which no reader takes"),
    "nameless": (TEXT, "nameless file, which no reader takes"),
    # rows that do not fit
    "long_row.csv": ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, the header has 2"),
    "long_row_late.csv": ("a,b\n" + "1,2\n" * 50_000 + "1,2,3\n", "line 50002 has 3 cells"),
    "long_row_after_lines.csv": ('a,b\n"1\n\n",2\n1,2,3\n', "line 5 has 3 cells"),
    "long_row_gzip.csv.gz": (gzip.compress(b"a,b\n1,2\n1,2,3\n"), "line 3 has 3 cells"),
    "short_header.csv": ("a,b\n1,2,3\n1,2,3\n", "line 2 has 3 cells"),
    "open_quote.csv": ('a,b\n"x,2\n3,4\n', "a quote opened in line 2 is never closed"),
    "open_quote_last_cell.csv": ('a,b\n1,2\n3,"x\n5,6\n7,8\n', "a quote opened in line 3 is never closed"),
    "open_quote_long.csv": ('a,b\n1,"x\n' + "5,6\n" * 500_000, "a quote opened in line 2 is never closed"),
    "open_quote_in_header.csv": ('a,"b\n1,2\n3,4\n', "a quote opened in line 1 is never closed"),
    "half_utf16.csv": (b"\xff\xfea\x00,", "begins like UTF-16 text but is not"),
    "bad_utf16.csv": (codecs.BOM_UTF16_LE + b"a\x00,\x00b\x00\n\x00" + b"\x00\xd8x\x00", "begins like UTF-16 text"),
    # damaged and hostile packings
    **{f"cut_{at}.csv.gz": (GZIP[:at], "damaged gzip") for at in (3, 10, 100, len(GZIP) // 2, len(GZIP) - 4)},
    "turned_byte.csv.gz": (GZIP[:200] + bytes([GZIP[200] ^ 255]) + GZIP[201:], "damaged gzip"),
    "cut.csv.bz2": (bz2.compress(noise(5000).hex().encode())[:900], "damaged bzip2"),
    "cut.csv.xz": (lzma.compress(noise(5000).hex().encode())[:900], "damaged xz"),
    "turned_byte.csv.xz": (lzma.compress(b"a,b\n1,2\n")[:30] + b"\xff" * 20, "damaged xz"),
    "nameless_member.zip": (ZIP.replace(b"people.csv", b"\0" * 10), "which no reader takes"),
    "cut.zip": (ZIP[: len(ZIP) - 30], "damaged zip"),
    "turned_byte.zip": (ZIP[:60] + bytes([ZIP[60] ^ 255]) + ZIP[61:], "damaged zip"),
    "bomb.csv.gz": (gzip.compress(bytes(1 << 20), 9), "is a binary file"),
    "bomb_of_text.csv.gz": (gzip.compress(b"a,b\n" + b"0" * (70 << 20), 6), "looks like a bomb"),
    "bomb_of_rows.csv.gz": (gzip.compress(b"a,b\n" + b"0,0\n" * (18 << 20), 6), "looks like a bomb"),
    "bomb_of_rows.csv.bz2": (bz2.compress(b"a,b\n" + b"0,0\n" * (17 << 20)), "looks like a bomb"),
    "bomb.zip": (zipped(x_dot_csv=b"a,b\n" + b"0" * (70 << 20)), "looks like a bomb"),
    "several.zip": (zipped(a_dot_csv=TEXT, b_dot_csv=TEXT), "holds 2 tables: a.csv, b.csv. Choose one with --table"),
    # damaged typed files
    **{f"cut_{at}.parquet": (PARQUET[:at], "not a readable Parquet file") for at in (4, 9, 200, len(PARQUET) - 1)},
    "turned_footer.parquet": (PARQUET[:-60] + b"\xff" * 40 + PARQUET[-20:], "not a readable Parquet file"),
    "huge_footer.parquet": (PARQUET[:-8] + struct.pack("<I", 2**31) + b"PAR1", "not a readable Parquet file"),
    **{f"cut_{at}.feather": (FEATHER[:at], "not a readable Arrow file") for at in (6, 40, 600)},
    "turned_bytes.feather": (FEATHER[:-120] + b"\xff" * 90 + FEATHER[-30:], "not a readable Arrow file"),
    "cut.xlsx": (XLSX[: len(XLSX) // 2], "damaged zip"),
    "far_cell.xlsx": (xlsx({"d": FAR}), "1,048,576 rows and 16,384 columns"),
    "bad_xml.xlsx": (xlsx({"d": "<row><c r='A1'><v>1</row>"}), "no readable workbook"),
    "cut.db": (database("create table t (a)", "insert into t values (1)")[:2000], "cannot be read"),
    "two_tables.db": (database("create table t (a)", "create table u (a)"), "holds 2 tables: t, u. Choose one"),
    # JSON that is no table
    "half.json": ('[{"a": 1}, {"a": ', "is not JSON"),
    "deep.json": ("[" * 200_000, "nested too deeply"),
    "deep_object.json": ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "number.json": ("42", "holds no table"),
    "list_of_numbers.json": ("[1, 2]", "holds no table"),
    "two_lists.json": ('{"a": [{"x": 1}], "b": [{"y": 2}]}', "holds no table"),
    "endless_number.json": ('[{"a": ' + "1" * 10_000 + "}]", "is not JSON"),
    "deep.jsonl": ('{"a": ' + "[" * 100_000 + "\n", "is not JSON Lines: line 1"),
    "numbers.jsonl": ("1\n2\n", "line 1 is no object"),
    "half.jsonl": ('{"a": 1}\n{"a": \n', "line 2"),
}


def test_the_corpus_is_large() -> None:
    assert len(READ) + len(REFUSED) >= 150


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    def make(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def cells(table: Table) -> Cells:
    """Missing cells as None, arrays as lists, numbers as Python's."""
    columns: Cells = {}
    for name, column in table.frame.items():
        values = [getattr(value, "tolist", lambda value=value: value)() for value in column]
        missing = [
            value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) for value in values
        ]
        columns[str(name)] = [None if gone else value for value, gone in zip(values, missing, strict=True)]
    return columns


@pytest.mark.parametrize("name", READ)
def test_read_right(write: Callable[[str, bytes | str], Path], name: str) -> None:
    content, expected = READ[name]
    read = cells(read_source(write(name, content)))
    assert list(read) == list(expected)
    assert read == expected


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(write: Callable[[str, bytes | str], Path], name: str) -> None:
    content, words = REFUSED[name]
    with pytest.raises(DataError) as refused:
        read_source(write(name, content))
    said = str(refused.value)
    assert words in said
    assert name in said
    assert "\n" not in said
    assert len(said) < 600


READ_ALL = """
import resource, sys
from automl.errors import DataError
from automl.hooks import read_source
for path in sys.argv[1:]:
    try:
        read_source(path)
    except DataError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_worst_of_the_corpus_takes_little_memory(write: Callable[[str, bytes | str], Path]) -> None:
    worst = [name for name in REFUSED if name.startswith(("bomb", "far_cell", "deep", "huge", "open_quote", "turned"))]
    worst_read = ["million_letters.csv", "three_million_letters.csv", "wide.csv", "gzip_zeros.csv.gz"]
    contents = [(name, {**REFUSED, **READ}[name][0]) for name in [*worst, *worst_read]]
    paths = [str(write(name, content)) for name, content in contents]
    ended = subprocess.run([sys.executable, "-c", READ_ALL, *paths], capture_output=True, text=True, check=True)
    assert int(ended.stdout) * 1024 < MOST_MEMORY
    assert ended.stderr == ""


FRONT = {".csv": TEXT.encode(), ".csv.gz": GZIP, ".parquet": PARQUET, ".feather": FEATHER, ".xlsx": XLSX, ".zip": ZIP}
FRONT |= {".db": database("create table t (a)", "insert into t values (1)"), ".json": b'[{"a": [1, {"b": "\\u00e9"}]}]'}


@pytest.mark.parametrize("ending", FRONT)
def test_whatever_bytes_are_turned_it_is_read_or_refused(
    write: Callable[[str, bytes | str], Path], ending: str
) -> None:
    dice = random.Random(1)
    whole = FRONT[ending]
    for number in range(40):
        damaged = bytearray(whole)
        for _ in range(1 + number % 4):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        if number % 5 == 0:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            assert len(read_source(write(f"x{ending}", bytes(damaged))).frame.columns)
        except DataError as refused:
            assert "\n" not in str(refused)  # noqa: PT017 — either outcome is right


def test_what_is_no_regular_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "broken.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    refusals = {
        tmp_path / "pipe.csv": "is a pipe, a socket or a device",
        Path("/dev/zero"): "is a pipe, a socket or a device",
        tmp_path / "folder.csv": "folder without images",
        tmp_path / "broken.csv": "is a link to",
        tmp_path / "circle.csv": "no path that can be opened|is a link to",
        tmp_path / ("n" * 300 + ".csv"): "no path that can be opened|no file or folder",
        Path("a\0b.csv"): "no path that can be opened|no file or folder",
    }
    for path, words in refusals.items():
        with pytest.raises(SourceError, match=words):
            read_source(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(write: Callable[[str, bytes | str], Path]) -> None:
    path = write("secret.csv", TEXT)
    path.chmod(0)
    with pytest.raises(SourceError, match="may not be read"):
        read_source(path)


def test_a_hundred_thousand_columns(write: Callable[[str, bytes | str], Path]) -> None:
    path = write("wider.csv", lines(",".join(f"c{number}" for number in range(100_000)), ",".join(["1"] * 100_000)))
    frame = read_source(path).frame
    assert frame.shape == (1, 100_000)
    assert frame["c99999"].tolist() == ["1"]


def test_a_member_of_an_archive_is_chosen(write: Callable[[str, bytes | str], Path]) -> None:
    path = write("several.zip", zipped(one_dot_csv="a\n1\n", two_dot_csv="b\n2\n"))
    assert cells(read_source(path, Wanted(table="two.csv"))) == {"b": ["2"]}
    assert cells(read_source(path, Wanted(table="one"))) == {"a": ["1"]}
    with pytest.raises(SourceError, match=r"no file 'tow.csv' .* Did you mean 'two.csv'\?"):
        read_source(path, Wanted(table="tow.csv"))


def test_an_encrypted_archive_says_so(write: Callable[[str, bytes | str], Path]) -> None:
    content = bytearray(zipped(x_dot_csv=TEXT))
    for magic in (b"PK\x03\x04", b"PK\x01\x02"):
        at = content.index(magic) + (6 if magic == b"PK\x03\x04" else 8)
        content[at] |= 1
    with pytest.raises(SourceError, match="is encrypted"):
        read_source(write("locked.zip", bytes(content)))


def test_json_is_still_json_when_nested(write: Callable[[str, bytes | str], Path]) -> None:
    nested = {"a": {"b": [1, {"c": None}]}}
    assert read_source(write("x.json", json.dumps([nested, nested]))).frame["a"][1] == nested["a"]


@pytest.mark.parametrize("command", [("inspect",), ("fit", "--time", "5s", "--store", "store")])
@pytest.mark.parametrize(
    "name", ["long_row.csv", "open_quote.csv", "noise.csv.gz", "deep.json", "far_cell.xlsx", "noise.db", "several.zip"]
)
def test_the_command_line_says_it_in_one_line(
    automl: Automl,  # noqa: F811
    write: Callable[[str, bytes | str], Path],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    name: str,
) -> None:
    content, words = REFUSED[name]
    path = write(name, content)
    monkeypatch.chdir(path.parent)
    check_refused(automl(command[0], path, *command[1:]), words)
