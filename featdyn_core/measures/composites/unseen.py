"""Images that no training has seen: test images under a corruption, and random ones (section 5)."""

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.data.sources import Dataset
    from featdyn_core.trajectories.trajectory import Trajectory

KEPT_BYTES = 640 * 2**20
"""So many bytes of corrupted images a process keeps, which are the same for every training: those asked for last.

All kinds of CIFAR-10-C on its 10,000 images are 584 million bytes.
"""

RANDOM = "random"
"""What stands in the place of a kind of corruption for images of which only mean and covariance are left."""


def unseen_images(trajectory: "Trajectory", corruption: Mapping[str, Any]) -> "tuple[Tensor, Tensor, str]":
    """Return the test images that a trajectory is measured on under a corruption, their labels, and their source.

    They are the same for every training seed, as published files are.

    What ``corrupted_test_set`` refuses is a ``DataError``.

    Args:
        trajectory: whose data set it is.
        corruption: ``kind`` of CIFAR-10-C and ``severity`` 1 to 5; or the kind ``RANDOM`` alone.

    Returns:
        Images (N, C, H, W) uint8, labels (N,), which random images have in name only; ``CIFAR-10-C`` where the
        official files are at hand, else ``synthesised``.
    """
    from featdyn_core.data.random_images import random_images  # it imports torch

    images, labels = trajectory.evaluation_set("held-out")
    if corruption["kind"] == RANDOM:
        return random_images(images, numpy_generator(0, "corrupt", RANDOM)), labels, "synthesised"
    return _corrupted(trajectory.dataset, len(images), corruption["kind"], corruption["severity"])


_kept: "OrderedDict[tuple[Dataset, int, str, int], tuple[Tensor, Tensor, str]]" = OrderedDict()


def _corrupted(dataset: "Dataset", count: int, kind: str, severity: int) -> "tuple[Tensor, Tensor, str]":
    """Return the first test images of a data set under a corruption, their labels and their source, made once."""
    key = dataset, count, kind, severity
    if key not in _kept:
        _kept[key] = _made(dataset, count, kind, severity)
    _kept.move_to_end(key)
    found = _kept[key]
    while _kept and sum(images.nbytes for images, _, _ in _kept.values()) > KEPT_BYTES:
        _kept.popitem(last=False)
    return found


def _made(dataset: "Dataset", count: int, kind: str, severity: int) -> "tuple[Tensor, Tensor, str]":
    from featdyn_core.data.corruptions import corrupted_test_set  # it imports torch

    part = dataclasses.replace(
        dataset, test_images=dataset.test_images[:count], test_labels=dataset.test_labels[:count]
    )
    return corrupted_test_set(part, kind, severity, numpy_generator(0, "corrupt", kind, severity))
