"""Errors of the networks of a training on held-out images, clean and corrupted (App. F).

A network is the composite of its own halves, ``f_t = F_{t→t}``: this is the diagonal of the composites, followed over
epochs t, and under the fifteen corruptions of CIFAR-10-C at five severities.

**Reading:** the corrupted images are one set for all trainings, as CIFAR-10-C is: they are drawn with the seed 0.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.trajectories.trajectory import Trajectory

SEED = 0
"""Of the corrupted images."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Which images the networks of several epochs get wrong.

    Attributes:
        epochs: E ascending epochs.
        clean: whether an image is misclassified, (E, N).
        corrupted: the same under each kind of corruption and each severity, (E, 15, 5, N); None if not measured.
    """

    epochs: npt.NDArray[np.int64]
    clean: npt.NDArray[np.bool_]
    corrupted: npt.NDArray[np.bool_] | None = None

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of clean images classified as their label, (E,)."""
        return 1 - self.clean.mean(axis=-1)

    @property
    def mean_corruption_error(self) -> npt.NDArray[np.float64]:
        """MCE (App. F.A), (E,): mean error in [0, 1] over all corruptions and severities, not normalised.

        Raises:
            MeasurementError: corrupted images were not looked at.
        """
        if self.corrupted is None:
            raise MeasurementError("these errors are of clean images only; ask for corrupted = true")
        return self.corrupted.mean(axis=(1, 2, 3))


def measure_errors(trajectory: "Trajectory", parameters: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Classify held-out images by the network of each of the ``epochs``; ``corrupted``: corrupted ones too.

    Returns:
        Arrays: epochs (E,); labels (N,); clean and corrupted, errors as of ``Errors`` with eight images a byte.
    """
    from featdyn_core.data.corruptions import KINDS, SEVERITIES  # they import torch, and reading does not
    from featdyn_core.measures.composites.composite import predict

    epochs = list(parameters["epochs"])
    images, labels = trajectory.evaluation_set("held-out")
    networks = [trajectory.network(epoch) for epoch in epochs]

    def wrong(seen: "Tensor") -> npt.NDArray[np.uint8]:
        found = [predict(network, seen, device=trajectory.device) != labels.numpy() for network in networks]
        return np.packbits(found, axis=-1)

    arrays = {"epochs": np.array(epochs, np.int64), "labels": labels.numpy(), "clean": wrong(images)}
    if parameters["corrupted"]:
        packed = np.array([wrong(seen) for seen in corrupted_images(trajectory)])
        arrays["corrupted"] = np.moveaxis(packed.reshape(len(KINDS), len(SEVERITIES), *packed.shape[1:]), 2, 0)
    return arrays


def corrupted_images(trajectory: "Trajectory") -> "Iterator[Tensor]":
    """Yield the held-out images (N, C, H, W) of ``evaluation_set``, kind by kind under each severity."""
    from featdyn_core.data.corruptions import KINDS, SEVERITIES, corrupted_test_set

    images, labels = trajectory.evaluation_set("held-out")
    dataset = dataclasses.replace(trajectory.dataset, test_images=images, test_labels=labels)
    for kind, severity in itertools.product(KINDS, SEVERITIES):
        yield corrupted_test_set(dataset, kind, severity, numpy_generator(SEED, "corrupt", kind, severity))[0]


def read_errors(arrays: Mapping[str, npt.NDArray[Any]], _: Mapping[str, Any]) -> Errors:
    """Return the errors of a record."""
    count = len(arrays["labels"])
    unpacked = {
        name: np.unpackbits(arrays[name], axis=-1, count=count).astype(bool)
        for name in ("clean", "corrupted")
        if name in arrays
    }
    return Errors(arrays["epochs"], **unpacked)
