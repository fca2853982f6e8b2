"""The average of a window's shallow halves, and the past at the same distance: two ways to be as far from ``θ_t``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featdyn_core.measures.composites.composite import calibration_images, recalibrate
from featdyn_core.measures.composites.displacement import shallow_vector
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class EquallyFar:
    """Two networks with the deep half of ``f_t``, their shallow halves equally far from its own.

    Attributes:
        average: with the mean of the shallow halves.
        past: with that of a past epoch, between two checkpoints.
        epoch: which, a fraction where it is between them.
        distances: of both from ``θ_t``, as their parameters are, over the norm of the shallow half at t.
    """

    average: BlockNetwork
    past: BlockNetwork
    epoch: float
    distances: tuple[float, float]


@undisturbed()
def equally_far(trajectory: Trajectory, epochs: Sequence[int], cut: str) -> EquallyFar:
    """Return the average over ascending epochs before the cut, and the past as far from t, the last of them.

    **Reading:** the past is the path of the checkpoints, straight between neighbours, and the place on it is the first,
    going back from t, whose distance from ``θ_t`` is that of the average. A point of the straight line from ``θ_t`` to
    a far checkpoint would be an average itself, and no past. All normalisation statistics of both are re-estimated.

    An epoch without checkpoint is a ``MeasurementError``, an unknown cut a ``ModelError``.
    """
    network = trajectory.network(epochs[-1])
    halves = torch.stack([shallow_vector(network, trajectory.state(epoch), cut) for epoch in epochs])
    offsets = halves - halves[-1]
    mean = offsets.mean(dim=0)
    place, past = _passing(offsets, torch.linalg.vector_norm(mean))
    average, composite = (_with_shallow(trajectory, epochs[-1], cut, halves[-1] + offset) for offset in (mean, past))
    epoch = float(np.interp(place, range(len(epochs)), epochs))

    def away(found: BlockNetwork) -> float:
        vector = shallow_vector(found, found.state_dict(), cut)
        return float((vector - halves[-1]).norm() / halves[-1].norm())

    return EquallyFar(average, composite, epoch, (away(average), away(composite)))


def _passing(offsets: Tensor, distance: Tensor) -> tuple[float, Tensor]:
    """Return where a path (S, P) that ends at 0 is first at a distance from there, going back from its end.

    Returns:
        The place, in points of the path from its first on, and the point (P,). There is one for every distance up to
        the largest of the path, which that of its mean never is above.
    """
    reached = torch.nonzero(torch.linalg.vector_norm(offsets, dim=1) >= distance)
    place = int(reached[-1])
    if place == len(offsets) - 1:  # nothing has moved
        return float(place), offsets[-1]
    near, step = offsets[place + 1], offsets[place] - offsets[place + 1]
    square, along = step @ step, near @ step  # |near + part · step| = distance, solved for the part in [0, 1]
    root = torch.sqrt(along**2 + square * (distance**2 - near @ near))
    part = (root - along) / square
    return float(place + 1 - part), near + part * step


def _with_shallow(trajectory: Trajectory, epoch: int, cut: str, vector: Tensor) -> BlockNetwork:
    """Return the network of an epoch with these parameters (P,) before the cut, all statistics re-estimated."""
    network = trajectory.network(epoch)
    parameters = [value for name, value in network.named_parameters() if network.in_shallow_part(name, cut)]
    with torch.no_grad():
        for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
            parameter.copy_(part.view_as(parameter))
    return wholly_reestimated(network, trajectory)


def wholly_reestimated(network: BlockNetwork, trajectory: Trajectory) -> BlockNetwork:
    """Return a network, all of its normalisation statistics re-estimated in place on its trajectory's images."""
    size = trajectory.recipe.training.batch_size
    recalibrate(network, calibration_images(trajectory), list(network.blocks), size)
    return network
