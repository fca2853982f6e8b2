"""Worlds in which a claim is true, false or undecidable by construction.

A planted trajectory is a network of one linear feature layer, of two features, under a linear classifier.
Inputs are points on the unit circle; classes are ``CLASSES`` equal sectors of it. At epoch e the feature
layer rotates the circle by the angle ``a_e`` and scales it by ``c_e > 0``, and the classifier undoes a
rotation by ``b_e``. The composite ``(s, t)`` therefore rotates by ``a_s - b_t`` and agrees with ``f_t``,
where ``a_t = b_t``, on the share ``1 - CLASSES |a_s - b_t| / 2π`` of a uniform circle (while that is
positive), whatever the scales.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from featdyn_core.data.sources import Dataset
from featdyn_core.trajectories.recipe import DataSpec, NetworkSpec, OptimizerSpec, Recipe, TrainingSpec
from featdyn_core.trajectories.trajectory import State, Trajectory

CLASSES = 8
SHARPNESS = 20.0
"""Factor on the logits: cross-entropy is near 0 inside a sector."""


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


def rotating(
    angles: Mapping[int, float],
    *,
    scales: Mapping[int, float] | None = None,
    deep_angles: Mapping[int, float] | None = None,
    seed: int = 0,
    dataset: Dataset | None = None,
) -> Trajectory:
    """Return a planted trajectory.

    Args:
        angles: epoch to the rotation of its feature layer, in radians.
        scales: epoch to the scale of its feature layer; 1 if left out.
        deep_angles: epoch to the rotation that its classifier undoes; ``angles`` if left out.
        seed: recorded as the trajectory's seed.
        dataset: ``circle()`` if left out.
    """
    scales = scales or dict.fromkeys(angles, 1.0)
    deep_angles = deep_angles or angles
    states = {epoch: _state(angles[epoch], scales[epoch], deep_angles[epoch]) for epoch in sorted(angles)}
    return in_memory(states, seed=seed, dataset=dataset or circle())


def frozen(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory of a network that never moves: the last checkpoint at every epoch."""
    last = trajectory.epochs[-1]
    return dataclasses.replace(trajectory, key="", load=lambda _: trajectory.state(last), log=(), digests={})


def in_memory(states: Mapping[int, State], *, seed: int, dataset: Dataset) -> Trajectory:
    """Return a trajectory of the given states of the planted network."""
    epochs = tuple(sorted(states))
    recipe = Recipe(
        name="planted",
        data=DataSpec("digits"),
        network=NetworkSpec("mlp", {"hidden": [2], "linear_last": True}),
        optimizer=OptimizerSpec("sgd", 0.0),
        training=TrainingSpec(max(epochs[-1], 1), 100, epochs if epochs[-1] else (1,)),
    )
    return Trajectory(recipe, seed, "", epochs, dataset, states.__getitem__)


def angle_for(agreement: float) -> float:
    """Rotation, in radians, that leaves the given agreement, in [0, 1]."""
    return (1 - agreement) * 2 * math.pi / CLASSES


def drifting(
    epochs: Sequence[int],
    agreement: float,
    *,
    growth: float = -0.8,
    seed: int = 0,
    dataset: Dataset | None = None,
) -> Trajectory:
    """Return a trajectory whose features turn steadily, from the first to the last of ``epochs``.

    Args:
        epochs: ascending.
        agreement: of the composites of first and last epoch (both ways), clipped to [0, 1].
        growth: relative change of the feature layer's scale. No classifier notices it, but a random
            displacement by the same norm does harm. With 0, closeness is all there is.
        seed: recorded as the trajectory's seed.
        dataset: ``circle()`` if left out.
    """
    share = [(epoch - epochs[0]) / (epochs[-1] - epochs[0]) for epoch in epochs]
    whole = angle_for(min(max(agreement, 0.0), 1.0))
    angles = {epoch: part * whole for epoch, part in zip(epochs, share, strict=True)}
    scales = {epoch: 1 + growth * part for epoch, part in zip(epochs, share, strict=True)}
    return rotating(angles, scales=scales, seed=seed, dataset=dataset)


def _rotation(angle: float) -> Tensor:
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _state(angle: float, scale: float, deep_angle: float) -> State:
    centres = (torch.arange(CLASSES) + 0.5) * 2 * math.pi / CLASSES
    directions = torch.stack([torch.cos(centres), torch.sin(centres)], dim=1)
    return {
        "blocks.hidden1.1.weight": scale * _rotation(angle),
        "blocks.hidden1.1.bias": torch.zeros(2),
        "blocks.head.linear.weight": SHARPNESS * directions @ _rotation(-deep_angle),
        "blocks.head.linear.bias": torch.zeros(CLASSES),
    }
