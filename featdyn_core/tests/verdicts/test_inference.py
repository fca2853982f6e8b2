"""Inference over seeds against scipy, exact enumeration and simulation."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.inference import (
    CONFIDENCE,
    bound_p_value,
    confidence_at_look,
    holm,
    kendall,
    kendall_p_value,
    kendall_p_values,
    pooled_interval,
    pooled_p_value,
    seed_interval,
    welch,
)

LAW = settings(max_examples=50, deadline=None)
ROUNDING = 1e-10

numbers = st.integers(-20, 20).map(float)
samples = st.lists(numbers, min_size=2, max_size=6)
spread_samples = samples.filter(lambda values: np.ptp(values) > 0)


# Interval and p-value of the mean


@LAW
@given(spread_samples, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_interval_is_scipys_t_interval(values, confidence):
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(confidence)
    found = seed_interval(values, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=ROUNDING)
    assert found.estimate == pytest.approx(np.mean(values), abs=ROUNDING)
    assert (found.seeds, found.confidence) == (len(values), confidence)


def test_interval_covers_the_mean_as_often_as_it_says():
    """Within three standard errors of the share covered, over samples of five seeds."""
    draws = np.random.default_rng(0).normal(3.0, 2.0, (2_000, 5))
    intervals = [seed_interval(row) for row in draws]
    covered = np.mean([found.low <= 3.0 <= found.high for found in intervals])
    assert abs(covered - 0.95) < 3 * (0.95 * 0.05 / len(draws)) ** 0.5


@pytest.mark.parametrize(("value", "seeds"), [(0.25, 3), (0.98, 5), (1 / 500, 13), (1e-300, 7), (-0.1, 3)])
def test_interval_without_variation_is_a_point(value, seeds):
    """Although the mean of thirteen 1/500 is not 1/500 in floating point."""
    found = seed_interval([value] * seeds)
    assert (found.low, found.estimate, found.high) == (value, value, value)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_a_confidence_is_a_probability(confidence):
    message = f"confidence {confidence} is outside"
    with pytest.raises(MeasurementError, match=message):
        seed_interval([1.0, 2.0], confidence=confidence)
    with pytest.raises(MeasurementError, match=message):
        pooled_interval([1, 2], [5, 5], confidence=confidence)


@LAW
@given(spread_samples, numbers, st.booleans())
def test_p_value_is_scipys_one_sided_t_test(values, bound, above):
    alternative = "greater" if above else "less"
    expected = scipy.stats.ttest_1samp(values, bound, alternative=alternative).pvalue
    assert bound_p_value(values, bound, above=above) == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize(
    ("bound", "above", "p_value"), [(1.0, True, 0.0), (3.0, True, 1.0), (1.0, False, 1.0), (3.0, False, 0.0)]
)
def test_p_value_without_variation_is_a_limit(bound, above, p_value):
    assert bound_p_value([2.0, 2.0], bound, above=above) == p_value


@pytest.mark.parametrize(("bound", "seeds"), [(2.0, 2), (0.98, 5), (1 / 500, 13), (0.1, 3)])
def test_p_value_without_variation_at_the_bound_speaks_for_nothing(bound, seeds):
    assert bound_p_value([bound] * seeds, bound, above=True) == bound_p_value([bound] * seeds, bound, above=False) == 1


@pytest.mark.parametrize("bound", [float("nan"), float("inf")])
def test_a_bound_is_a_number(bound):
    with pytest.raises(MeasurementError, match=f"cannot be tested against the bound {bound}"):
        bound_p_value([1.0, 2.0], bound, above=True)


@pytest.mark.parametrize(
    "function",
    [seed_interval, lambda v: bound_p_value(v, 0, above=True)],
)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([0.5], "at least 2 seeds", id="one seed"),
        pytest.param([], "at least 2 seeds", id="no seed"),
        pytest.param([[0.1, 0.2], [0.3, 0.4]], "one number for each", id="several numbers a seed"),
        pytest.param([0.5, float("nan")], "not finite", id="nan"),
        pytest.param([0.5, float("inf")], "not finite", id="infinite"),
    ],
)
def test_inference_needs_a_finite_number_for_each_of_two_seeds(function, values, message):
    with pytest.raises(MeasurementError, match=message):
        function(values)


# Looks


def test_all_looks_together_err_on_one_side_in_less_than_a_twentieth():
    levels = [confidence_at_look(look) for look in range(1, 41)]
    assert levels[0] == CONFIDENCE
    assert all(later > earlier for earlier, later in itertools.pairwise(levels))
    assert sum((1 - level) / 2 for level in levels) < 0.05


def test_a_look_is_at_least_the_first():
    with pytest.raises(MeasurementError, match="look 0: claims are judged at least once"):
        confidence_at_look(0)


def test_adding_seeds_until_a_claim_passes_gains_nothing():
    """Of 4,000 effects of zero, looked at with 3, 5, 7 and 9 seeds, fewer than 5 % are ever found above zero.

    With 95 % at every look it is more than 5 %.
    """
    seeds = np.random.default_rng(0).normal(size=(4_000, 9))

    def ever_above(levels: list[float]) -> float:
        looks = zip((3, 5, 7, 9), levels, strict=True)
        tests = [(scipy.stats.ttest_1samp(seeds[:, :count], 0, axis=1), level) for count, level in looks]
        return float(np.any([test.confidence_interval(level).low > 0 for test, level in tests], axis=0).mean())

    assert ever_above([confidence_at_look(look) for look in (1, 2, 3, 4)]) < 0.05
    assert ever_above([CONFIDENCE] * 4) > 0.05


# Planted draws

counted = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=5
)


@LAW
@given(counted, st.sampled_from([0.9, 0.95]))
def test_pooled_interval_is_clopper_and_pearsons_over_all_draws(pairs, confidence):
    """Against quantiles of the beta distribution, which define it."""
    successes, draws = zip(*pairs, strict=True)
    found = pooled_interval(successes, draws, confidence=confidence)
    hits, total, tail = sum(successes), sum(draws), (1 - confidence) / 2
    low = scipy.stats.beta.ppf(tail, hits, total - hits + 1) if hits else 0.0
    high = scipy.stats.beta.isf(tail, hits + 1, total - hits) if hits < total else 1.0
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.estimate == hits / total
    assert (found.seeds, found.confidence) == (len(pairs), confidence)


@LAW
@given(counted, st.sampled_from([0.05, 0.1, 0.5]))
def test_pooled_p_value_is_the_tail_of_the_binomial(pairs, bound):
    successes, draws = zip(*pairs, strict=True)
    hits, total = sum(successes), sum(draws)
    below, above = scipy.stats.binom.cdf(hits, total, bound), scipy.stats.binom.sf(hits - 1, total, bound)
    assert pooled_p_value(successes, draws, bound, above=False) == pytest.approx(below, abs=ROUNDING)
    assert pooled_p_value(successes, draws, bound, above=True) == pytest.approx(above, abs=ROUNDING)


def test_counts_of_numpy_are_counts():
    assert pooled_interval(np.array([1, 2]), np.array([20, 20])) == pooled_interval([1, 2], [20, 20])


@pytest.mark.parametrize(
    ("successes", "draws", "message"),
    [
        pytest.param([1], [20], "at least 2 seeds, found 1 of successes and 1 of draws", id="one seed"),
        pytest.param([1, 2], [20], "found 2 of successes and 1 of draws", id="another number of seeds"),
        pytest.param([0.05, 0.1], [20, 20], "not counts of planted draws", id="shares"),
        pytest.param([1, 21], [20, 20], "not counts of planted draws", id="more than there were"),
        pytest.param([1, -1], [20, 20], "not counts of planted draws", id="negative"),
        pytest.param([0, 0], [0, 0], "not counts of planted draws", id="no draws"),
    ],
)
def test_what_is_no_count_of_the_draws_is_refused(successes, draws, message):
    with pytest.raises(MeasurementError, match=message):
        pooled_interval(successes, draws)
    with pytest.raises(MeasurementError, match=message):
        pooled_p_value(successes, draws, 0.1, above=False)


@pytest.mark.parametrize("bound", [-0.1, 1.1, float("nan")])
def test_the_bound_of_a_probability_is_one(bound):
    with pytest.raises(MeasurementError, match=f"cannot be tested against the bound {bound}"):
        pooled_p_value([1, 2], [20, 20], bound, above=True)


# Trends and comparisons


@LAW
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8))
def test_kendall_counts_concordant_pairs(pairs):
    """Tau-b: concordant minus discordant pairs over the geometric mean of the pairs not tied in either."""
    first, second = map(np.array, zip(*pairs, strict=True))
    one, two = (np.sign(np.subtract.outer(values, values)) for values in (first, second))
    untied = np.sqrt(np.abs(one).sum() * np.abs(two).sum())
    expected = (one * two).sum() / untied if untied else 0.0
    assert kendall(first, second) == pytest.approx(expected, abs=ROUNDING)


def test_kendalls_p_value_counts_the_orders_as_far_from_chance():
    values = [1.0, 2, 3, 4]
    taus = [kendall(values, order) for order in itertools.permutations(values)]
    for order in ([1.0, 2, 4, 3], [4.0, 3, 2, 1], [2.0, 1, 4, 3]):
        expected = np.mean([abs(tau) >= abs(kendall(values, order)) - ROUNDING for tau in taus])
        assert kendall_p_value(values, order) == pytest.approx(expected)
    assert kendall_p_value([5, 5, 5], [1, 2, 3]) == 1


@pytest.mark.parametrize("levels", [3, 10**6])
def test_kendalls_p_values_of_shuffles_are_those_of_each(levels):
    rng = np.random.default_rng(0)
    first, second = rng.integers(levels, size=(2, 9))
    shuffles = np.array([rng.permutation(first) for _ in range(60)])
    assert kendall_p_values(shuffles, second).tolist() == [kendall_p_value(one, second) for one in shuffles]


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


def test_welch_of_one_sample_without_variation_is_the_one_sample_test():
    varying = [0.5, 0.75, 1.0, 0.75]
    expected = scipy.stats.ttest_1samp(varying, 1.0).pvalue
    assert welch([1.0] * 5, varying) == pytest.approx(expected, rel=1e-9)
    assert welch(varying, [1.0] * 5) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sample", [[2.0], [], [1.0, float("nan")], [[1.0, 2.0]], [1.0, float("inf")]])
def test_welch_needs_two_numbers_of_each_sample(sample):
    for pair in ((sample, [1.0, 2.0]), ([1.0, 2.0], sample)):
        with pytest.raises(MeasurementError, match="Welch's test needs at least 2 finite numbers in each sample"):
            welch(*pair)


# Holm


@LAW
@given(st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.04, 0.5]) | st.floats(0, 1), max_size=7))
def test_holm_is_the_least_level_at_which_the_step_down_procedure_rejects(p_values):
    """Holm (1979): at level α reject the smallest in turn while p ≤ α / (number not yet rejected)."""
    adjusted = holm(p_values)
    levels = sorted({*adjusted, 0.0, 0.05, 1.0})
    for alpha in levels:
        rejected = set()
        for index in sorted(range(len(p_values)), key=p_values.__getitem__):
            if p_values[index] * (len(p_values) - len(rejected)) > alpha:
                break
            rejected.add(index)
        if alpha < 1:  # at level 1 everything is rejected by convention
            assert {index for index, value in enumerate(adjusted) if value <= alpha} == rejected, f"level {alpha}"


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_lies_between_the_raw_p_value_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1.0, len(p_values) * raw)
    assert [adjusted[i] for i in np.argsort(p_values, kind="stable")] == sorted(adjusted)


def test_holm_in_numbers():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.5])
def test_holm_takes_probabilities_only(wrong):
    with pytest.raises(MeasurementError, match=r"p-values lie in \[0, 1\], found \[0.01"):
        holm([0.01, wrong, 0.02])
