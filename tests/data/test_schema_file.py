"""schema.toml: written, edited, given back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.inference import infer_schema
from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.schema import Column
from automl.data.schema_file import SchemaFile, read_schema_file, split_kind, write_schema_file
from automl.errors import OptionError

AWKWARD = (
    "",
    "a.b",
    'say "hi"',
    "line\nbreak",
    "tab\tstop",
    "back\\slash",
    "#hash",
    "[x]",
    "= 3",
    "😀",
    "مرحبا",
    "\x7f",
    "\x00",
    "'",
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    said = SchemaFile(
        "Churn",
        "classify",
        roles=Roles(exclude=("phone", 'a "b"'), sensitive=("gender",), use_sensitive=True, group="person", time="when"),
        split="time",
    )
    write_schema_file(path, [Column("tenure", "number"), Column("id", "ignored", reason="a row number")], said)
    read = read_schema_file(path)
    assert read == SchemaFile(said.target, said.task, {"tenure": "number", "id": "ignored"}, said.roles, said.split)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_survive(tmp_path: Path, name: str) -> None:
    columns = [Column(name, "category", levels=(name, 'other "level"\n[columns]')), Column("plain", "number")]
    write_schema_file(tmp_path / "schema.toml", columns, SchemaFile(target=name, roles=Roles(exclude=(name,))))
    read = read_schema_file(tmp_path / "schema.toml")
    assert read.kinds == {name: "category", "plain": "number"}
    assert read.target == name
    assert read.roles.exclude == (name,)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",))), unique=True, max_size=5))
def test_any_names_survive(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "schema.toml"
    write_schema_file(path, [Column(name, "text", example=name) for name in names], SchemaFile())
    assert list(read_schema_file(path).kinds) == names


def test_a_name_that_is_no_text_is_left_to_the_inference(tmp_path: Path) -> None:
    half = Column("\ud800", "text")
    write_schema_file(tmp_path / "schema.toml", [half, Column("a", "category", levels=("\udc00",))], SchemaFile())
    assert read_schema_file(tmp_path / "schema.toml").kinds == {"a": "category"}


def test_every_column_is_one_line_with_what_was_seen(tmp_path: Path) -> None:
    columns = [
        Column("speed", "number", minimum=3.0, maximum=23.5, unit="km/h"),
        Column("id", "ignored", reason="a row number"),
        Column("colour", "category", levels=("red", "green", "blue", "black", "white")),
        Column("born", "datetime", minimum=0.0, maximum=86400.0, formats=("%d.%m.%Y",)),
        Column("name", "category", levels=("Ann Lee",)),
    ]
    write_schema_file(tmp_path / "schema.toml", columns, SchemaFile("y"), private={"name"})
    text = (tmp_path / "schema.toml").read_text()
    lines = {line.split(" = ")[0]: line for line in text.split("[columns]\n")[1].splitlines()}
    assert lines["speed"].endswith("# 3 to 23.5 km/h")
    assert lines["id"].endswith("# a row number")
    assert lines["colour"].endswith("# red, green, blue, black and 1 more")
    assert lines["born"].endswith("# 1970-01-01 to 1970-01-02 %d.%m.%Y")
    assert lines["name"] == 'name = "category"'
    assert tomllib.loads(text)["target"] == "y"


def test_an_edited_kind_changes_the_inference(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": [str(10000 + row % 7) for row in range(60)], "y": ["a", "b"] * 30})
    table = Table(frame)
    schema = infer_schema(table, "y", "classify")
    assert schema.column("zip").kind == "number"
    path = tmp_path / "schema.toml"
    write_schema_file(path, schema.columns, SchemaFile("y", "classify"))
    path.write_text(path.read_text().replace('zip = "number"', 'zip = "category"'))
    said = read_schema_file(path)
    assert infer_schema(table, "y", "classify", said.kinds).column("zip").kind == "category"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[columns]\na = "number"\nb = "numbr"\n', ("line 3", "'numbr'", "Did you mean 'number'")),
        ('[columns]\n"a b" = "x"\n', ("line 2", "'x'", "number, category")),
        ('target = "y"\ntraget = "z"\n', ("line 2", "'traget'", "Did you mean 'target'")),
        ('split = "grup"\n', ("line 1", "Did you mean 'group'")),
        ('task = "vote"\n', ("line 1", "classify, regress")),
        ("target = 3\n", ("line 1", "one text", 'target = "COLUMN"')),
        ('exclude = "a"\n', ("line 1", "list of names")),
        ("columns = 3\n", ("line 1", "[columns]")),
        ("[columns]\na.b = 'number'\n", ("line 2", "quotes")),
        ("[columns]\na = number\n", ("not TOML", "line 2")),
        ("[columns]\nmy column = 'number'\n", ("not TOML", "quote odd names")),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(text)
    with pytest.raises(OptionError) as error:
        read_schema_file(path)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file"):
        read_schema_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(OptionError, match="not UTF-8"):
        read_schema_file(tmp_path / "binary.toml")
    (tmp_path / "mark.toml").write_bytes(b'\xef\xbb\xbftarget = "y"\n')
    assert read_schema_file(tmp_path / "mark.toml").target == "y"


def test_the_command_line_overrules_the_file() -> None:
    file = SchemaFile("y", "classify", {"a": "number", "b": "text"}, Roles(exclude=("c",), group="g"), "group")
    given_here = SchemaFile(None, "regress", {"b": "category"}, Roles(exclude=("d",), time="t"), "time")
    assert file.overruled_by(given_here) == SchemaFile(
        "y", "regress", {"a": "number", "b": "category"}, Roles(exclude=("c", "d"), group="g", time="t"), "time"
    )


def test_kinds_of_split() -> None:
    assert split_kind("group") == "group"
    assert split_kind(None) is None
    with pytest.raises(OptionError, match="Did you mean 'time'"):
        split_kind("tme")
