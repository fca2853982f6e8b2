"""Memory at both levels, against the functions that records are read by."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.analysis.levels import empirical_level, particle_levels, share_within
from featdyn_core.measures.composites.consistency import pointwise_consistency, window_misses

CUBE, REFERENCE = ((0, 1, 2), (0, 0, 1), (0, 1, 1)), (0, 1, 2)
RATES = [Fraction(0), Fraction(1, 3), Fraction(2, 3)]


def test_levels_of_a_cube_by_hand():
    assert particle_levels(CUBE, REFERENCE) == RATES
    assert empirical_level(RATES) == Fraction(1, 3)


@pytest.mark.parametrize(("level", "share"), [(0, 1), (Fraction(1, 3), 2), (Fraction(1, 2), 2), (1, 3)])
def test_a_sample_that_misses_exactly_a_share_is_within_it(level, share):
    assert share_within(RATES, Fraction(level)) == Fraction(share, 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_they_are_what_records_are_read_by(seed, checkpoints, samples):
    rng = np.random.default_rng(seed)
    cube, reference = rng.integers(3, size=(checkpoints, samples)), rng.integers(3, size=samples)
    particles = particle_levels(cube.tolist(), reference.tolist())
    assert [1 - float(rate) for rate in particles] == pytest.approx(pointwise_consistency(cube, reference))
    assert float(empirical_level(particles)) == pytest.approx(window_misses(cube, reference)[0])
