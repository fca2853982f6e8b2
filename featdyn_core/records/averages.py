"""Averages of weights along a trajectory, to compare with composites (Izmailov et al. 2018, weight averaging).

A composite takes some layers from one checkpoint and the rest from another. An average mixes every layer. If averages
do as well as composites, the checkpoints lie in one basin, and any mixture of their weights does well. Averaging
requires new normalisation statistics. They are re-estimated in all networks, on training images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, of_statistics
from featdyn_core.records.planting import LABELS, classified

if TYPE_CHECKING:
    from featdyn_core.networks.blocks import BlockNetwork
    from featdyn_core.trajectories.trajectory import State, Trajectory


@dataclass(frozen=True)
class Options:
    """Options of averages.

    Attributes:
        window: the window whose checkpoints are averaged; t is the last.
        split: the split of images to measure.
    """

    window: str
    split: str = "held-out"


@dataclass(frozen=True, eq=False)
class Averages:
    """Predictions of averages of weights; t is the last of the epochs.

    Attributes:
        epochs: ascending epochs (S,).
        window: predictions (N,) of the average over all epochs.
        midpoints: predictions (S, N) of the averages of each epoch's weights with those of t.
        stranger: predictions (N,) of the average of the weights at t with those of another seed.
        reference: predictions (N,) of ``f_t``.
        labels: true labels (N,).

    Examples:
        >>> averages = Averages.planted(window=0.9, stranger=0.1)
        >>> float(averages.agreement("window")), float(averages.agreement("stranger"))
        (0.9, 0.1)
    """

    epochs: npt.NDArray[np.int64]
    window: npt.NDArray[np.integer]
    midpoints: npt.NDArray[np.integer]
    stranger: npt.NDArray[np.integer]
    reference: npt.NDArray[np.integer]
    labels: npt.NDArray[np.int64]

    def agreement(self, name: str) -> npt.NDArray[np.float64]:
        """Share of images with the class of ``f_t``, for ``window`` (), ``midpoints`` (S,) or ``stranger`` ()."""
        return (getattr(self, name) == self.reference).mean(axis=-1)

    @property
    def accuracy_gained(self) -> float:
        """Accuracy of the window's average minus that of ``f_t``."""
        return float((self.window == self.labels).mean() - (self.reference == self.labels).mean())

    @classmethod
    def planted(cls, *, window: float, stranger: float) -> "Averages":
        """Return averages at one epoch with given agreements; ``f_t`` is always right.

        Args:
            window: agreement of the average over the window, and of the midpoint.
            stranger: agreement of the average with a stranger's weights.
        """
        average = classified(window)
        return cls(np.zeros(1, np.int64), average, average[None], classified(stranger), LABELS, LABELS)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, "partner": scope.neighbour}
    return {"": {**common, "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters, partner: "Trajectory") -> dict[str, npt.NDArray[Any]]:
    """Average the weights of the ``epochs``, and evaluate the averages on a ``split``."""
    from featdyn_core.measures.composites.composite import predict

    epochs = list(parameters["epochs"])
    images, labels = trajectory.evaluation_set(parameters["split"])
    last = trajectory.state(epochs[-1])

    def predicted(network: "BlockNetwork") -> npt.NDArray[np.integer]:
        return predict(network, images, device=trajectory.device)

    return {
        "epochs": np.array(epochs, np.int64),
        "window": predicted(averaged(trajectory, [trajectory.state(epoch) for epoch in epochs])),
        "midpoints": np.array([predicted(averaged(trajectory, [trajectory.state(epoch), last])) for epoch in epochs]),
        "stranger": predicted(averaged(trajectory, [partner.state(epochs[-1]), last])),
        "reference": predicted(trajectory.network(epochs[-1])),
        "labels": labels.cpu().numpy(),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Averages:
    """Return the view of a record."""
    return Averages(**{name: arrays[name] for name in Averages.__dataclass_fields__})


def averaged(trajectory: "Trajectory", states: Sequence["State"]) -> "BlockNetwork":
    """Return a network with the mean of each parameter over states, and with re-estimated statistics."""
    import torch

    from featdyn_core.measures.composites.statistics import reestimated

    network = trajectory.network(trajectory.epochs[-1])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.stack([state[name].double() for state in states]).mean(dim=0))
    return reestimated(network, trajectory)


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="averages and their statistics",
    needs=of_statistics,
)
