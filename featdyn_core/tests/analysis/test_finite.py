"""Theorem 3 in a finite world, by hand and against sampling."""

from fractions import Fraction

import numpy as np
import pytest

from featdyn_core.analysis.finite import FiniteClass, finite_law, finite_total_variation

HALF = Fraction(1, 2)


def test_total_variation_by_hand():
    assert finite_total_variation(finite_law([1, 1, 0]), finite_law([0, 1, 1])) == HALF
    assert finite_total_variation(finite_law([3, 1]), finite_law([3, 1])) == 0
    assert finite_total_variation(finite_law([1, 0]), finite_law([0, 5])) == 1


def test_total_variation_is_the_largest_difference_over_sets():
    one, other = finite_law([4, 1, 3, 2]), finite_law([1, 2, 3, 6])
    sets = [[bool(number >> bit & 1) for bit in range(4)] for number in range(16)]
    differences = [sum((p - q for p, q, inside in zip(one, other, chosen, strict=True) if inside)) for chosen in sets]
    assert finite_total_variation(one, other) == max(differences)


def test_total_variation_nears_1_as_the_other_set_grows():
    found = [
        finite_total_variation(finite_law([1] * 2 + [0] * (values - 2)), finite_law([1] * values))
        for values in (2, 4, 8, 64)
    ]
    assert found == [1 - Fraction(2, values) for values in (2, 4, 8, 64)]


def test_a_class_that_memory_has_left_by_hand():
    """The early shallow part puts its only training image into the class, and the one at t does not."""
    found = FiniteClass(true=(0, 1), empirical=(1, 0), features=((0, 0), (1, 0)), classes=(0, 1))
    assert (found.gap, found.variation, found.missed) == (1, HALF, HALF)


def test_a_class_that_memory_keeps():
    found = FiniteClass(true=(1, 3), empirical=(1, 1), features=((0, 1), (0, 1)), classes=(0, 1))
    assert (found.gap, found.variation, found.missed) == (Fraction(1, 4), Fraction(1, 4), 0)


def test_features_taken_for_another_wrong_class_are_missed():
    found = FiniteClass(true=(1,), empirical=(1,), features=((1,), (2,)), classes=(0, 1, 2))
    assert (found.gap, found.missed) == (0, HALF)


def test_terms_are_what_sampling_gives():
    world = FiniteClass(
        true=(1, 2, 1), empirical=(2, 1, 1), features=((0, 1, 2), (1, 1, 2), (2, 0, 1)), classes=(0, 1, 0)
    )
    rng, count = np.random.default_rng(0), 200_000
    weights, features, classes = (
        np.array([world.true, world.empirical]),
        np.array(world.features),
        np.array(world.classes),
    )
    true, empirical = (rng.choice(3, count, p=row / row.sum()) for row in weights)
    augmented = features[rng.integers(3, size=count), empirical]
    end = features[-1]
    accuracies = [(classes[end[inputs]] == 0).mean() for inputs in (true, empirical)]
    shares = [np.bincount(found, minlength=3) / count for found in (end[true], augmented)]
    assert float(world.gap) == pytest.approx(abs(np.subtract(*accuracies)), abs=0.01)
    assert float(world.variation) == pytest.approx(np.abs(np.subtract(*shares)).sum() / 2, abs=0.01)
    assert float(world.missed) == pytest.approx((classes[augmented] != classes[end[empirical]]).mean(), abs=0.01)
