"""Images for re-estimated statistics: training images, as training shows them."""

import dataclasses

import pytest

from featdyn_core.measures.composites.calibration import share_shown_in_training
from featdyn_core.measures.composites.composite import calibration_images
from featdyn_core.trajectories.specs import DataSpec


@pytest.fixture(params=["none", "crop-flip"])
def trajectory(request, tiny_trajectory):
    recipe = dataclasses.replace(tiny_trajectory.recipe, data=DataSpec("digits", augmentation=request.param))
    return dataclasses.replace(tiny_trajectory, recipe=recipe)


def test_calibration_images_are_shown_in_training(trajectory):
    assert share_shown_in_training(trajectory, calibration_images(trajectory)) == 1


def test_held_out_images_are_not(trajectory):
    images = trajectory.dataset.test_images
    assert share_shown_in_training(trajectory, images) == 0
    mixed = trajectory.dataset.train_images[:100].clone()
    mixed[:25] = images[:25]
    assert share_shown_in_training(trajectory, mixed) == 0.75


def test_augmented_images_are_not_those_of_a_training_without(tiny_trajectory, trajectory):
    share = share_shown_in_training(tiny_trajectory, calibration_images(trajectory))
    assert (share == 1) is (trajectory.recipe.data.augmentation == "none")
