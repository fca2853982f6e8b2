"""Losses over a square of epochs against composites evaluated one by one."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.measures.composites.composite import composite
from featdyn_core.records.losses import measure, read
from featdyn_core.trajectories.specs import LabelSpec

PARAMETERS = {"epochs": [0, 2, 4], "images": 40}
LOSS_TOLERANCE = 1e-5  # of a mean cross-entropy in single precision, relative


def test_each_loss_is_of_its_composite_on_first_training_images(tiny_trajectory):
    grid = read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)
    images, labels = (part[:40] for part in tiny_trajectory.training_set())
    assert grid.cuts == tiny_trajectory.network(4).depths
    assert grid.epochs.tolist() == [0, 2, 4]
    assert grid.losses.shape == (len(grid.cuts), 3, 3)
    for cut, shallow, deep in np.ndindex(grid.losses.shape):
        network = composite(tiny_trajectory, grid.epochs[shallow], grid.epochs[deep], grid.cuts[cut])
        with torch.no_grad():
            loss = float(F.cross_entropy(network(images), labels))
        assert grid.losses[cut, shallow, deep] == pytest.approx(loss, rel=LOSS_TOLERANCE), (
            f"{grid.cuts[cut]}, {grid.epochs[shallow]} under {grid.epochs[deep]}"
        )


def test_labels_are_those_that_the_network_was_trained_with(tiny_trajectory):
    noisy = dataclasses.replace(tiny_trajectory, recipe=tiny_trajectory.recipe.replace(labels=LabelSpec(0.5)))
    parameters = {"epochs": [4], "images": 40}
    images, labels = (part[:40] for part in noisy.training_set())
    assert (labels != tiny_trajectory.training_set()[1][:40]).any()
    with torch.no_grad():
        loss = float(F.cross_entropy(noisy.network(4)(images), labels))
    assert measure(noisy, parameters)["losses"].ravel() == pytest.approx(loss, rel=LOSS_TOLERANCE)
