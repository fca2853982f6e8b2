"""Images that no training has seen: test images under a corruption, and random ones (section 5)."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.trajectories.trajectory import Trajectory

RANDOM = "random"
"""What stands in the place of a kind of corruption for images of which only mean and covariance are left."""


def unseen_images(trajectory: "Trajectory", corruption: Mapping[str, Any]) -> "tuple[Tensor, Tensor, str]":
    """Return the test images that a trajectory is measured on under a corruption, their labels, and their source.

    They are the same for every training seed, as published files are.

    Args:
        trajectory: whose data set it is.
        corruption: ``kind`` of CIFAR-10-C and ``severity`` 1 to 5; or the kind ``RANDOM`` alone.

    Returns:
        Images (N, C, H, W) uint8, labels (N,), which random images have in name only; ``CIFAR-10-C`` where the
        official files are at hand, else ``synthesised``.

    Raises:
        DataError: see ``corrupted_test_set``.
    """
    from featdyn_core.data.corruptions import corrupted_test_set  # they import torch
    from featdyn_core.data.random_images import random_images

    images, labels = trajectory.evaluation_set("held-out")
    rng = numpy_generator(0, "corrupt", *corruption.values())
    if corruption["kind"] == RANDOM:
        return random_images(images, rng), labels, "synthesised"
    dataset = dataclasses.replace(trajectory.dataset, test_images=images, test_labels=labels)
    return corrupted_test_set(dataset, corruption["kind"], corruption["severity"], rng)
