"""Planted networks on a circle, whose measurements are known by construction.

Images are points of the unit circle, and classes are its sectors. The one hidden layer is linear, so the weights show
directly how the network acts.
"""

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError
from featdyn_core.trajectories.paces import PACES, STANDING
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import State, Trajectory

CLASSES = 8
SECTOR = 2 * math.pi / CLASSES
"""Angle of a class, in radians."""

SHARPNESS = 20.0
"""Factor on the logits: cross-entropy is near 0 inside a sector."""

TURN = 1.25
"""Number of sectors that a turning network would turn over its duration at its first pace."""


def circle(points: int = 400) -> Dataset:
    """Points on the unit circle as images (N, 1, 1, 2) of 127.5 (1 + coordinate), labelled by sector."""
    angles = (np.arange(points) + 0.5) * 2 * math.pi / points
    coordinates = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = torch.from_numpy(np.round(127.5 * (1 + coordinates)).astype(np.uint8)).view(points, 1, 1, 2)
    labels = torch.from_numpy((angles // SECTOR).astype(np.int64))
    return Dataset(
        name="circle",
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
        classes=CLASSES,
        mean=(0.5,),
        std=(0.5,),
        source="planted",
        published_counts=(points, points),
    )


def circle_recipe(hidden: int, epochs: tuple[int, ...]) -> Recipe:
    """Return the recipe of a planted network with this number of hidden features; nobody trains it."""
    return Recipe(
        name="planted",
        data=DataSpec("digits"),
        network=NetworkSpec("mlp", {"hidden": [hidden], "linear_last": True}),
        optimizer=OptimizerSpec("sgd", 0.0),
        training=TrainingSpec(epochs[-1], 100, epochs),
    )


def circle_state(hidden: Tensor, read: Tensor) -> State:
    """Return the state of a network with these weights (features, 2) and this classifier (classes, features)."""
    return {
        "blocks.hidden1.1.weight": hidden,
        "blocks.hidden1.1.bias": torch.zeros(len(hidden)),
        "blocks.head.linear.weight": SHARPNESS * read,
        "blocks.head.linear.bias": torch.zeros(CLASSES),
    }


def sector_centres() -> Tensor:
    """Unit vectors (classes, 2) to the middle of each sector: a classifier of points on the circle."""
    angles = (torch.arange(CLASSES) + 0.5) * SECTOR
    return torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)


def turning(trajectory: Trajectory, pace: str, duration: int) -> Trajectory:
    """Return a network whose hidden layer turns the plane, and whose classifier turns with it.

    It classifies every point the same at all epochs. The composite of two epochs sees points turned by the angle
    between the epochs. The share of points that it misses is this angle over the angle of a sector. So its memory
    window spans the same angle at every epoch that is late enough. Along the path of parameters this is the same
    length. In epochs the window is constant if the pace is ``steady``, and grows if it is ``slowing``.

    A ``standing`` network is the opposite. The shallow parts of all epochs are equal, so a composite is ``f_t`` itself.
    ``f_s`` misses a share of points: the angle that the classifier has turned since s, over that of a sector.

    Args:
        trajectory: the trajectory that it replaces; both have the same epochs.
        pace: one of ``PACES``.
        duration: duration in epochs; the network continues to turn after it.

    Raises:
        MeasurementError: the pace is unknown.
    """
    if pace not in PACES:
        raise MeasurementError(f"unknown pace {pace!r} of a planted network; use one of {', '.join(PACES)}")
    epochs, images = trajectory.epochs, circle()

    def load(epoch: int) -> State:
        angle = torch.tensor(TURN * SECTOR * PACES[pace](epoch / duration))
        rows = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)])
        rotation = rows.view(2, 2)
        hidden = torch.eye(2) if pace == STANDING else rotation
        return circle_state(hidden, sector_centres() @ rotation.T)

    return dataclasses.replace(
        trajectory,
        recipe=circle_recipe(2, epochs),
        key="",
        dataset=images,
        load=load,
        log=(),
        digests={},
        evaluation_images=len(images.test_images),
    )
