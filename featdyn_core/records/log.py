"""The log of a training: loss, accuracy and learning rate of each epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError
from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope
from featdyn_core.trajectories.specs import LOG

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """A log has no options: it covers all epochs."""


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """Logged numbers of the epochs of a training.

    Attributes:
        epochs: the E trained epochs, ascending from 1.
        loss: mean cross-entropy of each epoch's steps in nats, against the labels used in training, (E,).
        accuracy: share of training images classified as these labels, (E,).
        learning_rate: learning rate of each epoch, (E,).

    Examples:
        >>> round(TrainingLog.planted(10, 0.25, late=6).fall(6, 10), 4)
        0.25
    """

    epochs: npt.NDArray[np.int64]
    loss: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    learning_rate: npt.NDArray[np.float64]

    def fall(self, first: int, last: int) -> float:
        """Return the absolute change of the loss between two epochs, as a share of its fall up to the last epoch.

        Raises:
            MeasurementError: the log lacks one of the epochs.
        """
        if absent := {first, last} - set(self.epochs.tolist()):
            raise MeasurementError(f"the training logged no epoch {min(absent)}")
        begun, early, late = self.loss[np.searchsorted(self.epochs, [self.epochs[0], first, last])]
        return float(abs(early - late) / (begun - late))

    @classmethod
    def planted(cls, epochs: int, fall: float, *, late: int) -> "TrainingLog":
        """Return the log of a training whose loss falls from 2 to 1, a share of this fall after a given epoch."""
        trained = np.arange(1, epochs + 1)
        loss = np.interp(trained, [1, late, epochs], [2, 1 + fall, 1])
        return cls(trained, loss, np.ones(epochs), np.ones(epochs))


def resolve(_: Options, __: Scope) -> Resolved:
    """Return the parameters of the record's single part: none."""
    return {"": {}}


def measure(trajectory: "Trajectory", _: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Return the logged numbers of every trained epoch."""
    trained = [record for record in trajectory.log if record.epoch > 0]
    return {
        "epochs": np.array([record.epoch for record in trained], np.int64),
        "loss": np.array([record.train_loss for record in trained]),
        "accuracy": np.array([record.train_accuracy for record in trained]),
        "learning_rate": np.array([record.learning_rate for record in trained]),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> TrainingLog:
    """Return the log of a record."""
    return TrainingLog(**{name: arrays[name] for name in ("epochs", "loss", "accuracy", "learning_rate")})


def needs(_: Parameters) -> tuple[str, ...]:
    """Return the facts that a log needs: the losses that were logged during training."""
    return (LOG,)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL, needs=needs)
