"""docs/monitoring.md says what is there: its commands, options, checks, policy values, pages and series."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from automl.cli import build_app
from automl.store import Store
from automl_monitoring import checks
from automl_monitoring.dashboard.app import make_app
from automl_monitoring.dashboard.metrics import SERIES
from automl_monitoring.policy import Policy
from tests.serving.test_docs import commands

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")


def test_every_command_and_option_on_the_page_is_there() -> None:
    known = dict(commands(typer.main.get_command(build_app())))
    named = set(re.findall(r"automl (?:monitor )?[a-z]+(?= |`|$)", PAGE, re.MULTILINE))
    assert named - set(known) == set()
    assert {"automl watch", "automl monitor replay", "automl up", "automl report", "automl check"} <= named
    options = set(re.findall(r"--[a-z-]+", re.sub(r"\|[-|]+\|", "", PAGE)))
    assert options - {option for each in known.values() for option in each} == set()


def test_every_command_of_monitoring_is_on_the_page() -> None:
    known = dict(commands(typer.main.get_command(build_app())))
    monitor = {name for name in known if name.startswith("automl monitor ")}
    others = {f"automl {name}" for name in ("label", "check", "watch", "dashboard", "report", "retrain", "history")}
    for name in monitor | others:
        assert name in PAGE, name


def test_every_check_is_on_the_page() -> None:
    for check in checks.CHECKS:
        name = check.__module__.rsplit(".", 1)[-1].replace("columns", "drift")
        assert f"\n| {name} |" in PAGE, name


def test_every_policy_value_on_the_page_is_one() -> None:
    named = re.findall(r"`([a-z]+)\.([a-z_]+)`", PAGE)
    assert len(named) > 10
    for section, value in named:
        assert value in type(getattr(Policy(), section)).model_fields, (section, value)


def test_every_page_and_series_is_on_the_page(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for route in make_app(store).routes:
        path = str(getattr(route, "path", "")).replace("{name}", "NAME").replace("{number:int}", "NUMBER")
        if not path.startswith("/static") and not path.endswith(("/report", "/healthz")):
            assert f"`{path}`" in PAGE or f"`{path}/`" in PAGE, path
    store.close()
    for name in SERIES:
        assert f"`{name}`" in PAGE, name
