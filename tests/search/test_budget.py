"""Budgets, threads, patience and the order of the portfolio."""

from __future__ import annotations

import pytest

from automl.data.schema import Column, Schema
from automl.errors import OptionError
from automl.search.budget import Budget, parse_duration, plan_threads, usable_cores
from automl.search.pace import patience_for, portfolio
from automl.task import Problem
from tests.families import self_taught


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("5m", 300),
        ("5min", 300),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("90", 90),
        (" 10 S ", 10),
        ("0.5s", 0.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-5s", "0", "0s", "1e3", "nan", "inf", "1m30s", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"is no duration.*Examples: 60s"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [0.5, 8, 60, 600, 36_000])
def test_a_slice_of_the_budget_is_kept_for_the_end(seconds: float) -> None:
    budget = Budget(seconds, started=1_000.0)
    assert budget.deadline == 1_000 + seconds
    reserve = budget.deadline - budget.search_deadline
    assert 0 < reserve <= min(seconds / 2, 60)
    assert reserve >= min(0.349 * seconds, 5)
    assert budget.search_deadline < budget.last_moment < budget.deadline


@pytest.mark.parametrize("seconds", [8, 15, 60, 600])
def test_more_is_kept_where_all_rows_are_to_be_taught(seconds: float) -> None:
    plain, refitting = Budget(seconds, 0.0), Budget(seconds, 0.0, kept=0.2 * seconds)
    assert plain.search_deadline - refitting.search_deadline == pytest.approx(0.2 * seconds)
    assert refitting.search_deadline > 0.4 * seconds


def test_small_data_gets_parallel_trials_and_large_data_parallel_threads() -> None:
    small, large = plan_threads(100_000, cores=8), plan_threads(100_000_000, cores=8)
    assert (small.slots, small.threads) == (8, 1)
    assert (large.slots, large.threads) == (1, 8)
    for cells in (1, 10_000_000, 100_000_000):
        for cores in (1, 2, 3, 16):
            plan = plan_threads(cells, cores)
            assert 1 <= plan.slots * plan.threads <= cores
    assert usable_cores() >= 1


def test_patience_grows_with_the_rows() -> None:
    assert [patience_for(rows) for rows in (1, 100, 500, 2_500, 10_000, 100_000, 10**9)] == [4, 4, 8, 15, 40, 100, 100]
    assert all(patience_for(rows) <= patience_for(rows + 500) for rows in range(1, 20_000, 500))


def test_the_portfolio_alternates_families_best_first() -> None:
    families = list(self_taught().values())
    columns = (Column("x", "number"),)
    problem = Problem(Schema(columns, "y", "classify", ("a", "b")), "tabular", "roc_auc")
    queue = portfolio(families, problem)
    assert [name for name, _ in queue[: len(families)]] == [family.name for family in families]
    for family in families:
        assert [point for name, point in queue if name == family.name] == family.portfolio(problem)
