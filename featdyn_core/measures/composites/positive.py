"""A planted network whose past shallow half is better than random displacements, by construction.

One hidden layer has two features that the classifier reads, and others that it does not. From epoch 0 to ``LAST`` only
the others move. So the composite of both agrees with the network everywhere, and a displacement as large that spreads
over all features does not: who compares the two must see the difference.
"""

import math

import numpy as np
import torch

from featdyn_core.data.sources import Dataset
from featdyn_core.trajectories.recipe import DataSpec, NetworkSpec, OptimizerSpec, Recipe, TrainingSpec
from featdyn_core.trajectories.trajectory import State, Trajectory

LAST = 1
CLASSES = 8
SHARPNESS = 20.0
"""Factor on the logits: cross-entropy is near 0 inside a sector."""

UNREAD = 6
"""Features that the classifier does not read."""


def circle(points: int = 400) -> Dataset:
    """Points on the unit circle as images (N, 1, 1, 2) of 127.5 (1 + coordinate), labelled by sector."""
    angles = (np.arange(points) + 0.5) * 2 * math.pi / points
    coordinates = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = torch.from_numpy(np.round(127.5 * (1 + coordinates)).astype(np.uint8)).view(points, 1, 1, 2)
    labels = torch.from_numpy((angles // (2 * math.pi / CLASSES)).astype(np.int64))
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


def planted_drift(rng: np.random.Generator) -> Trajectory:
    """Return the planted network's two checkpoints, at the epochs 0 and ``LAST``."""
    states = {epoch: _state(torch.from_numpy(rng.standard_normal((UNREAD, 2))).float()) for epoch in (0, LAST)}
    recipe = Recipe(
        name="planted",
        data=DataSpec("digits"),
        network=NetworkSpec("mlp", {"hidden": [2 + UNREAD], "linear_last": True}),
        optimizer=OptimizerSpec("sgd", 0.0),
        training=TrainingSpec(LAST, 100, tuple(states)),
    )
    return Trajectory(recipe, 0, "", tuple(states), circle(), states.__getitem__)


def _state(unread: torch.Tensor) -> State:
    """A layer that hands the point on beside features nobody reads, under a classifier of sectors."""
    centres = (torch.arange(CLASSES) + 0.5) * 2 * math.pi / CLASSES
    directions = torch.stack([torch.cos(centres), torch.sin(centres)], dim=1)
    return {
        "blocks.hidden1.1.weight": torch.cat([torch.eye(2), unread]),
        "blocks.hidden1.1.bias": torch.zeros(2 + UNREAD),
        "blocks.head.linear.weight": SHARPNESS * torch.cat([directions, torch.zeros(CLASSES, UNREAD)], dim=1),
        "blocks.head.linear.bias": torch.zeros(CLASSES),
    }
