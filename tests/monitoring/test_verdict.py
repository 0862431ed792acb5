"""From findings to a verdict."""

from __future__ import annotations

import pytest

from automl_monitoring.checks.columns import beyond_chance
from automl_monitoring.findings import Finding, Verdict
from automl_monitoring.looks import level_at
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.two_sample import Shift
from automl_monitoring.verdict import judge, too_few

POLICY = CheckPolicy()
SHIFT = Shift("tenure", "K-S", 0.4, 1e-9, "median 1 → 2")


def drift(verdict: Verdict, detail: bool = False) -> Finding:
    return Finding("drift", verdict, "tenure moved.", 500, ("tenure",), 0.4, 1e-9, detail=detail)


def performance(verdict: Verdict, rows: int = 400) -> Finding:
    return Finding("performance", verdict, "roc_auc 0.85", rows)


BROKEN = Finding("quality", "act", "tenure looks like another unit.", 500, ("tenure",), blocks=True)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ((), "healthy"),
        ((drift("watch"),), "watch"),
        ((drift("act"),), "act"),
        ((drift("act"), performance("healthy")), "watch"),
        ((drift("act"), performance("healthy", rows=100)), "act"),
        ((performance("act"),), "act"),
        ((performance("healthy"),), "healthy"),
        ((BROKEN, drift("act")), "act"),
        ((BROKEN, performance("healthy")), "act"),
    ],
)
def test_verdicts(findings: tuple[Finding, ...], verdict: str) -> None:
    found, reasons = judge(findings, 500)
    assert found == verdict
    assert reasons


def test_the_gravest_reason_comes_first_and_details_are_none() -> None:
    _, reasons = judge((drift("watch"), drift("watch", detail=True), performance("act"), BROKEN), 500)
    assert reasons == ("tenure looks like another unit.", "roc_auc 0.85", "tenure moved.")


def test_few_rows_are_said() -> None:
    verdict, reasons = too_few(20, 500, 50)
    assert verdict == "unknown"
    assert "20 logged rows" in reasons[0]


def test_small_or_chance_shifts_do_not_count() -> None:
    small = Shift("small", "K-S", 0.05, 1e-9, "")
    chance = Shift("chance", "K-S", 0.4, 0.04, "")
    larger = Shift("larger", "K-S", 0.9, 1e-9, "")
    few_rows = Shift("few rows", "chi-square", 0.15, 1e-9, "", chance=0.14)
    found = beyond_chance([small, SHIFT, chance, larger, few_rows], POLICY.significance, POLICY.effect_floor)
    assert [shift.column for shift in found] == ["larger", "tenure"]


def test_looking_again_costs_level_but_never_all_of_it() -> None:
    levels = [level_at(looks, 0, 0.01) for looks in range(5_000)]
    assert sum(levels) <= 0.01
    assert levels[1_000] > 1e-8  # what a K-S distance of 0.15 at 1,000 rows still passes
    assert level_at(50, 3, 0.01) == pytest.approx(4 * levels[50])
