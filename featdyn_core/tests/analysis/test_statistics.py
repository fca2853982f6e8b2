"""Rank correlations and the paper's own test, against scipy and exact enumeration."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.analysis.statistics import MANY, geometric_mean, kendall, welch
from featdyn_core.errors import MeasurementError

LAW = settings(max_examples=50, deadline=None)
ROUNDING = 1e-10

numbers = st.integers(-20, 20).map(float)
spread_samples = st.lists(numbers, min_size=2, max_size=6).filter(lambda values: np.ptp(values) > 0)


@LAW
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8))
def test_kendall_counts_concordant_pairs(pairs):
    """Tau-b: concordant minus discordant pairs over the geometric mean of the pairs not tied in either."""
    first, second = map(np.array, zip(*pairs, strict=True))
    one, two = (np.sign(np.subtract.outer(values, values)) for values in (first, second))
    untied = np.sqrt(np.abs(one).sum() * np.abs(two).sum())
    expected = (one * two).sum() / untied if untied else 0.0
    assert kendall(first, second) == pytest.approx(expected, abs=ROUNDING)
    if untied:
        assert kendall(first, second) == scipy.stats.kendalltau(first, second).statistic


@pytest.mark.parametrize("count", [MANY - 1, MANY])
def test_kendall_is_that_of_scipy_at_any_length(count):
    first, second = np.random.default_rng(0).integers(0, 50, (2, count))
    assert kendall(first, second) == scipy.stats.kendalltau(first, second).statistic


def test_kendall_of_a_constant_is_no_trend():
    assert kendall([1, 2, 3], [5, 5, 5]) == kendall([5, 5, 5], [1, 2, 3]) == 0.0
    assert kendall([1, 2, 3], [2, 4, 9]) == 1.0
    assert kendall([1, 2, 3], [9, 4, 2]) == -1.0


@LAW
@given(spread_samples, spread_samples)
def test_welch_is_scipys(first, second):
    expected = scipy.stats.ttest_ind(first, second, equal_var=False).pvalue
    assert welch(first, second) == pytest.approx(expected, abs=ROUNDING)


def test_welch_of_samples_without_variation():
    assert welch([1.0, 1.0], [1.0, 1.0, 1.0]) == 1.0
    assert welch([1.0, 1.0], [0.5, 0.5, 0.5]) == 0.0


def test_welch_with_one_constant_sample_is_the_one_sample_test():
    varying = [0.5, 0.75, 1.0, 0.75]
    expected = scipy.stats.ttest_1samp(varying, 1.0).pvalue
    assert welch([1.0] * 5, varying) == pytest.approx(expected, rel=1e-9)
    assert welch(varying, [1.0] * 5) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sample", [[2.0], [], [1.0, float("nan")], [[1.0, 2.0]], [1.0, float("inf")]])
def test_welch_needs_two_numbers_of_each_sample(sample):
    for pair in ((sample, [1.0, 2.0]), ([1.0, 2.0], sample)):
        with pytest.raises(MeasurementError, match="Welch's test needs at least 2 finite numbers in each sample"):
            welch(*pair)


def test_a_ratio_and_its_inverse_cancel():
    assert geometric_mean([4.0, 0.25, 1.0]) == pytest.approx(1)
    assert geometric_mean([3.0]) == pytest.approx(3)


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0]])
def test_only_ratios_above_zero_have_one(values):
    with pytest.raises(MeasurementError, match="numbers above 0"):
        geometric_mean(values)
