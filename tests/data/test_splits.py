"""Splits: every row has one place, classes keep their shares, and the holdout is seen by no fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.schema import Schema
from automl.data.splits import HOLDOUT, each_fold, fold_count, make_split
from automl.errors import TargetError

CLASSIFY = Schema((), "goal", "classify", ("a", "b", "c"))
REGRESS = Schema((), "goal", "regress")


@given(st.integers(5, 3_000), st.integers(0, 5), st.sampled_from([CLASSIFY, REGRESS]))
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


def test_the_holdout_is_a_tenth_from_a_thousand_rows_on() -> None:
    assert len(make_split(np.arange(999) % 2, CLASSIFY, 0).holdout) == 0
    assert len(make_split(np.arange(1_000) % 2, CLASSIFY, 0).holdout) == 100
    assert len(make_split(np.arange(400_000) % 2, CLASSIFY, 0).holdout) == 20_000


def test_classes_keep_their_shares_everywhere() -> None:
    target = np.random.default_rng(0).choice(3, 2_000, p=[0.9, 0.08, 0.02])
    split = make_split(target, CLASSIFY, 0)
    shares = np.bincount(target) / len(target)
    for part in (split.holdout, *(valid for _, _, valid in each_fold(split))):
        got = np.bincount(target[part], minlength=3) / len(part)
        np.testing.assert_allclose(got, shares, atol=1.5 / len(part))


def test_numbers_are_spread_evenly() -> None:
    target = np.random.default_rng(0).lognormal(size=1_500)
    split = make_split(target, REGRESS, 0)
    middle = np.median(target)
    for _, _, valid in each_fold(split):
        assert abs((target[valid] > middle).mean() - 0.5) < 0.05


@pytest.mark.parametrize(("rows", "folds"), [(100, 5), (60_001, 3), (300_001, 1)])
def test_large_data_gets_fewer_folds(rows: int, folds: int) -> None:
    assert fold_count(rows) == folds
    split = make_split(np.arange(rows) % 2, CLASSIFY, 0)
    assert split.assignment.max() == folds - 1
    train, valid = split.fold(0)
    assert len(train) > len(valid)
    assert (split.assignment[train] != HOLDOUT).all()


@pytest.mark.parametrize("rows", [1, 4])
def test_fewer_rows_than_folds_are_refused(rows: int) -> None:
    with pytest.raises(TargetError, match="cannot be split into 5 folds"):
        make_split(np.arange(rows) % 2, CLASSIFY, 0)
