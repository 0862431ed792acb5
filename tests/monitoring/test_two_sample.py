"""The two-sample tests: quiet data pass at the nominal rate, planted shifts are found, scipy agrees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from automl.data.dataset import Array
from automl_monitoring.design import make_design
from automl_monitoring.two_sample import benjamini_hochberg, chi_square, compare, kolmogorov_smirnov


def draw(kind: str, rows: int, rng: np.random.Generator) -> Array:
    if kind == "normal":
        return rng.normal(size=rows)
    if kind == "heavy tail":
        return rng.standard_t(2, size=rows)
    levels = int(kind.split()[0])
    weights = 1 / np.arange(1, levels + 1)
    return rng.choice(levels, size=rows, p=weights / weights.sum()).astype(str).astype(object)


@pytest.mark.parametrize("kind", ["normal", "heavy tail", "5 levels", "50 levels", "300 levels"])
@pytest.mark.parametrize("rows", [(5000, 50), (500, 100), (1000, 1000)])
def test_quiet_windows_stay_quiet(kind: str, rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(60):
        shift = compare("column", draw(kind, rows[0], rng), draw(kind, rows[1], rng))
        alarms += shift.p_value < 0.01 and shift.distance >= 0.1
    assert alarms <= 4  # binomial(60, 0.01) exceeds this once in 3,000


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=800), rng.normal(0.2, 1, size=300)
    distance, p_value = kolmogorov_smirnov(one, two)
    expected = ks_2samp(one, two, method="asymp")
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=1e-6)

    one, two = draw("5 levels", 800, rng), draw("5 levels", 300, rng)
    table = [[np.sum(side == level) for level in np.unique([*one, *two])] for side in (one, two)]
    assert chi_square(one, two)[1] == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_planted_shifts_are_found() -> None:
    rng = np.random.default_rng(2)
    numbers, levels = rng.normal(size=1000), draw("5 levels", 1000, rng)
    nulls = np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300))
    renamed = np.where(levels[:300] == "1", "one", levels[:300]).astype(object)
    planted = {
        "units": (numbers, rng.normal(size=300) * 1000),
        "nulls": (numbers, nulls),
        "constant": (numbers, np.full(300, 0.5)),
        "renamed": (levels, renamed),
        "new level only": (
            np.full(1000, "a", dtype=object),
            np.array(["a"] * 250 + ["b"] * 50, dtype=object),
        ),
        "all missing": (numbers, np.full(300, np.nan)),
    }
    for name, (reference, window) in planted.items():
        shift = compare(name, reference, window)
        assert shift.p_value < 0.001, name
        assert shift.distance >= 0.1, name
        assert shift.words, name


def test_equal_constants_do_not_differ() -> None:
    same = compare("c", np.full(100, 3.0), np.full(60, 3.0))
    assert (same.distance, same.p_value) == (0.0, 1.0)


def test_benjamini_hochberg_on_the_papers_example() -> None:
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p_values += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert benjamini_hochberg(p_values, 0.05) == [True] * 4 + [False] * 11
    assert benjamini_hochberg([], 0.05) == []


def test_numbers_with_few_values_are_one_matrix_on_both_sides() -> None:
    rng = np.random.default_rng(3)
    reference, window = rng.choice([0.0, 1, 2, 10], size=3000), rng.choice([0.0, 1, 2], size=3000)
    design = make_design({"x": reference}, {"x": window}, ["x"])
    shares = [(side > 0).mean(axis=0) for side in (design.reference, design.window)]
    assert sorted(shares[0].round(1)) == pytest.approx([0.2, 0.2, 0.2, 0.2], abs=0.11)
    assert min(shares[1]) == 0.0
    assert sorted(shares[1])[1:] == pytest.approx([1 / 3] * 3, abs=0.05)
