"""Errors of the networks of a training on held-out images, clean and corrupted (App. F).

A network is the composite of its own halves, ``f_t = F_{t→t}``: this is the diagonal of the composites, followed over
epochs t, and under the fifteen corruptions of CIFAR-10-C at five severities (see ``unseen``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SEVERITIES
from featdyn_core.errors import MeasurementError

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Errors:
    """Which images the networks of several epochs get wrong.

    Attributes:
        epochs: E ascending epochs.
        clean: whether an image is misclassified, (E, N).
        corrupted: the same of the last epoch's under each kind of corruption and severity, (15, 5, N); None if not
            looked at.
    """

    epochs: npt.NDArray[np.int64]
    clean: npt.NDArray[np.bool_]
    corrupted: npt.NDArray[np.bool_] | None = None

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of clean images classified as their label, (E,)."""
        return 1 - self.clean.mean(axis=-1)

    @property
    def error_by_severity(self) -> npt.NDArray[np.float64]:
        """Mean error in [0, 1] of the last epoch over all kinds of corruption, (5,), not normalised.

        Raises:
            MeasurementError: corrupted images were not looked at.
        """
        if self.corrupted is None:
            raise MeasurementError("these errors are of clean images only; ask for corrupted = true")
        return self.corrupted.mean(axis=(0, 2))

    @property
    def mean_corruption_error(self) -> float:
        """Mean error of the last epoch over all kinds and severities, the mCE of App. F.A; not normalised."""
        return float(self.error_by_severity.mean())

    def within(self, first: int, last: int) -> "Errors":
        """Return the part with epochs from ``first`` to ``last``, both included; what is corrupted is left out."""
        rows = (self.epochs >= first) & (self.epochs <= last)
        return Errors(self.epochs[rows], self.clean[rows])


def measure_errors(trajectory: "Trajectory", parameters: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Classify held-out images by the network of each of the ``epochs``; ``corrupted``: and corrupted ones by the last.

    Returns:
        Arrays: epochs (E,); labels (N,); clean and corrupted, errors as of ``Errors`` with eight images a byte.
    """
    from featdyn_core.data.corruptions import KINDS  # which imports torch, and reading does not
    from featdyn_core.measures.composites.composite import predict
    from featdyn_core.measures.composites.unseen import unseen_images

    epochs = list(parameters["epochs"])
    images, labels = trajectory.evaluation_set("held-out")

    def wrong(epoch: int, sets: "Iterable[Tensor]") -> npt.NDArray[np.uint8]:
        network = trajectory.network(epoch)
        found = [predict(network, seen, device=trajectory.device) != labels.numpy() for seen in sets]
        return np.packbits(found, axis=-1)

    clean = np.concatenate([wrong(epoch, [images]) for epoch in epochs])
    arrays = {"epochs": np.array(epochs, np.int64), "labels": labels.numpy(), "clean": clean}
    if parameters["corrupted"]:
        unseen = [{"kind": kind, "severity": severity} for kind in KINDS for severity in SEVERITIES]
        packed = wrong(epochs[-1], (unseen_images(trajectory, corruption)[0] for corruption in unseen))
        arrays["corrupted"] = packed.reshape(len(KINDS), len(SEVERITIES), -1)
    return arrays


def read_errors(arrays: Mapping[str, npt.NDArray[Any]], _: Mapping[str, Any]) -> Errors:
    """Return the errors of a record."""
    count = len(arrays["labels"])
    unpacked = {
        name: np.unpackbits(arrays[name], axis=-1, count=count).astype(bool)
        for name in ("clean", "corrupted")
        if name in arrays
    }
    return Errors(arrays["epochs"], **unpacked)
