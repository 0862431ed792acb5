"""The dashboard for Grafana is one that Grafana can load, and asks for series that there are."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from automl.cli import build_app
from automl_monitoring.dashboard.metrics import PREFIX, SERIES
from automl_serving.observed import Observed

KINDS = {"row", "stat", "timeseries"}


@pytest.fixture
def board(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    build_app()(["monitor", "grafana"], standalone_mode=False)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def known() -> set[str]:
    """Every series that is told, by the dashboard and by an endpoint."""
    found = {f"{PREFIX}_{name}" for name in SERIES}
    for family in Observed().registry.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {f"{family.name}{ending}" for ending in endings}
    return found


def test_every_series_that_it_asks_for_is_told(board: dict[str, Any]) -> None:
    asked = {target["expr"] for panel in board["panels"] for target in panel.get("targets", ())}
    asked |= {each["expr"] for each in board["annotations"]["list"]}
    asked |= {each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"}
    named = {name for expression in asked for name in re.findall(r"automl_\w+", expression)}
    assert named - known() == set()
    for name in ("verdict", "score", "estimate", "drift", "labelled_share", "retrainings_total", "job_stage"):
        assert f"{PREFIX}_{name}" in named


def test_every_legend_names_labels_that_the_series_has(board: dict[str, Any]) -> None:
    for target in (target for panel in board["panels"] for target in panel.get("targets", ())):
        series = re.findall(rf"{PREFIX}_(\w+)", target["expr"])
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        if series:
            assert named <= {label for name in series for label in SERIES[name][1]}, target["expr"]


def test_every_panel_is_whole_and_none_hides_another(board: dict[str, Any]) -> None:
    assert board["title"]
    assert isinstance(board["schemaVersion"], int)
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in KINDS
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            assert re.fullmatch("[A-Z]", target["refId"])
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart
    assert {each["name"] for each in board["templating"]["list"]} == {"datasource", "model"}
