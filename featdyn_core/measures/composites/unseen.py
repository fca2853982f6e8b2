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
"""Largest number of bytes of corrupted images that a process keeps; it keeps those used last, for all trainings.

All kinds of CIFAR-10-C on its 10,000 images take 584 million bytes.
"""

RANDOM = "random"
"""Name, in place of a kind of corruption, for random images that keep only mean and covariance."""


def unseen_images(trajectory: "Trajectory", corruption: Mapping[str, Any]) -> "tuple[Tensor, Tensor, str]":
    """Return a trajectory's test images under a corruption, with their labels and their source.

    The images are the same for every training seed, as published files are.

    The errors are those of ``corrupted_test_set``, each a ``DataError``.

    Args:
        trajectory: source of the data set.
        corruption: a ``kind`` of CIFAR-10-C and a ``severity`` from 1 to 5; or the kind ``RANDOM`` alone.

    Returns:
        Images (N, C, H, W) uint8; labels (N,), which mean nothing for random images; and ``CIFAR-10-C`` if the official
        files are present, otherwise ``synthesised``.
    """
    from featdyn_core.data.random_images import random_images  # it imports torch

    images, labels = trajectory.evaluation_set("held-out")
    if corruption["kind"] == RANDOM:
        return random_images(images, numpy_generator(0, "corrupt", RANDOM)), labels, "synthesised"
    return _corrupted(trajectory.dataset, len(images), corruption["kind"], corruption["severity"])


_kept: "OrderedDict[tuple[Dataset, int, str, int], tuple[Tensor, Tensor, str]]" = OrderedDict()


def _corrupted(dataset: "Dataset", count: int, kind: str, severity: int) -> "tuple[Tensor, Tensor, str]":
    """Return the first test images of a data set under a corruption, with labels and source; made once."""
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
