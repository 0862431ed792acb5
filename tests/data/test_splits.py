"""Splits: every row has one place, classes keep their shares, and the holdout is seen by no fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.schema import Schema
from automl.data.splits import HOLDOUT, HOLDOUT_FROM_ROWS, Structure, each_fold, fold_count, make_split
from automl.errors import TargetError

CLASSIFY = Schema((), "goal", "classify", ("a", "b", "c"))
REGRESS = Schema((), "goal", "regress")
HELD_ROWS = st.integers(HOLDOUT_FROM_ROWS, HOLDOUT_FROM_ROWS + 1_000)  # so many rows that some are held out


@given(st.integers(5, 3_000) | HELD_ROWS, st.integers(0, 5), st.sampled_from([CLASSIFY, REGRESS]))
def test_every_row_has_one_place(rows: int, seed: int, schema: Schema) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, rows) if schema is CLASSIFY else rng.normal(size=rows)
    split = make_split(target, schema, seed)
    np.testing.assert_array_equal(split.assignment, make_split(target, schema, seed).assignment)
    seen = np.concatenate([valid for _, _, valid in each_fold(split)])
    assert sorted(seen) == split.validated.tolist()
    assert len(set(seen)) == len(seen)
    assert len(split.validated) + len(split.holdout) == rows
    for _, train, valid in each_fold(split):
        assert len(valid)
        assert not set(train) & set(valid)
        assert not set(split.holdout) & (set(train) | set(valid))


def test_another_seed_is_another_split() -> None:
    target = np.arange(500) % 3
    assert (make_split(target, CLASSIFY, 0).assignment != make_split(target, CLASSIFY, 1).assignment).any()


@pytest.mark.parametrize(
    ("rows", "held"), [(4_999, 0), (5_000, 500), (10_000, 1_000), (20_000, 1_000), (40_000, 2_000), (500_000, 20_000)]
)
def test_the_holdout_is_a_twentieth_and_never_too_few_to_say_something(rows: int, held: int) -> None:
    assert len(make_split(np.arange(rows) % 2, CLASSIFY, 0).holdout) == held


def test_classes_keep_their_shares_everywhere() -> None:
    target = np.random.default_rng(0).choice(3, 6_000, p=[0.9, 0.08, 0.02])
    split = make_split(target, CLASSIFY, 0)
    shares = np.bincount(target) / len(target)
    assert len(split.holdout)
    for part in (split.holdout, *(valid for _, _, valid in each_fold(split))):
        got = np.bincount(target[part], minlength=3) / len(part)
        np.testing.assert_allclose(got, shares, atol=1.5 / len(part))


def test_numbers_are_spread_evenly() -> None:
    target = np.random.default_rng(0).lognormal(size=1_500)
    split = make_split(target, REGRESS, 0)
    middle = np.median(target)
    for _, _, valid in each_fold(split):
        assert abs((target[valid] > middle).mean() - 0.5) < 0.05


@pytest.mark.parametrize(("rows", "folds"), [(79, 5), (80, 8), (999, 8), (1_000, 5), (60_001, 3), (300_001, 1)])
def test_large_data_gets_fewer_folds(rows: int, folds: int) -> None:
    assert fold_count(rows) == folds
    split = make_split(np.arange(rows) % 2, CLASSIFY, 0)
    assert split.assignment.max() == folds - 1
    train, valid = split.fold(0)
    assert len(train) > len(valid)
    assert (split.assignment[train] != HOLDOUT).all()


@pytest.mark.parametrize(
    ("rows", "work", "folds"),
    [
        (299, 1e9, 8),
        (1_999, 1e9, 3),
        (1_999, 1e7, 5),
        (2_000, 1e9, 1),
        (2_000, 1e7, 3),
        (5_000, 1e7, 1),
        (5_000, 5e5, 3),
        (5_000, 3e5, 5),
    ],
)
def test_more_work_than_time_gets_fewer_folds(rows: int, work: float, folds: int) -> None:
    split = make_split(np.arange(rows) % 2, CLASSIFY, 0, work=work)
    assert (fold_count(rows, work), split.folds) == (folds, folds)
    assert len(split.fold(0)[1]) == pytest.approx((rows - len(split.holdout)) / (8 if folds == 1 else folds), abs=1)


@pytest.mark.parametrize("rows", [1, 4])
def test_fewer_rows_than_folds_are_refused(rows: int) -> None:
    with pytest.raises(TargetError, match="cannot be split into 5 folds"):
        make_split(np.arange(rows) % 2, CLASSIFY, 0)


@given(st.integers(5, 60), st.integers(60, 2_500) | HELD_ROWS, st.integers(0, 3), st.sampled_from([CLASSIFY, REGRESS]))
def test_a_group_is_in_one_place_and_every_fold_has_rows(groups: int, rows: int, seed: int, schema: Schema) -> None:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(groups), rng.integers(0, groups, rows - groups)])
    target = rng.integers(0, 3, rows) if schema is CLASSIFY else rng.normal(size=rows) * (rng.random(rows) < 0.3)
    split = make_split(target, schema, seed, Structure("group", groups=codes))
    for group in range(groups):
        assert len(set(split.assignment[codes == group])) == 1
    for _, train, valid in each_fold(split):
        assert len(train)
        assert len(valid)
        assert not set(codes[train]) & set(codes[valid])
        assert not set(codes[split.holdout]) & set(codes[train])


def test_groups_spread_their_classes() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 200, 4_000)
    target = rng.choice(3, 200, p=[0.8, 0.15, 0.05])[codes]  # a group has one class
    split = make_split(target, CLASSIFY, 0, Structure("group", groups=codes))
    shares = np.bincount(target) / len(target)
    for _, _, valid in each_fold(split):
        np.testing.assert_allclose(np.bincount(target[valid], minlength=3) / len(valid), shares, atol=0.05)


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(TargetError, match="4 groups cannot be split into 5 folds"):
        make_split(np.arange(100) % 2, CLASSIFY, 0, Structure("group", groups=np.arange(100) % 4))


@given(st.integers(30, 3_000) | HELD_ROWS, st.integers(0, 3))
def test_time_goes_forward(rows: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(rows) // 3.0  # three rows of each moment, in no order
    split = make_split(np.arange(rows) % 2, CLASSIFY, seed, Structure("time", order=order))
    assert split.forward
    for number, train, valid in each_fold(split):
        assert order[train].max() < order[valid].min()
        if number:
            assert len(train) > len(split.fold(number - 1)[0])
    if len(split.holdout):
        assert order[split.holdout].min() > order[split.assignment != HOLDOUT].max()
    assert (len(split.holdout) > 0) == (rows >= HOLDOUT_FROM_ROWS)


def test_the_last_learner_of_forward_folds_knows_all_but_the_holdout() -> None:
    split = make_split(np.arange(6_000) % 2, CLASSIFY, 0, Structure("time", order=np.arange(6_000.0)))
    assert len(split.holdout)
    final = split.final()
    assert final is not None
    train, stopping = final
    assert sorted([*train, *stopping]) == np.flatnonzero(split.assignment != HOLDOUT).tolist()
    assert make_split(np.arange(6_000) % 2, CLASSIFY, 0).final() is None


def test_too_few_moments_are_refused() -> None:
    with pytest.raises(TargetError, match="2 different moments"):
        make_split(np.arange(100) % 2, CLASSIFY, 0, Structure("time", order=np.arange(100) // 50.0))


def test_copies_are_validated_in_one_fold() -> None:
    copies = np.arange(6_000)
    copies[3_000:] = np.arange(3_000)
    split = make_split(np.arange(6_000) % 2, CLASSIFY, 0, Structure(copies=copies))
    np.testing.assert_array_equal(split.assignment[3_000:], split.assignment[:3_000])
    assert len(split.holdout)


def test_random_folds_ignore_the_classes() -> None:
    target = np.arange(1_000) % 2
    random, stratified = (make_split(target, CLASSIFY, 0, Structure(kind)) for kind in ("random", "stratified"))
    assert (random.assignment != stratified.assignment).any()
    assert np.bincount(random.assignment).tolist() == [200] * 5


def test_a_class_rarer_than_the_folds_is_spread() -> None:
    target = np.zeros(100, dtype=np.int64)
    target[:2] = 1
    split = make_split(target, CLASSIFY, 0)
    assert len(set(split.assignment[:2])) == 2


def test_a_few_huge_groups_leave_no_fold_empty() -> None:
    codes = np.repeat([0, 1, 2, 3, 4], [5_980, 5, 5, 5, 5])
    split = make_split(np.arange(6_000) % 2, CLASSIFY, 0, Structure("group", groups=codes))
    assert all(len(train) and len(valid) for _, train, valid in each_fold(split))


def test_rows_alike_by_chance_are_dealt_out_like_others() -> None:
    copies = np.arange(6_000) % 4
    split = make_split(np.arange(6_000) % 2, CLASSIFY, 0, Structure(copies=copies))
    assert np.bincount(split.assignment + 1).tolist() == [600, 1_080, 1_080, 1_080, 1_080, 1_080]


@pytest.mark.parametrize(("rows", "different"), [(10, 5), (20, 10), (6, 4), (40, 25)])
@pytest.mark.parametrize("seed", range(5))
def test_copies_never_leave_a_fold_empty(rows: int, different: int, seed: int) -> None:
    copies = np.arange(rows) % different
    split = make_split(np.arange(rows) % 2, CLASSIFY, seed, Structure(copies=copies))
    assert all(len(valid) for _, _, valid in each_fold(split))


def test_a_row_that_is_common_is_parted_and_copies_of_others_are_not() -> None:
    copies = np.arange(6_000)
    copies[3_001:] = 3_000
    copies[500:600] = np.arange(100)
    split = make_split(np.arange(6_000) % 2, CLASSIFY, 0, Structure(copies=copies))
    sizes = np.bincount(split.assignment + 1)
    assert sizes[0] == pytest.approx(600, abs=60)
    assert max(sizes[1:]) < 1.2 * min(sizes[1:])
    np.testing.assert_array_equal(split.assignment[500:600], split.assignment[:100])


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_few_groups_of_very_many_rows_leave_some_to_train_on(groups: int) -> None:
    rows = 300_030
    codes = np.arange(rows) % groups
    split = make_split(np.arange(rows) // 2 % 2, CLASSIFY, 0, Structure("group", groups=codes))
    train, valid = split.fold(0)
    assert len(train)
    assert len(valid)
    assert not set(codes[train]) & set(codes[valid])
