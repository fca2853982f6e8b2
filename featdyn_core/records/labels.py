"""Which labels a network was trained with, against the true ones: how many are wrong, and what they mistake for what.

It looks at no checkpoint: labels follow from recipe, seed and images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope
from featdyn_core.records.planting import CLASSES, IMAGES

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.trajectories.trajectory import Trajectory

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Options:
    """The register says nothing of labels: they are those of all training images, and of the scale's held-out ones."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Numbers of images by true label, first axis, and by the label in use, second axis.

    Attributes:
        training: (classes, classes), of all N training images, by the label that the network was trained with.
        held_out: (classes, classes), of the held-out images, by the label that accuracy is measured with.

    Examples:
        >>> labels = Labels.planted(0.5)
        >>> labels.share_wrong, labels.wrong_held_out
        (0.5, 0)
    """

    training: Counts
    held_out: Counts

    @property
    def count(self) -> int:
        """Number N of training images."""
        return int(self.training.sum())

    @property
    def wrong(self) -> int:
        """Number of training images that the network was trained on with another label than the true one."""
        return _off_diagonal(self.training)

    @property
    def share_wrong(self) -> float:
        """Share of the training images with a wrong label."""
        return self.wrong / self.count

    @property
    def wrong_held_out(self) -> int:
        """Number of held-out images that are measured with a wrong label; any but 0 is a fault."""
        return _off_diagonal(self.held_out)

    @classmethod
    def planted(cls, share_wrong: float, *, wrong_held_out: int = 0) -> "Labels":
        """Return labels of which a share of the training images, and a number of held-out ones, have the next class's.

        The number of wrong ones of each class is rounded.
        """
        return cls(_planted(share_wrong * IMAGES), _planted(wrong_held_out))


def _off_diagonal(counts: Counts) -> int:
    return int(counts.sum() - np.trace(counts))


def _planted(wrong: float) -> Counts:
    """Return counts of images, equally many a class, of which so many are taken for the next class."""
    taken = np.diff(np.round(np.linspace(0, wrong, CLASSES + 1))).astype(np.int64)
    return np.diag(IMAGES // CLASSES - taken) + np.roll(np.diag(taken), 1, axis=1)


def resolve(_: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part."""
    return {"": {"images": scope.images}}


def measure(trajectory: "Trajectory", _: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Count labels by what the data set says and by what training and evaluation are given."""
    data = trajectory.dataset
    held_out, trained = trajectory.evaluation_set("held-out")[1], trajectory.training_set()[1]
    return {
        "training": _counts(data.train_labels, trained, data.classes),
        "held_out": _counts(data.test_labels[: len(held_out)], held_out, data.classes),
    }


def _counts(true: "Tensor", used: "Tensor", classes: int) -> Counts:
    return np.bincount((true * classes + used).numpy(), minlength=classes**2).reshape(classes, classes)


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Labels:
    """Return what a record holds."""
    return Labels(arrays["training"], arrays["held_out"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
