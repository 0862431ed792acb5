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

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines instead of text.")]
