"""Printing: text for people on the standard output, problems on the standard error, JSON for machines."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200  # columns when nobody's terminal sets a width: tables in logs should not be folded

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
problems = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print a line for people; square brackets are markup (escape what comes from a user)."""
    console.print(text)


def say_long(text: str | Text) -> None:
    """Print a sentence, its text taken literally: folded between words on a terminal, one line in a log."""
    console.print(text, markup=False, soft_wrap=not console.is_terminal)


def complain(text: str) -> None:
    """Print a problem on the standard error, its text taken literally."""
    problems.print(f"[bold red]Error:[/] {escape(text)}")


def store_given(store: Path | None) -> str:
    """The option that a next command needs to find the same store, ready for markup."""
    return escape(f" --store {shlex.quote(str(store))}") if store and "AUTOML_STORE" not in os.environ else ""


def print_json(record: Any) -> None:
    """Print one JSON document and nothing else."""
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n")


def print_json_line(record: Mapping[str, Any]) -> None:
    """Print one JSON object as one line, at once, with null for what is no finite number."""
    line = json.dumps(_finite(record), ensure_ascii=False, default=str, allow_nan=False)
    console.file.write(line + "\n")
    console.file.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


@contextlib.contextmanager
def only_we_print() -> Iterator[None]:
    """Until it ends nothing but our consoles reaches the terminal: libraries' warnings and chatter are dropped."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        console.file, problems.file = sys.stdout, sys.stderr
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        finally:
            console.file = problems.file = None  # type: ignore[assignment]  # rich: whatever sys.stdout is then


def score_text(score: float) -> str:
    """A score to five digits, trailing zeros kept so that scores align."""
    return f"{score:#.5g}".rstrip(".")


def make_table(*headers: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table in the house style; columns named in `numbers` are aligned right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left")
    return table
