"""Memory at both levels, against the functions that records are read by."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.analysis.levels import empirical_level, miss_rates, particle_levels, share_within
from featdyn_core.errors import MeasurementError
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


def test_every_epoch_of_a_window_counts_once():
    """The first checkpoint stands for epochs 0 to 3, the second for 4 and 5, and the last for 6."""
    together, each = miss_rates([[1, 0], [1, 1], [0, 0]], [0, 0], [0, 4, 6])
    assert each.tolist() == [[6 / 7, 2 / 7], [2 / 3, 2 / 3], [0, 0]]
    assert together.tolist() == [8 / 14, 4 / 6, 0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_sparse_checkpoints_are_dense_ones_that_repeat(seed, checkpoints, samples):
    rng = np.random.default_rng(seed)
    cube, reference = rng.integers(2, size=(checkpoints, samples)), rng.integers(2, size=samples)
    epochs = np.cumsum(rng.integers(1, 5, size=checkpoints))
    dense = np.repeat(cube, [*np.diff(epochs), 1], axis=0)
    together, each = miss_rates(cube, reference, epochs)
    particles = particle_levels(dense.tolist(), reference.tolist())
    assert each[0].tolist() == [float(rate) for rate in particles]
    assert together[0] == float(empirical_level(particles))


def test_a_rate_that_equals_a_tolerance_is_within_it():
    """Rounding lifts sums of floats above 0.05 or 0.15."""
    reference, epochs = np.zeros(20, int), np.arange(60)
    predictions = np.tile(np.arange(20) < 1, (60, 1)) + 0
    assert set(miss_rates(predictions, reference, epochs)[0]) == {0.05}
    assert set(miss_rates(np.tile(np.arange(20) < 3, (60, 1)) + 0, reference, epochs)[0]) == {0.15}


@pytest.mark.parametrize(
    ("predictions", "reference", "epochs"),
    [
        ([[0]], [0, 0], [1]),
        ([[0]], [0], [1, 2]),
        ([[0], [0]], [0], [1, 1]),
        (np.zeros((0, 1)), [0], []),
        ([0], [], [1]),
    ],
)
def test_miss_rates_name_what_they_need(predictions, reference, epochs):
    with pytest.raises(MeasurementError, match=r"predictions \(U, N\), a reference \(N,\) and U ascending epochs"):
        miss_rates(predictions, reference, epochs)
