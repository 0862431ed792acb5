"""Which families a search takes: by the rows, by what the artifact may hold, by the size that is allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl.errors import OptionError
from automl.families import searched, weights_for, weights_left_out
from automl.request import FitRequest

ANY = FitRequest(max_bytes=500_000_000)


def test_a_family_for_few_rows_is_left_out_of_many() -> None:
    assert "neighbours" in searched(ANY, "tabular", 5_000)
    assert "neighbours" not in searched(ANY, "tabular", 5_001)
    with pytest.raises(OptionError, match="neighbours takes at most 5,000 rows, and there are 5,001"):
        searched(replace(ANY, only=("neighbours",)), "tabular", 5_001)
    assert searched(replace(ANY, only=("neighbours", "linear")), "tabular", 5_001) == ("linear",)


def test_what_keeps_rows_is_left_out_where_the_artifact_may_hold_none() -> None:
    left = searched(replace(ANY, reference_rows=False), "tabular", 100)
    assert not {"neighbours", "tabicl"} & set(left)
    assert {"linear", "catboost", "network"} <= set(left)
    with pytest.raises(OptionError, match="--no-reference-rows forbids"):
        searched(replace(ANY, reference_rows=False, only=("tabicl",)), "tabular", 100)


def test_what_is_too_large_is_searched_only_where_it_may_be_delivered() -> None:
    assert "tabicl" in searched(ANY, "tabular", 100)
    assert "tabicl" not in searched(FitRequest(), "tabular", 100)
    assert searched(FitRequest(only=("tabicl",)), "tabular", 100) == ("tabicl",)


def test_weights_that_nothing_uses_are_neither_looked_for_nor_passed_over_in_silence() -> None:
    named = FitRequest(weights=("somewhere",))
    assert weights_for(searched(named, "tabular", 100), named, "tabular") == {}
    [line] = weights_left_out(named, "tabular", 100)
    assert line == "the weights are not used: a learner of tabicl takes 55 MB, more than --max-size allows"
    assert weights_left_out(FitRequest(), "tabular", 100) == []
    assert weights_left_out(FitRequest(weights=("none",)), "tabular", 100) == []
    with pytest.raises(OptionError, match="tabicl cannot do without pretrained weights"):
        weights_for(("tabicl",), FitRequest(only=("tabicl",)), "tabular")
    with pytest.raises(OptionError, match="no weights for tables in 'somewhere'"):
        weights_for(("tabicl",), named, "tabular")
