"""The average of a window's shallow parts, and a past shallow part at the same distance from ``θ_t``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featdyn_core.measures.composites.displacement import shallow_vector
from featdyn_core.measures.composites.statistics import reestimated
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class EquallyFar:
    """Two networks with the deep part of ``f_t`` and shallow parts that are equally far from its own.

    Attributes:
        average: network with the mean of the shallow parts.
        past: network with the shallow part of a past epoch, interpolated between two checkpoints.
        epoch: that past epoch; a fraction if it lies between two checkpoints.
        distances: measured distances of both from ``θ_t``, over the norm of the shallow part at t.
    """

    average: BlockNetwork
    past: BlockNetwork
    epoch: float
    distances: tuple[float, float]


@undisturbed()
def equally_far(trajectory: Trajectory, epochs: Sequence[int], cut: str) -> EquallyFar:
    """Return the average of a window, and the past at equal distance from its last epoch t.

    **Reading:** the past is the path of the checkpoints, straight between neighbours. The place on it is the first one,
    going back from t, that is as far from ``θ_t`` as the average is. A point on the straight line from ``θ_t`` to a far
    checkpoint would be an average itself, not the past. All normalisation statistics of both are re-estimated.

    An epoch without checkpoint is a ``MeasurementError``. An unknown cut is a ``ModelError``.
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
    """Return the first place, going back from its end at 0, where a path (S, P) reaches a distance from 0.

    Returns:
        The place, as a fractional index from the first point of the path, and the point (P,). It exists for every
        distance up to the largest on the path, and the distance of the mean never exceeds that.
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
    """Return the network of an epoch with these parameters (P,) before the cut and re-estimated statistics."""
    network = trajectory.network(epoch)
    parameters = [value for name, value in network.named_parameters() if network.in_shallow_part(name, cut)]
    with torch.no_grad():
        for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
            parameter.copy_(part.view_as(parameter))
    return reestimated(network, trajectory)
