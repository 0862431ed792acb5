"""docs/serving.md says what is there: its commands, options, routes, statuses and series."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from automl.cli import build_app
from automl_serving.flags import KINDS
from automl_serving.observed import PREFIX, Observed
from automl_serving.problems import CODES

from .conftest import Client

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def commands(group: Any, words: str = "automl") -> Iterator[tuple[str, set[str]]]:
    """Each command with its options."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{words} {name}")
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        yield f"{words} {name}", options


def test_every_command_and_option_on_the_page_is_there() -> None:
    known = dict(commands(typer.main.get_command(build_app())))
    named = set(re.findall(r"automl (?:keys )?[a-z]+(?= |`)", PAGE))
    assert named - set(known) == set()
    assert {"automl serve", "automl keys create", "automl package"} <= named
    elsewhere = {"--data-binary", "--help"}
    options = set(re.findall(r"--[a-z-]+", re.sub(r"\|[-|]+\|", "", PAGE))) - elsewhere
    assert options - {option for each in known.values() for option in each} == set()


def test_every_option_of_serve_is_on_the_page() -> None:
    known = dict(commands(typer.main.get_command(build_app())))["automl serve"]
    shown = {option for option in known if f"{option} " in PAGE or f"{option}`" in PAGE}
    assert known - shown == {"--store"}


def test_every_route_is_on_the_page(client: Client) -> None:
    for path in client.http.get("/openapi.json").json()["paths"]:
        assert f"`POST {path}`" in PAGE or f"`GET {path}`" in PAGE, path


def test_every_status_flag_and_series_is_on_the_page() -> None:
    rows = " ".join(re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE))
    assert set(map(int, re.findall(r"\d+", rows))) == set(CODES)
    for flag in KINDS:
        assert f"`{flag}`" in PAGE
    for series in Observed().registry.collect():
        assert f"`{series.name.removeprefix(f'{PREFIX}_')}" in PAGE, series.name
