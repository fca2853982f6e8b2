"""The record of full-batch descent: both regimes against their training written out, and planted losses."""

import numpy as np
import pytest

from featdyn_core.analysis.monotonicity import largest_rise_in_deep_time, largest_rise_over_end
from featdyn_core.errors import RecipeError
from featdyn_core.measures.linearized.descent import LinearizedNetwork
from featdyn_core.measures.linearized.real import real_descent
from featdyn_core.records import linearised
from featdyn_core.records.descent import Descent, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.tests.tiny import tiny_recipe

LENGTH = {"images": 12, "steps": 6, "every": 2}
ROUNDING = 1e-9  # of losses in double precision


def measured(trajectory, regime, *, frozen=False):
    parameters = LENGTH | {"regime": regime, "frozen": frozen}
    return read(measure(trajectory, parameters), parameters)


def test_the_linearised_descent_is_that_of_the_other_kind(tiny_perceptron):
    parameters = LENGTH | {"frozen_from": 4}
    known = linearised.read(linearised.measure(tiny_perceptron, parameters), parameters)
    found = measured(tiny_perceptron, "linearised")
    assert found.cuts == known.cuts
    assert np.array_equal(found.steps, known.steps)
    assert np.array_equal(found.grids, known.grids)
    assert np.array_equal(found.losses, known.losses)


def test_the_real_descent_has_the_same_images_state_and_step(tiny_perceptron):
    images, labels = (part[:12] for part in tiny_perceptron.training_set())
    found, linear = measured(tiny_perceptron, "real"), measured(tiny_perceptron, "linearised")
    assert np.array_equal(found.steps, linear.steps)
    assert found.losses[:, 0] == pytest.approx(linear.losses[:, 0], abs=ROUNDING)
    assert abs(found.losses[:, -1] - linear.losses[:, -1]).min() > 1e-3
    for number, cut in enumerate(found.cuts):
        start = tiny_perceptron.network(0)
        rate = LinearizedNetwork(start, images, cut=cut).stable_learning_rate
        alone = real_descent(start, images, labels, cut=cut, steps=6, every=2, learning_rate=rate)
        assert np.array_equal(found.grids[number], alone.grid), cut
        assert np.array_equal(found.losses[number], alone.losses), cut
    assert found.additivity_gap < ROUNDING


@pytest.mark.parametrize("regime", ["real", "linearised"])
def test_with_the_shallow_half_frozen_nothing_is_forgotten(tiny_perceptron, regime):
    found = measured(tiny_perceptron, regime, frozen=True)
    moving = measured(tiny_perceptron, regime)
    assert max(map(largest_rise_over_end, found.grids)) < ROUNDING
    assert min(np.ptp(grid[:, -1]) for grid in moving.grids) > 1e-3
    assert (found.losses[:, -1] < found.losses[:, 0]).all()
    assert found.additivity_gap < ROUNDING


def test_the_untrained_network_can_be_left_out():
    grid = np.arange(9.0).reshape(1, 3, 3)
    found = Descent(("a",), np.array([0, 5, 10]), grid, np.array([[0.0, 4.0, 8.5]]))
    assert found.trained.tolist() == [[[4, 5], [7, 8]]]
    assert found.additivity_gap == 0.5


def test_planted_losses_rise_as_requested_at_each_depth():
    rise, forgotten = np.array([0.0, 0.1, 0.3]), np.array([0.2, 0.0, 2.0])
    found = Descent.planted(rise, forgotten)
    assert [largest_rise_in_deep_time(grid) for grid in found.trained] == pytest.approx(rise)
    assert [largest_rise_over_end(grid) for grid in found.trained] == pytest.approx(forgotten)
    assert found.additivity_gap == 0
    assert max(map(largest_rise_over_end, Descent.planted().grids)) == 0


def test_an_unknown_regime_is_named():
    scope = Scope(tiny_recipe(), 0, 1, {}, {"images": 5, "steps": 4, "every": 2}, images=20)
    assert resolve(Options("real"), scope) == {
        "": {"images": 5, "steps": 4, "every": 2, "regime": "real", "frozen": False}
    }
    with pytest.raises(RecipeError, match="regime = 'lazy' is neither real nor linearised"):
        resolve(Options("lazy"), scope)
