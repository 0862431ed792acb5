"""Printing: text for people on the standard output, problems on the standard error, JSON for machines."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PIPE_WIDTH = 200  # columns when nobody's terminal sets a width: tables in logs should not be folded

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
problems = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print a line for people; square brackets are markup (escape what comes from a user)."""
    console.print(text)


def complain(text: str) -> None:
    """Print a problem on the standard error, its text taken literally."""
    problems.print(f"[bold red]Error:[/] {escape(text)}")


def store_given(store: Path | None) -> str:
    """The option that a next command needs to find the same store, ready for markup."""
    return escape(f" --store {shlex.quote(str(store))}") if store and "AUTOML_STORE" not in os.environ else ""


def print_json(record: Any) -> None:
    """Print one JSON document and nothing else."""
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n")


def score_text(score: float) -> str:
    """A score to five digits, trailing zeros kept so that scores align."""
    return f"{score:#.5g}".rstrip(".")


def make_table(*headers: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table in the house style; columns named in `numbers` are aligned right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left")
    return table
