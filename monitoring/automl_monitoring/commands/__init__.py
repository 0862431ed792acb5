"""One small file per command: parse, call, print. Heavy parts load inside the commands."""

from __future__ import annotations

from typing import Annotated

import typer

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as `automl models` lists it.")]
