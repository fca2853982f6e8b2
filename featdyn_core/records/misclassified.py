"""The held-out images that the networks of a training misclassify, clean and corrupted (App. F).

A network is the composite of its own halves, ``f_t = F_{t→t}``. So this kind follows the diagonal of the composites
over epochs t. It also looks at the fifteen corruptions of CIFAR-10-C at five severities (see ``unseen``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SEVERITIES
from featdyn_core.errors import MeasurementError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope
from featdyn_core.records.planting import IMAGES, Shares

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """Options of errors, which are measured on held-out images.

    Attributes:
        window: the window whose checkpoints classify the images.
        corrupted: whether the last checkpoint classifies corrupted images too.
    """

    window: str
    corrupted: bool = False


@dataclass(frozen=True, eq=False)
class Misclassified:
    """The images that the networks of several epochs get wrong.

    Attributes:
        epochs: E ascending epochs.
        clean: whether an image is misclassified, (E, N).
        corrupted: the same for the last epoch under each kind of corruption and severity, (15, 5, N); None if not
            measured.

    Examples:
        >>> Misclassified.planted([0, 10], [0.5, 0.9]).accuracy.tolist()
        [0.5, 0.9]
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
        """Mean error of the last epoch over all kinds of corruption, in [0, 1], for each severity (5,); not normalised.

        Raises:
            MeasurementError: corrupted images were not measured.
        """
        if self.corrupted is None:
            raise MeasurementError("these errors are of clean images only; ask for corrupted = true")
        return self.corrupted.mean(axis=(0, 2))

    @property
    def mean_corruption_error(self) -> float:
        """Mean error of the last epoch over all kinds and severities, the mCE of App. F.A; not normalised.

        Without the files of CIFAR-10-C, frost is a synthesised texture that is milder than the original.
        """
        return float(self.error_by_severity.mean())

    def within(self, first: int, last: int) -> "Misclassified":
        """Return the part with epochs from ``first`` to ``last``, both included, without corrupted images."""
        rows = (self.epochs >= first) & (self.epochs <= last)
        return Misclassified(self.epochs[rows], self.clean[rows])

    @classmethod
    def planted(cls, epochs: Sequence[int], accuracy: Shares, error: Shares | None = None) -> "Misclassified":
        """Return errors of given shares of the images.

        Args:
            epochs: E ascending epochs.
            accuracy: share of clean images classified correctly, one for all epochs or for each (E,).
            error: share of corrupted images classified wrongly, one for all severities or for each (5,); None for no
                corrupted images.
        """
        images = np.arange(IMAGES)
        clean = images < np.round((1 - np.broadcast_to(accuracy, len(epochs))) * IMAGES)[:, None]
        if error is None:
            return cls(np.asarray(epochs, np.int64), clean)
        wrong = images < np.round(np.broadcast_to(error, len(SEVERITIES)) * IMAGES)[:, None]
        return cls(np.asarray(epochs, np.int64), clean, np.broadcast_to(wrong, (15, *wrong.shape)))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    epochs = scope.epochs(options.window)
    return {"": {"epochs": epochs, "images": scope.images, "corrupted": options.corrupted}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Classify held-out images by the network of each of the ``epochs``.

    With ``corrupted``, the last network classifies corrupted images too.

    Returns:
        Arrays: epochs (E,); labels (N,); clean and corrupted errors as in ``Misclassified``, with eight images a byte.
    """
    from featdyn_core.data.corruptions import KINDS
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


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Misclassified:
    """Return the errors of a record."""
    count = len(arrays["labels"])
    unpacked = {
        name: np.unpackbits(arrays[name], axis=-1, count=count).astype(bool)
        for name in ("clean", "corrupted")
        if name in arrays
    }
    return Misclassified(arrays["epochs"], **unpacked)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read)
