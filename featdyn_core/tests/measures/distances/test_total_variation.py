"""The classifier two-sample test: truth of the certificate, balance, whole images."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.distances import total_variation
from featdyn_core.measures.distances.total_variation import classifier_two_sample
from featdyn_core.tests.measures.distances.test_discrepancies import BAD_SAMPLES, ROUNDING, good, seeds, two_samples


def violations(shift, repetitions=120, copies=1, grouped=True):
    """Return how often the certified bound exceeds the total variation of N(0, I) and N(shift·e₁, I)."""
    rng = np.random.default_rng(4)
    truth = 2 * stats.norm.cdf(shift / 2) - 1
    groups = np.repeat(np.arange(60), copies) if grouped else None
    high = 0
    for _ in range(repetitions):
        x, y = (np.repeat(rng.standard_normal((30, 10)), copies, axis=0) for _ in range(2))
        y[:, 0] += shift
        high += classifier_two_sample(x, y, groups=groups, rng=rng).tv_lower_bound > truth
    return high / repetitions


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("copies", [1, 5])
def test_certified_bound_holds(shift, copies):
    assert violations(shift, copies=copies) <= 0.05


def test_taking_image_rows_as_independent_breaks_the_certificate():
    assert violations(0.0, repetitions=40, copies=5, grouped=False) > 0.5


def test_far_samples_are_distinguished():
    x, y = two_samples((100, 60, 2), 0, shift=20)
    result = classifier_two_sample(x, y, rng=np.random.default_rng(0))
    assert result.balanced_accuracy == result.tv_estimate == 1
    assert result.held_out == (50, 30)
    limits = [0.025 ** (1 / n) for n in result.held_out]  # Clopper-Pearson with every trial a hit
    assert result.tv_lower_bound == pytest.approx(sum(limits) - 1, rel=ROUNDING)


def test_rows_of_small_and_large_samples_weigh_alike():
    x, y = two_samples((1000, 40, 1), 0, shift=2)
    best = stats.norm.cdf(1)  # a threshold half-way between the means
    result = classifier_two_sample(x, y, rng=np.random.default_rng(0))
    assert result.balanced_accuracy == pytest.approx(best, abs=0.1)


def test_balanced_accuracy_does_not_reward_the_larger_sample():
    x, y = two_samples((400, 20, 2), 0, shift=0)
    assert classifier_two_sample(x, y, rng=np.random.default_rng(0)).balanced_accuracy < 0.75


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0, 5))
def test_classifier_result_is_consistent(seed, shift):
    x, y = two_samples((20, 14, 2), seed, shift)
    result = classifier_two_sample(x, y, rng=np.random.default_rng(seed))
    assert result.tv_estimate == pytest.approx(max(0, 2 * result.balanced_accuracy - 1))
    assert 0 <= result.tv_lower_bound <= result.tv_estimate <= 1
    bolder = classifier_two_sample(x, y, rng=np.random.default_rng(seed), confidence=0.5)
    assert bolder.tv_lower_bound >= result.tv_lower_bound


def test_an_image_in_both_samples_is_learnt_or_held_out_whole():
    index = np.array([0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 5, 6])
    is_x = np.arange(12) < 6
    held_out = total_variation._held_out_groups(index, is_x, np.random.default_rng(0))
    assert held_out.shape == (7,)
    assert held_out[:4].sum() == 2  # four images in both samples
    assert held_out[5:].sum() == 1  # two in y alone
    scored = total_variation._one_row_a_group(np.array([0, 1, 2, 3, 4]), index, np.random.default_rng(0))
    assert index[scored].tolist() == [0, 1, 2, 3]
    drawn = {
        int(total_variation._one_row_a_group(np.array([0, 1]), index, np.random.default_rng(s))[0]) for s in range(20)
    }
    assert drawn == {0, 1}


def test_same_generator_same_result():
    x, y = two_samples((9, 8, 3), 0)
    first, second = (classifier_two_sample(x, y, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("bad", "message"), BAD_SAMPLES)
def test_bad_samples(bad, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        classifier_two_sample(good, bad, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1}, r"confidence 1 is outside \(0, 1\)"),
        ({"groups": [0, 1, 2, 3, 4, 5] + [6] * 6}, "y has 1 groups, too few to learn from and to score"),
        ({"groups": [0]}, "groups have shape"),
    ],
)
def test_other_errors(options, message):
    with pytest.raises(MeasurementError, match=message):
        classifier_two_sample(good, good, rng=np.random.default_rng(0), **options)
