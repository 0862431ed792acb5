"""Options that every command shares, spelt and explained the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FOLDER",
        envvar="AUTOML_STORE",
        show_default="~/.automl",
        help="The folder that holds runs, model versions, the prediction log and reports.",
    ),
]

VersionOption = Annotated[
    str,
    typer.Option("--version", metavar="VERSION", help="A version number or an alias (champion, challenger, previous)."),
]

DATA, COLUMNS, VALIDATION = "Reading", "Columns", "Validation"

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines instead of text.")]

TypesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--types",
        metavar="COLUMN=KIND",
        help="Fix a column's kind (number, category, boolean, datetime, text, image, ignored); may be repeated.",
        rich_help_panel=COLUMNS,
    ),
]

SchemaOption = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        metavar="FILE",
        help="A schema.toml, as `automl inspect --write-schema` writes it.",
        rich_help_panel=COLUMNS,
    ),
]

QueryOption = Annotated[
    str | None,
    typer.Option("--query", metavar="SQL", help="What to select, when DATA is a database.", rich_help_panel=DATA),
]

TableOption = Annotated[
    str | None,
    typer.Option(
        "--table", metavar="NAME", help="The table of a database, or the file of a zip archive.", rich_help_panel=DATA
    ),
]

SheetOption = Annotated[
    str | None, typer.Option("--sheet", metavar="NAME", help="The sheet of a workbook.", rich_help_panel=DATA)
]

ExcludeOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="COLUMN", help="Never learn from it; may be repeated.", rich_help_panel=COLUMNS),
]

SensitiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sensitive",
        metavar="COLUMN",
        help="Keep it for the fairness figures, do not learn from it; may be repeated.",
        rich_help_panel=COLUMNS,
    ),
]

UseSensitiveOption = Annotated[
    bool,
    typer.Option("--use-sensitive", help="Learn from the sensitive columns nevertheless.", rich_help_panel=COLUMNS),
]

GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="Names the entity of a row; its rows are validated together.",
        rich_help_panel=VALIDATION,
    ),
]

TimeColumnOption = Annotated[
    str | None,
    typer.Option(
        "--time-column",
        metavar="COLUMN",
        help="Orders the rows; validation lies after training.",
        rich_help_panel=VALIDATION,
    ),
]

SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="KIND",
        help="random, stratified, group or time; measured if left out.",
        rich_help_panel=VALIDATION,
    ),
]
