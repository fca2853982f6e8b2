"""Averages of weights along a trajectory, beside its composites (stochastic weight averaging, Izmailov et al. 2018).

A composite takes some layers of one checkpoint and the rest of another; an average mixes every layer. Where averages
do as well as composites, the checkpoints lie in one basin, in which any mixture of their weights would serve.
Normalisation statistics are re-estimated in all of them, as averaging demands, on training images.
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
    """What the register may say of averages.

    Attributes:
        window: whose checkpoints are averaged, t the last.
        split: of the images.
    """

    window: str
    split: str = "held-out"


@dataclass(frozen=True, eq=False)
class Averages:
    """Predictions of averages of weights, t the last of the epochs.

    Attributes:
        epochs: (S,) ascending epochs.
        window: predictions (N,) of the average over all epochs.
        midpoints: (S, N) of the averages of each epoch's weights with those of t.
        stranger: (N,) of the average of the weights at t with another seed's.
        reference: (N,) of ``f_t``.
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
        """Share of images classified as by ``f_t``, of ``window`` (), ``midpoints`` (S,) or ``stranger`` ()."""
        return (getattr(self, name) == self.reference).mean(axis=-1)

    @property
    def accuracy_gained(self) -> float:
        """Accuracy of the window's average minus that of ``f_t``."""
        return float((self.window == self.labels).mean() - (self.reference == self.labels).mean())

    @classmethod
    def planted(cls, *, window: float, stranger: float) -> "Averages":
        """Return averages of one epoch that agree with ``f_t`` on given shares of the images; ``f_t`` is always right.

        Args:
            window: agreement of the average over the window, and of the midpoint.
            stranger: of the average with a stranger's weights.
        """
        average = classified(window)
        return cls(np.zeros(1, np.int64), average, average[None], classified(stranger), LABELS, LABELS)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, "partner": scope.neighbour}
    return {"": {**common, "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters, partner: "Trajectory") -> dict[str, npt.NDArray[Any]]:
    """Average the weights of the ``epochs``, and evaluate on a ``split``."""
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
    """Return what a record holds."""
    return Averages(**{name: arrays[name] for name in Averages.__dataclass_fields__})


def averaged(trajectory: "Trajectory", states: Sequence["State"]) -> "BlockNetwork":
    """Return the network whose every parameter is the mean over states, its statistics re-estimated."""
    import torch

    from featdyn_core.measures.composites.composite import calibration_images, recalibrate

    network = trajectory.network(trajectory.epochs[-1])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.stack([state[name].double() for state in states]).mean(dim=0))
    size = trajectory.recipe.training.batch_size
    recalibrate(network, calibration_images(trajectory), list(network.blocks), size)
    return network


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="averages and their statistics",
    needs=of_statistics,
)
