"""When a challenger is trained. Each case is a short history of checks and what follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from automl_monitoring.policy import RetrainPolicy
from automl_monitoring.trigger import Judged, Seen, Situation, Tried, budget_left, choose, recompute, record_of

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = RetrainPolicy()


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


def seen(number: int, verdict: str = "healthy", performance: Judged = "", blocks: bool = False) -> Seen:
    """Window `number` of version 1, which ended and was checked at that hour."""
    return Seen(number, "d" * 64, 1, number * 100, number * 100 + 99, at(number), verdict, blocks, performance)


def tried(job: int, stage: str, begun: float, ended: float) -> Tried:
    return Tried(job, stage, at(begun), at(ended))


def situation(*windows: Seen, labels: int = 1000, jobs: tuple[Tried, ...] = (), now: float = 50) -> Situation:
    return Situation("churn", 1, at(0), at(now), windows, jobs, labels, 2)


def test_a_quiet_model_is_left_alone() -> None:
    assert choose(situation(seen(1), seen(2, "watch"), seen(3)), POLICY).answer == "wait"
    assert choose(situation(), POLICY).answer == "wait"


def test_a_fall_that_labels_show_is_enough() -> None:
    fell = situation(seen(1), seen(2, "act", "act"), labels=120)
    choice = choose(fell, POLICY)
    assert (choice.answer, choice.needed) == ("retrain", 100)
    assert "performance fell (check 2)" in choice.why
    assert choose(replace(fell, labels=99), POLICY).answer == "wait"
    # Newer windows without labels say nothing against it; one whose labels say that it holds does.
    assert choose(replace(fell, windows=(*fell.windows, seen(3))), POLICY).answer == "retrain"
    assert choose(replace(fell, windows=(*fell.windows, seen(3, "healthy", "healthy"))), POLICY).answer == "wait"


def test_without_labels_two_windows_in_a_row_must_agree() -> None:
    assert choose(situation(seen(1), seen(2, "act")), POLICY).answer == "wait"
    assert choose(situation(seen(1, "act"), seen(2), seen(3, "act")), POLICY).answer == "wait"
    both = situation(seen(1, "act"), seen(2, "act"))
    assert choose(both, POLICY).answer == "retrain"
    few = choose(replace(both, labels=499), POLICY)
    assert (few.answer, few.why.split(", but ")[1]) == ("wait", "499 labels came since, and 500 are needed")
    many = replace(both, classes=40)
    assert choose(many, POLICY).answer == "retrain"
    assert choose(replace(many, classes=60), POLICY).answer == "wait"  # 20 of each class


def test_windows_with_too_few_rows_are_passed_over() -> None:
    assert choose(situation(seen(1, "act"), seen(2, "unknown"), seen(3, "act")), POLICY).answer == "retrain"


def test_a_window_that_was_checked_again_counts_once() -> None:
    late = replace(seen(2, "act"), check=9, time=at(9))
    assert choose(situation(seen(2, "act"), late), POLICY).answer == "wait"
    labelled = replace(seen(2, "act", "act"), check=9, time=at(9))
    assert choose(situation(seen(2), seen(3), labelled), POLICY).answer == "retrain"


def test_broken_data_block_whatever_else_is_said() -> None:
    broken = seen(3, "act", "act", blocks=True)
    assert choose(situation(seen(1, "act", "act"), seen(2, "act", "act"), broken), POLICY).answer == "block"
    # Once they are whole again, what was broken is not counted.
    assert choose(situation(seen(2), broken, seen(4)), POLICY).answer == "wait"


def test_windows_of_another_version_or_from_before_the_last_job_say_nothing() -> None:
    other = replace(seen(2, "act", "act"), number=2)
    assert choose(situation(other), POLICY).answer == "wait"
    kept = (tried(1, "kept", 2.5, 3),)
    assert choose(situation(seen(1, "act", "act"), seen(2, "act"), jobs=kept), POLICY).answer == "wait"
    assert choose(situation(seen(4, "act", "act"), jobs=kept), POLICY).answer == "retrain"


def test_one_at_a_time_with_pauses_and_budgets() -> None:
    fell = seen(49, "act", "act")
    running = choose(situation(fell, jobs=(tried(1, "training", 0, 1),)), POLICY)
    assert (running.answer, running.why) == ("wait", "job 1 is under way (training)")
    cooling = choose(situation(fell, jobs=(tried(1, "kept", 30, 31),)), POLICY)
    assert "began less than 24h ago" in cooling.why
    quick = POLICY.model_copy(update={"cooldown": "1h"})
    twice = (tried(1, "kept", 30, 31), tried(2, "failed", 40, 41))
    assert choose(situation(fell, jobs=twice[:1]), quick).answer == "retrain"
    assert "2 retrainings of a day are used up" in choose(situation(fell, jobs=twice), quick).why
    month = tuple(tried(each, "kept", each, each + 0.5) for each in range(10))
    assert "10 retrainings of 30 days are used up" in choose(situation(fell, jobs=month, now=50), quick).why
    assert budget_left(twice, at(50), POLICY) == (0, 8)


def test_one_that_found_no_rows_to_train_with_has_cost_nothing() -> None:
    nothing = replace(tried(1, "failed", 40, 41), planned=False)
    fell = situation(seen(49, "act", "act"), jobs=(nothing,))
    assert choose(fell, POLICY).answer == "retrain"  # with labels that came since
    assert budget_left(fell.tried, at(50), POLICY) == (2, 10)
    denied = replace(nothing, stage="kept")
    assert "less than 24h ago" in choose(replace(fell, tried=(denied,)), POLICY).why


def test_a_schedule_is_a_floor() -> None:
    floor = POLICY.model_copy(update={"schedule": "2d"})
    assert choose(situation(seen(1), now=49), floor).answer == "retrain"
    assert choose(situation(seen(1), now=47), floor).answer == "wait"
    assert choose(situation(seen(1), now=49, jobs=(tried(1, "kept", 20, 21),)), floor).answer == "wait"
    assert choose(situation(seen(1), now=49, labels=10), floor).answer == "wait"
    assert choose(situation(seen(1, "act", blocks=True), now=49), floor).answer == "block"


def test_a_person_may_have_to_say_yes() -> None:
    asking = POLICY.model_copy(update={"approval": "ask"})
    assert choose(situation(seen(1, "act", "act")), asking).answer == "ask"


@pytest.mark.parametrize("verdict", ["healthy", "act"])
def test_a_decision_is_computed_again_from_its_record(verdict: str) -> None:
    given = situation(seen(1, "act"), seen(2, verdict), jobs=(tried(1, "kept", 0, 0.5),))
    choice = choose(given, POLICY)
    record = json.loads(json.dumps(record_of(given, POLICY)))
    assert recompute(record) == (choice.answer, choice.why)
