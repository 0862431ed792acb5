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
BUDGET, MODEL, OUTPUT = "Budget", "Model", "Output"

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
        "--table",
        metavar="NAME",
        help="A table of a database, a file of a zip archive or folder.",
        rich_help_panel=DATA,
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

WeightOption = Annotated[
    str | None,
    typer.Option(
        "--weight",
        metavar="COLUMN",
        help="How much each row counts, in training and in scores; not learned from.",
        rich_help_panel=COLUMNS,
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

TimeOption = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="DURATION",
        show_default="60s; none with --max-trials",
        help="Wall-clock budget of the whole command: 60s, 5m, 1.5h.",
        rich_help_panel=BUDGET,
    ),
]

OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="ARCHITECTURE",
        help="Search this architecture only; may be repeated. `automl plugins` names them.",
        rich_help_panel=MODEL,
    ),
]

MaxTrialsOption = Annotated[
    int | None,
    typer.Option(
        "--max-trials",
        metavar="N",
        help="At most so many trials; without --time there is then no clock, and the result is the same every time.",
        rich_help_panel=BUDGET,
    ),
]

TrialsOption = Annotated[int | None, typer.Option("--trials", hidden=True)]  # the old name of --max-trials

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", help="Trials side by side; chosen by cores and data if left out.",
        rich_help_panel=BUDGET,
    ),
]  # fmt: skip

MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Most memory of all processes together: 4GB, 500MB; a share of what is free if left out.",
        rich_help_panel=BUDGET,
    ),
]

SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of splits, samplers and learners.", rich_help_panel=BUDGET)
]

ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Demand that an unfinished run is continued (the same command does so anyway).",
        rich_help_panel=BUDGET,
    ),
]

PreferOption = Annotated[
    str,
    typer.Option(
        "--prefer",
        metavar="CHOICE",
        help="Which model to keep: best (score), balanced (score for its time and size) or fastest.",
        rich_help_panel=MODEL,
    ),
]

MaxLatencyOption = Annotated[
    str | None,
    typer.Option(
        "--max-latency",
        metavar="DURATION",
        help="Only a model that answers one row within this time: 5ms.",
        rich_help_panel=MODEL,
    ),
]

MaxSizeOption = Annotated[
    str | None,
    typer.Option(
        "--max-size", metavar="SIZE", help="Only a model that takes at most so much disk: 20MB.", rich_help_panel=MODEL
    ),
]

RefitOption = Annotated[
    bool | None,
    typer.Option(
        "--refit/--no-refit",
        help="The chosen members are taught once more on all rows but the holdout (on all where the newest are the "
        "holdout): --refit on the holdout, too; --no-refit has the learners of their folds answer.",
        rich_help_panel=MODEL,
    ),
]

BalanceOption = Annotated[
    str,
    typer.Option(
        "--balance",
        metavar="HOW",
        help="For rare classes: none, weights or oversample. Probabilities stay true.",
        rich_help_panel=MODEL,
    ),
]

AugmentOption = Annotated[
    bool,
    typer.Option("--augment", help="Train with synthetic rows too, if they prove to help.", rich_help_panel=MODEL),
]

NoReferenceRowsOption = Annotated[
    bool,
    typer.Option(
        "--no-reference-rows",
        help="Keep statistics instead of rows of the data in the artifact.",
        rich_help_panel=MODEL,
    ),
]

DropLeaksOption = Annotated[
    bool,
    typer.Option("--drop-leaks", help="Do not learn from columns that give the target away.", rich_help_panel=COLUMNS),
]

EventsOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print events for machines, one JSON object a line; the last line is the result.",
        rich_help_panel=OUTPUT,
    ),
]

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the result and nothing before it.", rich_help_panel=OUTPUT)
]

PretrainedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="FOLDER|NAME",
        help="Pretrained weights for images, texts and tables: a checkpoint's folder, its name in a cache, or none; "
        "what the caches hold if left out (or $AUTOML_WEIGHTS); may be repeated.",
        rich_help_panel=MODEL,
    ),
]

AllowDownloadOption = Annotated[
    bool,
    typer.Option("--allow-download", help="Fetch --weights that are not on this machine.", rich_help_panel=MODEL),
]
