"""Planted networks have the properties that measurements assume."""

import math

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.trajectories.paces import PACES, STANDING
from featdyn_core.trajectories.turning_network import CLASSES, SECTOR, TURN, circle, turning

POINTS = 400
TURNED = [0, 0.25, 0.5, 1]  # parts of the training at the epochs 0, 1, 2 and 4
WEIGHT, READ = "blocks.hidden1.1.weight", "blocks.head.linear.weight"


def predicted(network, images):
    with torch.no_grad():
        return network(images).argmax(1)


def test_circle_has_equal_sectors_on_a_unit_circle():
    dataset = circle(POINTS)
    assert dataset.train_images.shape == (POINTS, 1, 1, 2)
    assert dataset.train_images.dtype == torch.uint8
    assert torch.bincount(dataset.train_labels).tolist() == [POINTS // CLASSES] * CLASSES
    assert dataset.complete
    radii = (dataset.train_images.float().flatten(1) / 127.5 - 1).norm(dim=1)
    assert (radii - 1).abs().max() < 0.01


@pytest.mark.parametrize(("pace", "parts"), [("steady", TURNED), ("slowing", [0, 0.25, 0.5, 0.75])])
def test_a_turning_network_has_turned_by_its_pace(tiny_trajectory, pace, parts):
    turned = turning(tiny_trajectory, pace, 4)
    assert turned.epochs == (0, 1, 2, 4)
    for epoch, part in zip(turned.epochs, parts, strict=True):
        cosine, minus_sine, sine, again = turned.state(epoch)[WEIGHT].flatten().tolist()
        assert (cosine, -minus_sine) == pytest.approx((again, sine)), f"epoch {epoch}"
        assert math.atan2(sine, cosine) == pytest.approx(TURN * SECTOR * part, abs=1e-6), f"epoch {epoch}"


@pytest.mark.parametrize("pace", [pace for pace in PACES if pace != STANDING])
def test_it_classifies_all_points_correctly_at_every_epoch_alike(tiny_trajectory, pace):
    turned = turning(tiny_trajectory, pace, 4)
    images, labels = turned.evaluation_set("held-out")
    assert len(images) == POINTS
    for epoch in turned.epochs:
        right = (predicted(turned.network(epoch), images) == labels).float().mean()
        assert right > 0.95, f"epoch {epoch}"  # grey levels are whole


@pytest.mark.parametrize(("shallow", "deep"), [(0, 1), (1, 2), (2, 1)])
def test_its_composite_misses_the_sector_share_between_epochs(tiny_trajectory, shallow, deep):
    turned = turning(tiny_trajectory, "steady", 4)
    images, _ = turned.evaluation_set("held-out")
    network = turned.network(deep)
    reference = predicted(network, images)
    network.load_state_dict(turned.state(deep) | {WEIGHT: turned.state(shallow)[WEIGHT]})
    missed = float((predicted(network, images) != reference).float().mean())
    assert missed == pytest.approx(TURN * 0.25, abs=1 / 50)  # a sector has 50 points


def test_what_stands_still_is_churn_alone(tiny_trajectory):
    standing = turning(tiny_trajectory, STANDING, 4)
    images, _ = standing.evaluation_set("held-out")
    early, late = standing.network(1), standing.network(2)
    missed = float((predicted(early, images) != predicted(late, images)).float().mean())
    assert missed == pytest.approx(TURN * 0.25, abs=1 / 50)
    assert torch.equal(standing.state(1)[WEIGHT], standing.state(2)[WEIGHT])


def test_it_keeps_what_says_where_it_stands(tiny_trajectory):
    turned = turning(tiny_trajectory, "steady", 4)
    assert (turned.seed, turned.device) == (tiny_trajectory.seed, tiny_trajectory.device)
    assert turned.recipe.training.checkpoints == tiny_trajectory.epochs
    assert set(turned.state(0)) == set(turned.network(0).state_dict())
    assert np.linalg.norm(turned.state(0)[READ].numpy(), axis=1) == pytest.approx(20.0)


def test_another_pace_is_refused(tiny_trajectory):
    with pytest.raises(MeasurementError, match=r"unknown pace 'fast' .*; use one of steady, slowing, standing"):
        turning(tiny_trajectory, "fast", 4)
