"""A stranger's metric: found by name, optimised, weighed where it can, and named where it fails."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.schema import Schema
from automl.engine import FitRequest, FitResult, fit_table
from automl.errors import OptionError, PluginError
from automl.hooks import GROUP, plugins
from automl.metrics import BUILT_IN, Loss, Metric, check_target, choose_metric, find_metric, training_loss
from automl.model.threshold import choose_decision
from automl.store import Store

STRANGER = '''
import numpy as np

from automl.hooks import hookimpl
from automl.metrics import Loss, Metric

COST = {"missed": 5.0, "alarm": 1.0}


def cost(target, classes):
    missed, alarm = (target == 1) & (classes == 0), (target == 0) & (classes == 1)
    return float(np.mean(COST["missed"] * missed + COST["alarm"] * alarm))


def shortfall(target, values, weights):
    """Too little is twice as bad as too much."""
    errors = target - values
    return float(np.average(np.where(errors > 0, 2 * errors, -errors), weights=weights))


def shy(target, shares):
    """Has nothing to say of a part of the data, as of a fold or of a resample."""
    if len(target) < 110:
        raise LookupError("too few rows to tell")
    return float(((shares[:, 1] - target) ** 2).mean())


def broken(target, shares):
    return 1 / 0


@hookimpl
def automl_metrics():
    return [
        Metric("cost", ("classify",), "classes", False, cost, binary_only=True),
        Metric("shortfall", ("regress",), "values", False, shortfall, weighs=True, training=Loss("quantile", 2 / 3)),
        Metric("shy", ("classify",), "probabilities", False, shy),
        Metric("broken", ("classify",), "probabilities", True, broken),
        Metric("nothing", ("classify",), "probabilities", True, lambda target, shares: None),
        Metric("endless", ("classify",), "probabilities", True, lambda target, shares: float("inf")),
    ]
'''
IMPOLITE = """
from automl.hooks import hookimpl
from automl.metrics import Metric


@hookimpl
def automl_metrics():
    return [Metric("rmse", ("regress",), "values", True, lambda target, values: 0.0)]
"""
TWO = Schema((), "y", "classify", ("no", "yes"))
TARGET = np.array([0, 1] * 60)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two plugins as pip would install them."""
    for name, text in (("costly", STRANGER), ("impolite", IMPOLITE)):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (tmp_path / f"foreign_{name}.py").write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = foreign_{name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.cache_clear()
    yield
    plugins.cache_clear()
    for name in [name for name in sys.modules if name.startswith("foreign_")]:
        del sys.modules[name]


def fitted(frame: pd.DataFrame, target: str, metric: str, store: Store, roles: Roles | None = None) -> FitResult:
    request = FitRequest(target=target, metric=metric, seconds=30, max_trials=1, executor="inline", name="it")
    return fit_table(Table(frame), replace(request, roles=roles or Roles()), store)


@pytest.mark.usefixtures("installed")
def test_a_cost_of_errors_is_optimised_and_moves_the_threshold(churn_rows: pd.DataFrame, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    result = fitted(churn_rows, "Churn", "cost", store)
    card = result.model.card
    assert card.metric == "cost"
    assert 0 < card.scores["out_of_fold"] < 0.7  # to answer always yes costs the share of No, always no 1.3
    # An alarm costs a fifth of what is missed, so it is worth it from a probability of about a sixth on.
    assert result.model.decision
    assert result.model.decision[0] == pytest.approx(1 / 6, abs=0.1)
    assert result.leaderboard[0].score > 0
    store.close()


@pytest.mark.usefixtures("installed")
def test_a_metric_says_how_to_learn_for_it_and_weighs_rows() -> None:
    metric = choose_metric("shortfall", Schema((), "y", "regress"))
    assert training_loss("shortfall", "regress") == Loss("quantile", 2 / 3)
    target = np.arange(9.0)
    assert metric.best_constant(target, 1) == pytest.approx(5.5, abs=0.5)
    assert metric.score(target, target - 1, np.ones(9)) == 2
    assert metric.score(np.array([0.0, 0.0]), np.array([1.0, -1.0]), np.array([3.0, 1.0])) == 1.25
    assert check_target(metric, target, Schema((), "y", "regress"), np.ones(9)) == ()


@pytest.mark.usefixtures("installed")
def test_one_that_does_not_weigh_says_so() -> None:
    [note] = check_target(find_metric("cost"), TARGET, TWO, np.ones(120))
    assert note == "the metric cost does not weigh rows: training does, the scores do not"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "the metric 'broken' fails (ZeroDivisionError: "),
        ("nothing", "the metric 'nothing' fails (TypeError: "),
        ("endless", "the metric 'endless' gives inf, which is no score"),
    ],
)
def test_one_that_always_fails_is_named_before_the_search(
    name: str, words: str, churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(PluginError) as refused:
        fitted(churn_rows, "Churn", name, store)
    assert words in str(refused.value)
    assert "Correct the plugin, or use another --metric." in str(refused.value)
    assert list(store.runs_folder.glob("*")) == []
    store.close()


@pytest.mark.usefixtures("installed")
def test_one_that_fails_on_some_rows_does_not_kill_the_run(churn_rows: pd.DataFrame, tmp_path: Path) -> None:
    """There are 100 rows in a fold of 500, of which it tells nothing; of all rows together it does."""
    store = Store(tmp_path / "store")
    result = fitted(churn_rows.head(500), "Churn", "shy", store)
    assert result.model.card.metric == "shy"
    assert result.leaderboard
    assert 0 < result.model.card.scores["out_of_fold"] < 0.3
    store.close()


@pytest.mark.usefixtures("installed")
def test_where_it_fails_there_is_no_score_and_a_reason() -> None:
    shares, shy = np.full((120, 2), 0.5), find_metric("shy")
    assert shy.score(TARGET, shares) == 0.25
    assert shy.complaint(TARGET, shares) == ""
    assert np.isnan(shy.loss(TARGET[:9], shares[:9]))
    assert shy.complaint(TARGET[:9], shares[:9]) == "the metric 'shy' fails (LookupError: too few rows to tell)"
    assert choose_decision(find_metric("cost"), TARGET, shares, ["no", "yes"]).weights == ()


@pytest.mark.usefixtures("installed")
def test_a_name_of_ours_cannot_be_taken_and_a_typo_is_met_with_the_name() -> None:
    assert find_metric("rmse").score(np.zeros(2), np.ones(2)) == 1
    [impolite] = [record for record in plugins().records() if record.name == "impolite"]
    assert "The name 'rmse' is taken by a built-in metric." in impolite.error
    with pytest.raises(OptionError, match="Did you mean 'shortfall'"):
        find_metric("shortfal")
    with pytest.raises(OptionError, match="The plugin 'impolite' failed: automl_metrics: "):
        find_metric("shortfal")


def test_the_docs_name_every_metric_and_their_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for metric in BUILT_IN:
        assert f"`{metric.name}`" in text
    for field in fields(Metric):
        assert f"| `{field.name}` |" in text
    (tmp_path / "foreign_churn_costs.py").write_text(text.partition("```python\n")[2].partition("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    cost, shortage = importlib.import_module("foreign_churn_costs").automl_metrics()
    assert cost.score(TARGET, np.eye(2)[1 - TARGET]) == 27.5
    assert check_target(cost, TARGET, TWO, np.ones(120)) == ()
    assert check_target(shortage, np.arange(9.0), Schema((), "y", "regress")) == ()
