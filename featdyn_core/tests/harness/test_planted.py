"""Planted worlds keep what they promise, measured with the grid that measures real ones."""

import math

import numpy as np
import pytest
import torch

from featdyn_core.harness.planted import CLASSES, angle_for, circle, drifting, frozen, rotating
from featdyn_core.measures.composites.grid import composite_grid

POINTS = 400
# Grey levels are whole numbers: a point at each of a sector's ends may fall to its neighbour.
GRAIN = 3 * CLASSES / POINTS
ROUNDING = 1e-6


def grid_of(trajectory):
    images, labels = trajectory.dataset.test_images, trajectory.dataset.test_labels
    return composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=("hidden1",),
        shallow_epochs=trajectory.epochs,
        deep_epochs=trajectory.epochs,
    )


def agreement_of(angle):
    return max(0.0, 1 - CLASSES * abs(angle) / (2 * math.pi))


def test_circle_has_equal_sectors():
    dataset = circle(POINTS)
    assert dataset.train_images.shape == (POINTS, 1, 1, 2)
    assert torch.bincount(dataset.train_labels).tolist() == [POINTS // CLASSES] * CLASSES
    assert dataset.complete
    radii = (dataset.train_images.float().flatten(1) / 127.5 - 1).norm(dim=1)
    assert (radii - 1).abs().max() < 0.01


@pytest.mark.parametrize("scales", [None, {0: 1.0, 5: 0.2, 7: 3.0, 9: 1.5}], ids=["rigid", "scaled"])
def test_agreement_is_what_the_angle_leaves(scales):
    angles = {0: 0.0, 5: 0.1, 7: 0.35, 9: -0.6}
    grid = grid_of(rotating(angles, scales=scales))
    assert grid.shallow_epochs.tolist() == [0, 5, 7, 9]
    for row, s in enumerate(angles):
        for column, t in enumerate(angles):
            expected = agreement_of(angles[s] - angles[t])
            assert grid.agreement[0, row, column] == pytest.approx(expected, abs=GRAIN), (s, t)


def test_every_network_of_a_rotating_world_is_right():
    grid = grid_of(rotating({0: 0.0, 3: 0.5, 4: -2.0}, scales={0: 1.0, 3: 0.5, 4: 2.0}))
    assert np.diagonal(grid.accuracy[0]).min() > 1 - GRAIN
    assert np.diagonal(grid.cross_entropy[0]).max() < 0.5
    assert grid.cross_entropy[0, 0, 1] > 1


def test_classifier_may_undo_another_rotation():
    """The network at epoch 2 is off by 0.2, so it is wrong there and agrees with itself."""
    world = rotating({1: 0.0, 2: 0.2}, deep_angles={1: 0.0, 2: 0.0})
    grid = grid_of(world)
    assert grid.accuracy[0, 1, 1] == pytest.approx(agreement_of(0.2), abs=GRAIN)
    assert grid.agreement[0, 1, 1] == 1.0
    assert grid.accuracy[0, 0, 1] > 1 - GRAIN
    assert grid.agreement[0, 0, 1] == pytest.approx(agreement_of(0.2), abs=GRAIN)


def test_frozen_is_the_last_network_at_every_epoch():
    world = drifting([0, 2, 5], 0.5)
    still = frozen(world)
    assert still.epochs == world.epochs
    for epoch in still.epochs:
        assert all(torch.equal(value, world.state(5)[name]) for name, value in still.state(epoch).items())
    grid = grid_of(still)
    assert (grid.agreement == 1.0).all()
    assert np.ptp(grid.accuracy) == 0
    assert grid_of(world).agreement.min() < 0.6


@pytest.mark.parametrize("agreement", [0.0, 0.5, 0.95, 1.0])
def test_drifting_ends_at_the_given_agreement_both_ways_and_on_the_way_lies_between(agreement):
    grid = grid_of(drifting([10, 15, 30], agreement))
    assert grid.agreement[0, 0, 2] == pytest.approx(agreement, abs=GRAIN)
    assert grid.agreement[0, 2, 0] == pytest.approx(agreement, abs=GRAIN)
    between = 1 - (1 - agreement) * 3 / 4  # from epoch 15 to 30 of 10 to 30
    assert grid.agreement[0, 1, 2] == pytest.approx(between, abs=GRAIN)


def test_drifting_clips_and_grows():
    for given, kept in ((1.3, 1.0), (-0.3, 0.0)):
        one, other = drifting([0, 1], given), drifting([0, 1], kept)
        assert all(torch.equal(one.state(1)[name], other.state(1)[name]) for name in one.state(1))
    for growth in (-0.8, 0.0, 0.5):
        world = drifting([0, 1], 0.9, growth=growth, seed=3)
        norms = [world.state(epoch)["blocks.hidden1.1.weight"].norm() for epoch in (0, 1)]
        assert float(norms[1] / norms[0]) == pytest.approx(1 + growth, rel=ROUNDING)
        assert world.seed == 3


def test_angle_for_inverts_the_agreement():
    for agreement in (0.0, 0.25, 1.0):
        assert agreement_of(angle_for(agreement)) == pytest.approx(agreement, abs=ROUNDING)
