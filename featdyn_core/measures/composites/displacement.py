"""The control for closeness: a shallow part moved as far as training moved it, in a random direction."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import calibration_images, composite, predict, recalibrate
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory

MATCHES = ("distance", "angle")


@undisturbed()
def displaced(
    trajectory: Trajectory,
    shallow_epoch: int,
    deep_epoch: int,
    cut: str,
    rng: np.random.Generator,
    *,
    match: str = "distance",
) -> BlockNetwork:
    """Return the network at ``deep_epoch`` with its shallow part displaced at random.

    Every parameter tensor before the cut is moved by the norm of the difference between the two checkpoints,
    in a direction drawn uniformly; the shallow part's normalisation statistics are re-estimated on training
    images, so that what is lost is not lost to stale statistics. If the composite
    ``(shallow_epoch, deep_epoch)`` agreed with the network merely because the two are close, this network
    would agree as well.

    Weight decay shrinks weights whose scale batch normalisation cancels, so a large part of that distance may
    be without any effect on the network. With ``match="angle"`` the displaced tensor therefore has the norm
    of the one at ``shallow_epoch`` and the same angle to the one at ``deep_epoch``: only the direction of
    turning is random.

    Raises:
        MeasurementError: an epoch without checkpoint, or an unknown ``match``.
        ModelError: unknown cut.
    """
    if match not in MATCHES:
        raise MeasurementError(f"match {match!r} is none of {', '.join(MATCHES)}")
    network = trajectory.network(deep_epoch)
    earlier = trajectory.state(shallow_epoch)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if network.in_shallow_part(name, cut):
                direction = torch.from_numpy(rng.standard_normal(parameter.shape)).to(parameter.dtype)
                parameter.add_(_MOVES[match](parameter, earlier[name] - parameter, direction))
    recalibrate(
        network,
        calibration_images(trajectory),
        network.shallow_blocks(cut),
        trajectory.recipe.training.batch_size,
    )
    return network


@dataclass(frozen=True)
class Comparison:
    """Agreement with ``f_t`` of composites and displaced networks, least over the paper's depths, in [0, 1].

    Attributes:
        carried: of the composite whose halves keep their own normalisation statistics.
        recalibrated: of the composite whose deep half's statistics are re-estimated.
        lost_by_displacement: least over depths of ``recalibrated`` minus the agreement of a displaced shallow
            half.
        lost_by_turning: the same, displaced by equal norm and angle.
    """

    carried: float
    recalibrated: float
    lost_by_displacement: float
    lost_by_turning: float


def compare_with_displacement(
    trajectory: Trajectory,
    shallow_epoch: int,
    deep_epoch: int,
    images: Tensor,
    rng: np.random.Generator,
    *,
    draws: int = 2,
) -> Comparison:
    """Compare the composite ``(shallow_epoch, deep_epoch)`` with equally displaced networks at every depth.

    Both have normalisation statistics re-estimated on training images, the composite after the cut and the
    displaced network before it, so that stale statistics excuse neither.

    Args:
        trajectory: where the checkpoints come from.
        shallow_epoch: of the part before the cut.
        deep_epoch: of the part after it, and of the reference.
        images: (N, C, H, W) on which predictions are compared.
        rng: draws the displacements.
        draws: displaced networks per depth, averaged over.
    """
    network = trajectory.network(deep_epoch)
    reference = predict(network, images, device=trajectory.device)

    def agreement(*networks: BlockNetwork) -> float:
        return float(np.mean([predict(item, images, device=trajectory.device) == reference for item in networks]))

    carried, recalibrated = [], []
    lost: dict[str, list[float]] = {match: [] for match in MATCHES}
    for cut in network.depths:
        carried.append(agreement(composite(trajectory, shallow_epoch, deep_epoch, cut)))
        again = composite(trajectory, shallow_epoch, deep_epoch, cut, batchnorm="recalibrate")
        recalibrated.append(agreement(again))
        for match, losses in lost.items():
            moved = [displaced(trajectory, shallow_epoch, deep_epoch, cut, rng, match=match) for _ in range(draws)]
            losses.append(recalibrated[-1] - agreement(*moved))
    return Comparison(min(carried), min(recalibrated), min(lost["distance"]), min(lost["angle"]))


def _random(_: Tensor, change: Tensor, direction: Tensor) -> Tensor:
    """Move in ``direction`` by the norm of ``change``."""
    return _scaled(direction, torch.linalg.vector_norm(change))


def _turn(parameter: Tensor, change: Tensor, direction: Tensor) -> Tensor:
    """Change of the parameter along itself as in ``change``; across itself as far, but in ``direction``."""
    along = _along(change, parameter)
    return along + _scaled(direction - _along(direction, parameter), torch.linalg.vector_norm(change - along))


def _along(vector: Tensor, axis: Tensor) -> Tensor:
    """Component of ``vector`` along ``axis``; nothing where the axis has no length."""
    square = axis.square().sum()
    return axis * ((vector * axis).sum() / square) if square > 0 else torch.zeros_like(axis)


def _scaled(direction: Tensor, norm: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(direction)
    return direction * (norm / length) if length > 0 else torch.zeros_like(direction)


_MOVES = {"distance": _random, "angle": _turn}
