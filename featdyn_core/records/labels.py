"""The labels that a network was trained with, against the true ones: how many are wrong, and for which classes.

This kind reads no checkpoint: labels follow from recipe, seed and images.
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
    """Labels have no options: a record covers all training images, and the held-out images of the scale."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Numbers of images by true label (first axis) and by the label in use (second axis).

    Attributes:
        training: numbers of all N training images, by the label that the network was trained with, (classes, classes).
        held_out: numbers of the held-out images, by the label that accuracy is measured with, (classes, classes).

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
        """Number of training images that the network was trained on with a wrong label."""
        return _off_diagonal(self.training)

    @property
    def share_wrong(self) -> float:
        """Share of the training images with a wrong label."""
        return self.wrong / self.count

    @property
    def wrong_held_out(self) -> int:
        """Number of held-out images that are measured with a wrong label; any number but 0 is a fault."""
        return _off_diagonal(self.held_out)

    @classmethod
    def planted(cls, share_wrong: float, *, wrong_held_out: int = 0) -> "Labels":
        """Return labels where some images have the label of the next class.

        A share of the training images and a number of the held-out images have it. The number of wrong labels in each
        class is rounded.
        """
        return cls(_planted(share_wrong * IMAGES), _planted(wrong_held_out))


def _off_diagonal(counts: Counts) -> int:
    return int(counts.sum() - np.trace(counts))


def _planted(wrong: float) -> Counts:
    """Return counts of images, equally many in each class, some of them with the label of the next class."""
    taken = np.diff(np.round(np.linspace(0, wrong, CLASSES + 1))).astype(np.int64)
    return np.diag(IMAGES // CLASSES - taken) + np.roll(np.diag(taken), 1, axis=1)


def resolve(_: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    return {"": {"images": scope.images}}


def measure(trajectory: "Trajectory", _: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Count labels by the data set's label and by the label that training or evaluation is given."""
    data = trajectory.dataset
    held_out, trained = trajectory.evaluation_set("held-out")[1], trajectory.training_set()[1]
    return {
        "training": _counts(data.train_labels, trained, data.classes),
        "held_out": _counts(data.test_labels[: len(held_out)], held_out, data.classes),
    }


def _counts(true: "Tensor", used: "Tensor", classes: int) -> Counts:
    return np.bincount((true * classes + used).numpy(), minlength=classes**2).reshape(classes, classes)


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Labels:
    """Return the view of a record."""
    return Labels(arrays["training"], arrays["held_out"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
