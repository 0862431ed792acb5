"""Choices: the best, the balanced, the quickest, and what keeps to a user's limits; from a real run where it can be."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import conform
from automl.errors import OptionError
from automl.hooks import find_architecture
from automl.metrics import find_metric
from automl.model.artifact import SelfTest, load_model, read_card, save_model, verify_model
from automl.model.assembly import Assembly, assemble
from automl.model.choices import PREFERENCES, Chooser, Limits, Offer, offers, shortlist, spare, thinned
from automl.model.honest import nested_scores
from automl.search.ensemble import Cost, Pool
from automl.search.events import TrialSpec
from automl.search.run import TrialResult
from automl.search.worker import open_workbench

from ..search.conftest import Bench, evaluate_to_end, make_bench

RMSE = find_metric("rmse")


def result(number: int, loss: float, row_ms: float, size: int, family: str = "lightgbm") -> TrialResult:
    return TrialResult(number, family, {}, loss, (loss, loss), 1.0, 0.01, row_ms=row_ms, bytes=size)


def world(errors: dict[int, float], costs: dict[int, Cost], rows: int = 3_000) -> Pool:
    """Trials that err independently, each by so much."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=rows)
    outputs = {number: target + error * rng.normal(size=rows) for number, error in errors.items()}
    return Pool(outputs, target, RMSE, costs, floor=1.0)


def test_balanced_takes_the_quick_ones_if_they_are_as_good() -> None:
    errors = {0: 0.300, 1: 0.301, 2: 0.302, 3: 0.303, 4: 0.5}
    costs = {number: Cost(5.0 if number < 2 else 0.5, 1e6) for number in errors}
    shared = world(errors, costs)
    outputs = {number: 0.97 * shared.outputs[0] + 0.03 * output for number, output in shared.outputs.items()}
    pool = Pool(outputs, shared.target, RMSE, costs, floor=1.0)
    chosen = Chooser(pool, Limits()).choose("balanced")
    assert set(chosen) <= {2, 3, 4}


def test_balanced_is_slow_where_the_quick_ones_are_much_worse() -> None:
    pool = world({0: 0.1, 1: 0.11, 2: 0.6}, {0: Cost(3.0, 1e6), 1: Cost(3.0, 1e6), 2: Cost(0.1, 1e6)})
    chooser = Chooser(pool, Limits())
    assert set(chooser.choose("best")) == {0, 1}
    assert set(chooser.choose("balanced")) == {0, 1}


def test_fastest_is_one_trial_that_is_nearly_as_good_as_the_best() -> None:
    errors = {0: 0.300, 1: 0.302, 2: 0.303, 3: 0.6}
    pool = world(errors, {0: Cost(3.0), 1: Cost(0.5), 2: Cost(0.2), 3: Cost(0.01)})
    assert Chooser(pool, Limits()).choose("fastest") == {2: 1}


def test_without_times_the_smallest_is_taken_for_the_quickest() -> None:
    errors = {0: 0.300, 1: 0.302, 2: 0.303}
    pool = world(errors, {0: Cost(3.0, 900), 1: Cost(0.5, 100), 2: Cost(0.2, 500)})
    assert Chooser(pool, Limits(timed=False)).choose("fastest") == {1: 1}
    assert Chooser(pool, Limits(timed=False)).choose("balanced") == Chooser(pool, Limits("best")).choose("best")
    asked = Limits(max_latency_ms=0.5, timed=False)
    assert pool.cost(Chooser(pool, asked).choose("balanced")).within(asked.learners)


def test_every_choice_keeps_to_the_limits() -> None:
    pool = world({0: 0.1, 1: 0.11, 2: 0.12, 3: 0.13}, {number: Cost(1.0 + number, 1e6) for number in range(4)})
    limits = Limits(max_latency_ms=5.0, max_bytes=2_000_000)
    for name in PREFERENCES:
        spent = pool.cost(Chooser(pool, limits).choose(name))
        assert spent.within(limits.learners)


def test_a_family_too_many_for_the_limit_is_kept_with_fewer_learners_of_each() -> None:
    costs = {number: Cost(1.0, 20e6) for number in range(3)}
    errors, limits = {0: 0.30, 1: 0.31, 2: 0.32}, Limits()
    assert len(Chooser(world(errors, costs), limits).choose("best")) == 2, "three times 20 MB are over 45 MB"
    roomy = replace(world(errors, costs), learners=8, spare=spare([], 8))
    chosen = Chooser(roomy, limits).choose("best")
    assert set(chosen) == {0, 1, 2}
    kept = thinned("best", roomy.cost(chosen), 8, limits)
    assert kept == 6
    assert roomy.cost(chosen).times(kept / 8).within(limits.learners)
    assert thinned("best", roomy.cost([0]), 8, limits) == 8
    assert spare([Offer(result(0, 0.1, 5.0, 1000), single=True)], 8) == 1.0, "a single learner cannot be thinned"


@pytest.mark.parametrize("limits", [Limits(max_bytes=1_000_000), Limits(max_latency_ms=5.0)])
def test_thinned_members_keep_to_what_was_asked(limits: Limits) -> None:
    spent = limits.learners.times(spare([], 8)) if limits.max_latency_ms else Cost(9.0, 2e6)
    for name in PREFERENCES:
        assert spent.times(thinned(name, spent, 8, limits) / 8).within(limits.learners)


def test_what_is_too_large_as_a_whole_is_offered_as_one_learner() -> None:
    results = [result(0, 0.1, 5.0, 1000), result(1, 0.2, 0.1, 1000), result(2, 0.3, 50.0, 1000)]
    found, note = offers(results, 5, Limits(max_latency_ms=2.0))
    assert [(offer.result.number, offer.single) for offer in found] == [(0, True), (1, False)]
    assert found[0].cost == Cost(1.0, 200)
    assert note == ""
    assert [offer.single for offer in offers(results, 5, Limits())[0]] == [False] * 3
    assert [offer.result.number for offer in offers(results, 1, Limits(max_latency_ms=2.0))[0]] == [1]


def test_if_nothing_keeps_to_the_limits_the_least_is_offered_and_said() -> None:
    results = [result(0, 0.1, 5.0, 8_000_000, "catboost"), result(1, 0.2, 2.0, 5_000_000, "linear")]
    [offer], note = offers(results, 5, Limits(max_latency_ms=0.1))
    assert (offer.result.number, offer.single) == (1, True)
    assert "no trial keeps to 0.1 ms a row" in note
    assert "linear, about 0.67 ms a row and 1 MB" in note
    assert "0.5 ms a row and 1 MB" in offers(results, 5, Limits(max_latency_ms=0.5, max_bytes=1_000_000))[1]


def test_the_shortlist_has_the_best_of_every_family() -> None:
    results = [result(number, number / 1000, 0.1, 1) for number in range(100)]
    results += [result(200, 5.0, 0.1, 1, "linear"), result(201, 4.0, 0.1, 1, "linear")]
    found = shortlist(offers(results, 5, Limits())[0])
    assert [offer.result.number for offer in found] == [*range(58), 201, 200]


@pytest.mark.parametrize("wrong", [{"prefer": "quickest"}, {"max_latency_ms": 0.0}, {"max_bytes": -1}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float | str]) -> None:
    with pytest.raises(OptionError):
        Limits(**wrong)  # type: ignore[arg-type]


def test_the_nested_estimate_is_not_taken_in_by_chance() -> None:
    """Of many trials that know nothing, the best look good on the rows they are chosen by."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 300)
    outputs = {number: rng.dirichlet([1, 1], 300) for number in range(40)}
    pool = Pool(outputs, target, find_metric("roc_auc"))
    chosen = pool.mixed(Chooser(pool, Limits()).choose("balanced"))
    assert pool.metric.score(target, chosen) > 0.58
    scores = nested_scores(pool, Limits(), 2)
    assert scores["nested_low"] < 0.5 < scores["nested_high"]
    assert scores["nested_low"] < scores["nested"] < scores["nested_high"]
    late = Pool(outputs, target, find_metric("roc_auc"), deadline=time.time() - 1)
    assert nested_scores(late, Limits(), 2) == {}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> Iterator[Bench]:
    """A run with two linear trials and one of LightGBM, all finished."""
    made = make_bench(churn_rows, tmp_path_factory.mktemp("runs"))
    for number, name in enumerate(("linear", "linear", "lightgbm")):
        try_one(made, number, name)
    yield made
    made.run.close()


def try_one(bench: Bench, number: int, name: str) -> None:
    """Evaluate a trial of this architecture."""
    family = find_architecture("tabular", name)
    parameters = family.portfolio(bench.run.problem())
    spec = TrialSpec(number, name, parameters[number % len(parameters)], 30.0, time.time() + 30, 1)
    evaluate_to_end(spec, family, open_workbench(bench.run.folder))


def assembled(bench: Bench, limits: Limits) -> Assembly:
    return assemble(bench.evidence(), limits=limits)


def test_a_run_has_three_choices_and_delivers_the_preferred_one(bench: Bench) -> None:
    for name in PREFERENCES:
        assembly = assembled(bench, Limits(name))
        choices = {choice.name: choice for choice in assembly.choices}
        assert list(choices) == list(PREFERENCES)
        chosen, card = choices[name], assembly.model.card
        assert card.choice == name
        assert [choice["name"] for choice in card.choices] == list(PREFERENCES)
        assert sum(chosen.weights.values()) == pytest.approx(1)
        assert [member.weight for member in assembly.model.members] == list(chosen.weights.values())
        answering = [chosen.learners.get(number, bench.split.folds) for number in chosen.weights]
        assert [len(member.learners) for member in assembly.model.members] == answering
        assert chosen.score == pytest.approx(card.scores["out_of_fold"])
        assert {row.trial: row.weight for row in assembly.leaderboard if row.weight} == chosen.weights
        assert card.scores["nested_low"] < card.scores["nested"] < card.scores["nested_high"]
        assert choices["fastest"].row_ms <= assembly.leaderboard[0].row_ms


def test_where_no_time_may_count_every_small_member_answers_with_all_its_learners(bench: Bench) -> None:
    for name in PREFERENCES:
        assembly = assembled(bench, Limits(name, timed=False))
        assert all(not choice.learners for choice in assembly.choices)
        assert all(len(member.learners) == bench.split.folds for member in assembly.model.members)
    slow = Cost(row_ms=50.0, bytes=1e6)
    assert thinned("balanced", slow, 8, Limits("balanced", timed=False)) == 8
    assert thinned("balanced", slow, 8, Limits("balanced")) == 1
    assert thinned("balanced", slow, 8, Limits("balanced", max_latency_ms=50.0, timed=False)) == 1


def test_the_leaderboard_knows_ties_and_what_a_trial_costs(bench: Bench) -> None:
    rows = assembled(bench, Limits()).leaderboard
    assert [row.rank for row in rows] == [1, 2, 3]
    assert rows[0].tie
    for row in rows:
        assert row.row_ms > 0
        assert row.mb > 0
        assert row.spread > 0
        assert math.isfinite(row.train_score)
        assert json.loads(json.dumps(row.record(), allow_nan=False))["tie"] == row.tie


def test_under_a_tight_limit_single_learners_answer(bench: Bench, churn_rows: pd.DataFrame) -> None:
    sizes = {row.trial: row.mb * 1e6 for row in assembled(bench, Limits()).leaderboard}
    limit = int(min(sizes.values()) / bench.split.folds * 1.5)
    assembly = assembled(bench, Limits(max_bytes=limit))
    [member] = assembly.model.members
    assert len(member.learners) == 1
    assert all(choice.learners and choice.bytes <= limit for choice in assembly.choices)
    assert assembly.notes == ()
    few = {column.name: churn_rows[column.name].tolist()[:4] for column in assembly.model.schema.used}
    home = bench.run.folder / "artifact"
    save_model(assembly.model, home, SelfTest(few, assembly.model.outputs(conform(few, assembly.model.schema))))
    assert verify_model(load_model(home)) == 4
    assert read_card(home).choices[0]["learners"] == {
        str(number): many for number, many in assembly.choices[0].learners.items()
    }

    impossible = assembled(bench, Limits(max_bytes=10))
    assert len(impossible.model.members) == 1
    assert "no trial keeps to 1e-05 MB" in impossible.notes[0]


def test_the_holdout_is_answered_by_the_learners_that_are_delivered(tmp_path: Path, churn_rows: pd.DataFrame) -> None:
    many = pd.concat([churn_rows] * 5, ignore_index=True)
    bench = make_bench(many, tmp_path, len(many))
    try_one(bench, 0, "linear")
    held = bench.split.holdout
    for limits, learners in ((Limits(), 5), (Limits(max_bytes=bench.run.results()[0].bytes // 2), 1)):
        assembly = assembled(bench, limits)
        [member] = assembly.model.members
        assert len(member.learners) == learners
        answers = assembly.model.outputs(bench.dataset.rows.take(held))
        np.testing.assert_allclose(assembly.outputs[held], answers, rtol=1e-9)
        scores = assembly.model.card.scores
        assert scores["holdout"] == pytest.approx(bench.metric.score(bench.dataset.target[held], answers))
        assert "nested" not in scores
    bench.run.close()


def test_the_same_trials_give_the_same_choices(bench: Bench) -> None:
    once, again = (assembled(bench, Limits()) for _ in range(2))
    assert once.choices == again.choices
    assert once.leaderboard == again.leaderboard
    np.testing.assert_array_equal(once.outputs, again.outputs)
