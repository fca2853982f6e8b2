"""Inference over seeds against scipy, exact enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.families import holm
from featdyn_core.verdicts.inference import (
    CONFIDENCE,
    LEVEL,
    Bound,
    confidence_at_look,
    infer_count,
    infer_draws,
    infer_mean,
    infer_p_values,
    infer_worst,
    seed_interval,
)
from featdyn_core.verdicts.power import MOST_SEEDS, POWER, power_of_mean, seeds_to_count, seeds_to_decide, smallest
from featdyn_core.verdicts.units import Counted, Unit, share_of

LAW = settings(max_examples=50, deadline=None)
ROUNDING = 1e-10

numbers = st.integers(-20, 20).map(float)
samples = st.lists(numbers, min_size=2, max_size=6)
spread_samples = samples.filter(lambda values: np.ptp(values) > 0)
bounds = st.integers(-20, 20).map(float)
shares = st.lists(st.integers(0, 100).map(lambda hits: share_of(hits, 100)), min_size=3, max_size=6)


# Interval and p-values of the mean


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


@pytest.mark.parametrize(
    ("unit", "values", "places", "back"),
    [
        (
            Unit.SHARE,
            [share_of(95, 100), share_of(98, 100), share_of(100, 100)],
            [math.log(95.5 / 5.5), math.log(98.5 / 2.5), math.log(100.5 / 0.5)],
            lambda place: min(1, (101 / (1 + math.exp(-place)) - 0.5) / 100),
        ),
        (
            Unit.MEAN_SHARE,
            [Counted(0.9, 100), Counted(0.5, 100), Counted(1.0, 100)],
            [math.log(9), 0.0, math.log(0.995 / 0.005)],
            lambda place: 1 / (1 + math.exp(-place)),
        ),
        (
            Unit.CORRELATION,
            [Counted(0.5, 10), Counted(1.0, 10), Counted(-0.2, 10)],
            [math.atanh(0.5), math.atanh(0.95), math.atanh(-0.2)],
            math.tanh,
        ),
        (Unit.RATIO, [0.5, 1.0, 2.0], [-math.log(2), 0.0, math.log(2)], math.exp),
    ],
)
def test_the_interval_is_taken_on_the_scale_and_brought_back(unit, values, places, back):
    expected = scipy.stats.ttest_1samp(places, 0).confidence_interval(CONFIDENCE)
    found = seed_interval(values, unit=unit)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (back(np.mean(places)), back(expected.low), back(expected.high)), abs=ROUNDING
    )


@LAW
@given(shares, st.sampled_from([0.95, 0.999]))
def test_an_interval_never_leaves_the_range_and_has_a_width(values, confidence):
    correlations = [Counted(2 * value.value - 1, 10) for value in values]
    for unit, seen in ((Unit.SHARE, values), (Unit.MEAN_SHARE, values), (Unit.CORRELATION, correlations)):
        low, high = unit.range
        found = seed_interval(seen, unit=unit, confidence=confidence)
        assert low <= found.low <= found.estimate <= found.high <= high, unit
        assert found.low < found.high, unit
    ratios = [Counted(3 * value.value, 100) for value in values]
    found = seed_interval(ratios, unit=Unit.RATIO, confidence=confidence)
    assert 0 <= found.low < found.high < math.inf


def test_ratios_as_far_apart_as_can_be_have_a_finite_interval():
    found = seed_interval([1e-300, 1.0, 1e300], unit=Unit.RATIO)
    assert found.low == pytest.approx(0, abs=1e-300)
    assert math.isfinite(found.high)


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_numbers_that_do_not_vary_are_known_to_one_image(seeds):
    half = scipy.stats.t.ppf(0.975, seeds - 1) / math.sqrt(seeds)
    found = seed_interval([Counted(0.02, 500)] * seeds)
    assert (found.low, found.high) == pytest.approx((0.02 - half / 500, 0.02 + half / 500))
    place = math.log(500.5 / 0.5)
    spread = place - math.log(499.5 / 1.5)
    found = seed_interval([share_of(500, 500)] * seeds, unit=Unit.SHARE)
    assert found.high == 1
    assert math.log((500 * found.low + 0.5) / (500.5 - 500 * found.low)) == pytest.approx(place - half * spread)


def test_a_share_on_its_bound_lies_on_it_on_the_scale_too():
    """Near 1, adding half an image would move every share below an unmoved bound."""
    found = infer_mean([share_of(95, 100)] * 5, Bound("above", 0.95), unit=Unit.SHARE)
    assert (found.p_value, found.p_against) == pytest.approx((0.5, 0.5))
    assert found.interval.estimate == pytest.approx(0.95)


def test_a_spread_above_the_resolution_is_left_alone():
    values = [Counted(0.1, 500), Counted(0.2, 500), Counted(0.3, 500)]
    assert seed_interval(values) == seed_interval([0.1, 0.2, 0.3])


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_a_confidence_is_a_probability(confidence):
    message = f"confidence {confidence} is outside"
    with pytest.raises(MeasurementError, match=message):
        seed_interval([1.0, 2.0], confidence=confidence)
    for rule in (infer_mean, infer_count, infer_worst):
        with pytest.raises(MeasurementError, match=message):
            rule([1.0, 2.0], Bound("above", 0.0), confidence=confidence)
    with pytest.raises(MeasurementError, match=message):
        infer_draws([share_of(1, 5)] * 2, Bound("above", 0.5), confidence=confidence)


@LAW
@given(spread_samples, bounds, st.booleans())
def test_p_values_are_scipys_one_sided_t_tests(values, bound, above):
    found = infer_mean(values, Bound("above" if above else "below", bound))
    greater, less = (found.p_value, found.p_against)[:: 1 if above else -1]
    for alternative, p_value in (("greater", greater), ("less", less)):
        expected = scipy.stats.ttest_1samp(values, bound, alternative=alternative).pvalue
        assert p_value == pytest.approx(expected, abs=ROUNDING)


@LAW
@given(spread_samples, bounds, st.integers(1, 10))
def test_within_asks_both_ends(values, around, width):
    """It takes two one-sided tests for the claim, and one beyond either end against it."""
    found = infer_mean(values, Bound("within", width, around))
    low, high = around - width, around + width
    greater, less = (
        [scipy.stats.ttest_1samp(values, end, alternative=side).pvalue for end in (low, high)]
        for side in ("greater", "less")
    )
    assert found.p_value == pytest.approx(max(greater[0], less[1]), abs=ROUNDING)
    assert found.p_against == pytest.approx(min(less[0], greater[1]), abs=ROUNDING)


@LAW
@given(spread_samples, bounds, st.integers(1, 10), st.sampled_from(["above", "below"]))
def test_a_margin_is_two_one_sided_tests_about_the_bound(values, bound, margin, direction):
    found = infer_mean(values, Bound(direction, bound, margin=margin))
    interval = seed_interval(values)
    inside = bound - margin <= interval.low and interval.high <= bound + margin
    assert (found.p_margin <= LEVEL) is inside
    assert infer_mean(values, Bound(direction, bound)).p_margin is None


@LAW
@given(st.sampled_from([Unit.SHARE, Unit.DIFFERENCE]), shares, st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_a_bound_that_asks_more_is_never_easier(unit, values, lower, higher):
    easy, hard = (infer_mean(values, Bound("above", bound), unit=unit) for bound in (lower, higher))
    assert easy.p_value <= hard.p_value
    assert easy.p_against >= hard.p_against


@LAW
@given(shares, st.floats(0.01, 0.99), st.sampled_from(["above", "below"]))
def test_the_interval_and_the_p_value_say_the_same(values, bound, direction):
    found = infer_mean(values, Bound(direction, bound), unit=Unit.SHARE)
    interval = found.interval
    right = interval.low > bound if direction == "above" else interval.high < bound
    assert (found.p_value < LEVEL) is right


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([0.5], "at least 2 seeds", id="one seed"),
        pytest.param([], "at least 2 seeds", id="no seed"),
        pytest.param([0.5, float("nan")], "must be finite", id="nan"),
        pytest.param([0.5, float("inf")], "must be finite", id="infinite"),
    ],
)
def test_inference_needs_a_finite_number_for_each_of_two_seeds(values, message):
    with pytest.raises(MeasurementError, match=message):
        seed_interval(values)
    for rule in (infer_mean, infer_count, infer_p_values, infer_worst):
        with pytest.raises(MeasurementError, match=message):
            rule(values, Bound("above", 0.0))


@pytest.mark.parametrize("values", [[1e308, 1e308, -1e308], [1e200, -1e200, 0.0, 1e308]])
def test_numbers_too_large_for_a_spread_are_refused(values):
    with pytest.raises(MeasurementError, match="as large as 1e\\+308 have no mean and spread"):
        seed_interval([*values, 1e308])


# Seeds that are counted


@pytest.mark.parametrize(("seeds", "decides"), [(3, False), (5, False), (6, True), (8, True)])
def test_six_of_six_is_the_least_that_decides(seeds, decides):
    found = infer_count([1.0] * seeds, Bound("above", 0.0))
    assert found.p_value == 0.5**seeds
    assert (found.p_value <= LEVEL) is decides
    against = infer_count([-1.0] * seeds, Bound("above", 0.0))
    assert (against.p_value, against.p_against) == (1.0, 0.5**seeds)


@LAW
@given(st.lists(st.integers(-2, 2), min_size=2, max_size=12))
def test_counted_seeds_are_binomial_and_ties_favour_no_side(values):
    found = infer_count(values, Bound("below", 0.0))
    right, wrong = (sum(sign * value < 0 for value in values) for sign in (1, -1))
    for count, p_value in ((right, found.p_value), (wrong, found.p_against)):
        expected = sum(math.comb(len(values), more) for more in range(count, len(values) + 1)) / 2 ** len(values)
        assert p_value == pytest.approx(expected)
    assert (found.interval.low, found.interval.high) == (min(values), max(values))


def test_counted_seeds_lie_within_or_beyond_either_end():
    found = infer_count([-2, 0, 0.5, 2], Bound("within", 1.0))
    half = infer_count([1, 1, -1, -1], Bound("above", 0.0))
    assert (found.p_value, found.p_against) == (half.p_value, half.p_against)


# p-values


def test_all_p_values_lie_below_their_level():
    found = infer_p_values([-3.0, -4.0, -2.5], Bound("below", -2.0))
    assert found.p_value == pytest.approx(10**-2.5)
    assert infer_p_values([-3.0, -4.0, -1.9], Bound("below", -2.0)).p_value == 1
    assert infer_p_values([-3.0, -4.0, -2.0], Bound("below", -2.0)).p_value == 1
    assert infer_p_values([-400.0] * 3, Bound("below", -2.0)).p_value == 0


def test_against_p_values_speak_more_than_half_of_the_seeds():
    found = infer_p_values([-1.0] * 6, Bound("below", -2.0))
    assert found.p_against == 0.5**6
    assert infer_p_values([-1.0] * 5 + [-3.0], Bound("below", -2.0)).p_against == 7 / 64


# Planted draws

counted = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=5
)


@LAW
@given(counted, st.sampled_from([0.9, 0.95]), st.sampled_from([0.05, 0.1, 0.5]))
def test_draws_are_judged_by_clopper_and_pearson(pairs, confidence, bound):
    """Compare with quantiles of the beta distribution, which define the interval, and binomial tails."""
    values = [share_of(*pair) for pair in pairs]
    hits, total = map(sum, zip(*pairs, strict=True))
    found = infer_draws(values, Bound("below", bound), confidence=confidence)
    tail = (1 - confidence) / 2
    low = scipy.stats.beta.ppf(tail, hits, total - hits + 1) if hits else 0.0
    high = scipy.stats.beta.isf(tail, hits + 1, total - hits) if hits < total else 1.0
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=1e-9)
    assert (found.interval.estimate, found.interval.seeds) == (hits / total, len(pairs))
    assert found.p_value == pytest.approx(scipy.stats.binom.cdf(hits, total, bound), abs=ROUNDING)
    assert found.p_against == pytest.approx(scipy.stats.binom.sf(hits - 1, total, bound), abs=ROUNDING)


def test_draws_within_two_ends_are_tested_against_both():
    values = [share_of(5, 100)] * 4
    found = infer_draws(values, Bound("within", 0.04, 0.05))
    expected = max(scipy.stats.binom.sf(19, 400, 0.01), scipy.stats.binom.cdf(20, 400, 0.09))
    assert found.p_value == pytest.approx(expected)


@pytest.mark.parametrize("values", [[share_of(1, 5)], [0.2, 0.2], [share_of(1, 5), 0.2]])
def test_what_is_no_count_of_draws_is_refused(values):
    with pytest.raises(MeasurementError, match="planted draws are counts for each of at least 2 seeds"):
        infer_draws(values, Bound("below", 0.5))


# Worlds


@pytest.mark.parametrize(("direction", "worst"), [("above", -0.5), ("below", 2.0), ("within", 2.0)])
def test_the_least_favourable_world_counts(direction, worst):
    found = infer_worst([0.5, 2.0, -0.5], Bound(direction, 1.0))
    assert found.interval.estimate == worst
    assert (found.p_value, found.p_against) == (1.0, 0.0)
    assert infer_worst([-2.0, 0.5], Bound("within", 1.0)).interval.estimate == -2.0
    assert infer_worst([0.5, -0.5], Bound("within", 1.0)).p_value == 0


# Numbers of seeds


def power(distance, seeds, level):
    """Return the power, by simulation of the t statistic alone."""
    rng = np.random.default_rng(1)
    values = rng.normal(distance, 1, (20_000, seeds))
    statistic = values.mean(axis=1) / values.std(axis=1, ddof=1) * math.sqrt(seeds)
    return np.mean(statistic > scipy.stats.t.isf(level, seeds - 1))


@pytest.mark.parametrize(("distance", "seeds"), [(0.0, 5), (1.0, 5), (1.5, 8), (0.6, 20)])
def test_power_is_that_of_the_noncentral_t_law(distance, seeds):
    assert power_of_mean(distance, seeds, LEVEL) == pytest.approx(power(distance, seeds, LEVEL), abs=0.012)


@pytest.mark.parametrize("level", [LEVEL, LEVEL / 6])
def test_so_many_seeds_decide_and_one_fewer_does_not(level):
    values = [0.2, 1.4, -0.3, 0.9, 0.5]
    found = seeds_to_decide(values, Bound("above", 0.0), unit=Unit.DIFFERENCE, level=level)
    distance = np.mean(values) / np.std(values, ddof=1)
    assert power(distance, found, level) == pytest.approx(POWER, abs=0.05)
    assert power_of_mean(distance, found, level) >= POWER > power_of_mean(distance, found - 1, level)


def test_seeds_are_those_of_the_scale_that_is_judged():
    values = [share_of(hits, 100) for hits in (95, 97, 99, 96)]
    places = [Unit.SHARE.at(value.value, 100) for value in values]
    found = seeds_to_decide(values, Bound("above", 0.95), unit=Unit.SHARE, level=LEVEL)
    on_scale = seeds_to_decide(places, Bound("above", Unit.SHARE.at(0.95, 100)), unit=Unit.DIFFERENCE, level=LEVEL)
    assert found == on_scale


def test_in_the_middle_of_two_ends_both_must_be_ruled_out():
    values = [-1.0, 0.0, 1.0]
    one = seeds_to_decide(values, Bound("above", -0.5), unit=Unit.DIFFERENCE, level=LEVEL)
    both = seeds_to_decide(values, Bound("within", 0.5), unit=Unit.DIFFERENCE, level=LEVEL)
    assert both > one
    assert 2 * power_of_mean(0.5, both, LEVEL) - 1 >= POWER > 2 * power_of_mean(0.5, both - 1, LEVEL) - 1


def test_no_advice_names_more_seeds_than_anybody_trains():
    assert seeds_to_decide([1.0, -1.0, 0.0], Bound("above", 0.0), unit=Unit.DIFFERENCE, level=LEVEL) is None
    assert seeds_to_count([1.0, -1.0] * 3, Bound("above", 0.0), level=LEVEL) is None


@pytest.mark.parametrize("enough", [6, 7, 11, 12, 6145, 7000, MOST_SEEDS])
def test_the_smallest_number_is_found_up_to_the_most(enough):
    assert smallest(lambda seeds: seeds >= enough, 5) == enough
    assert smallest(lambda seeds: seeds > MOST_SEEDS, 5) is None


@pytest.mark.parametrize("values", [[1.0] * 5, [1.0] * 5 + [-1.0], [1.0] * 4 + [-1.0] * 3])
def test_counted_seeds_that_decide_are_the_fewest(values):
    found = seeds_to_count(values, Bound("above", 0.0), level=LEVEL)
    share = (sum(value > 0 for value in values) + 0.5) / (len(values) + 1)

    def reached(seeds):
        needed = next(k for k in range(seeds + 2) if scipy.stats.binom.sf(k - 1, seeds, 0.5) <= LEVEL)
        return scipy.stats.binom.sf(needed - 1, seeds, share) >= POWER

    first = next(seeds for seeds in range(len(values) + 1, MOST_SEEDS) if reached(seeds))
    assert found == first


# Looks


def test_all_looks_together_err_on_one_side_in_under_a_twentieth():
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


# Holm


@LAW
@given(st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.04, 0.5]) | st.floats(0, 1), max_size=7))
def test_holm_is_the_least_level_at_which_step_down_rejects(p_values):
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


@pytest.mark.parametrize("value", [10**400, -(10**400), "0.5 or so", None, 1j])
def test_what_no_float_can_hold_is_reported(value):
    with pytest.raises(MeasurementError, match=r"an integer is too large for a float|is not a number|is text"):
        seed_interval([value, 0.5])
