"""The two readings of the claim on grids with known rises, and the counter-examples to both."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featdyn_core.analysis.monotonicity import (
    COUNTER_EXAMPLE_TO_A,
    COUNTER_EXAMPLE_TO_B,
    largest_rise_as_shallow_recedes,
    largest_rise_in_deep_time,
    largest_rise_over_end,
    quadratic_loss_grid,
)
from featdyn_core.errors import MeasurementError


def test_reading_a_finds_the_largest_rise_since_the_shallow_step():
    grid = [[3.0, 1.0, 1.5], [9.0, 2.0, 1.0], [0.0, 0.0, 5.0]]
    assert largest_rise_in_deep_time(grid) == 0.5  # the 5 of the last row comes before nothing
    assert largest_rise_in_deep_time([[3.0, 2.0], [0.0, 9.0]]) == 0.0


def test_reading_b_finds_the_largest_rise_on_the_way_back():
    grid = np.zeros((4, 4))
    grid[:, -1] = [1.0, 4.0, 0.5, 2.0]  # going back: 2, 0.5, 4, 1
    assert largest_rise_as_shallow_recedes(grid) == 3.5
    grid[:, -1] = [0.0, 1.0, 2.0, 3.0]
    assert largest_rise_as_shallow_recedes(grid) == 0.0


def test_the_rise_over_the_end_is_that_of_the_last_column():
    grid = np.zeros((4, 4))
    grid[:, -1] = [2.5, 4.0, 0.5, 2.0]
    grid[:, 0] = 9.0
    assert largest_rise_over_end(grid) == 2.0
    grid[:, -1] = [0.0, 1.0, 2.0, 3.0]
    assert largest_rise_over_end(grid) == 0.0


def test_counter_example_to_reading_b():
    """L = (a + b − 1)² from a = b = 0: descent ends at a = b = ½, and taking a back to 0 costs ¼."""
    grid = quadratic_loss_grid(**COUNTER_EXAMPLE_TO_B)
    assert grid[0, 0] == 1.0
    assert (np.diff(np.diagonal(grid)) <= 0).all()
    assert largest_rise_as_shallow_recedes(grid) == pytest.approx(0.25, abs=1e-6)
    assert largest_rise_over_end(grid) == pytest.approx(0.25, abs=1e-6)
    assert largest_rise_in_deep_time(grid) == 0.0


def test_counter_example_to_reading_a():
    """δ = (1, 0) falls fast along (1, 1), slowly along (1, −1): the deep parameter goes out and back."""
    grid = quadratic_loss_grid([[1, 0.9], [0.9, 1]], [1, 0], learning_rate=0.1, steps=1000)
    assert (np.diff(np.diagonal(grid)) <= 0).all()
    assert grid[0].min() < 0.25
    assert grid[0, -1] == pytest.approx(0.5, abs=1e-3)
    assert largest_rise_in_deep_time(grid) == pytest.approx(grid[0, -1] - grid[0].min())


@pytest.mark.parametrize("reading", [largest_rise_in_deep_time, largest_rise_as_shallow_recedes, largest_rise_over_end])
def test_readings_refuse_other_grids(reading):
    with pytest.raises(MeasurementError, match=r"shape \(T, T\).*\(2, 3\)"):
        reading(np.zeros((2, 3)))
    with pytest.raises(MeasurementError, match="not finite"):
        reading([[1.0, np.nan], [0.0, 0.0]])


def test_the_counter_example_breaks_reading_a_as_training_falls():
    grid = quadratic_loss_grid(**COUNTER_EXAMPLE_TO_A)
    assert (np.diff(np.diagonal(grid)) <= 0).all()
    assert largest_rise_in_deep_time(grid) > 0.01


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.float64, st.integers(2, 8), elements=st.floats(-20, 20)))
def test_lemma_minus_log_softmax_is_convex(logits):
    """Lemma 1 of App. D: the Hessian of −log softmax is diag(q) − q qᵀ, and positive semi-definite."""
    point = torch.from_numpy(logits)
    hessian = torch.autograd.functional.hessian(lambda z: -torch.log_softmax(z, 0)[0], point)
    q = point.softmax(0)
    torch.testing.assert_close(hessian, torch.diag(q) - torch.outer(q, q))
    assert torch.linalg.eigvalsh(hessian).min() > -1e-12
