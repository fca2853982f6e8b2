"""Controls for closeness: a shallow part moved as far as training moved it, in another direction."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import calibration_images, recalibrate
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import State, Trajectory

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

    An epoch without checkpoint or an unknown ``match`` is a ``MeasurementError``, an unknown cut a ``ModelError``.
    """

    def direction(_: str, change: Tensor) -> Tensor:
        return torch.from_numpy(rng.standard_normal(change.shape)).to(change.dtype)

    return _redirected(trajectory, shallow_epoch, deep_epoch, cut, match, direction)


@undisturbed()
def mirrored(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, *, match: str = "distance"
) -> BlockNetwork:
    """As ``displaced``, in the direction opposite to the real one: by equal distance that is ``2θ_t − θ_s``."""
    return _redirected(trajectory, shallow_epoch, deep_epoch, cut, match, lambda _, change: -change)


@undisturbed()
def moved_as_between(
    trajectory: Trajectory,
    shallow_epoch: int,
    deep_epoch: int,
    cut: str,
    period: tuple[int, int],
    *,
    match: str = "distance",
) -> BlockNetwork:
    """As ``displaced``, in the direction that training took in another period.

    **Reading:** every tensor is moved in its own direction of that period, by its own distance between
    ``shallow_epoch`` and ``deep_epoch``, as random displacements are. One that did not move in the period has no
    direction: by equal distance it stays, by equal angle its norm alone changes.

    Args:
        trajectory: where the checkpoints come from.
        shallow_epoch: s, which says how far.
        deep_epoch: t.
        cut: one of the network's cuts.
        period: epochs u and v; the direction is ``θ_u − θ_v``, as ``θ_s − θ_t`` is the real one.
        match: as in ``displaced``.
    """
    ahead, behind = map(trajectory.state, period)
    return _redirected(trajectory, shallow_epoch, deep_epoch, cut, match, lambda name, _: ahead[name] - behind[name])


@undisturbed()
def reestimated(trajectory: Trajectory, deep_epoch: int, cut: str) -> BlockNetwork:
    """Return the network at ``deep_epoch`` with the statistics before the cut re-estimated, as in ``displaced``.

    An epoch without checkpoint is a ``MeasurementError``, an unknown cut a ``ModelError``.
    """
    return _settled(trajectory.network(deep_epoch), trajectory, cut)


def _redirected(
    trajectory: Trajectory,
    shallow_epoch: int,
    deep_epoch: int,
    cut: str,
    match: str,
    direction: Callable[[str, Tensor], Tensor],
) -> BlockNetwork:
    """Return the network with its shallow part displaced in the direction that a tensor's name and real change have.

    Raises:
        MeasurementError: an unknown ``match``.
    """
    if match not in MATCHES:
        raise MeasurementError(f"match {match!r} is none of {', '.join(MATCHES)}")
    network, earlier = trajectory.network(deep_epoch), trajectory.state(shallow_epoch)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if network.in_shallow_part(name, cut):
                change = earlier[name] - parameter
                parameter.add_(_MOVES[match](parameter, change, direction(name, change)))
    return _settled(network, trajectory, cut)


def _settled(network: BlockNetwork, trajectory: Trajectory, cut: str) -> BlockNetwork:
    """Return a network, its normalisation statistics before the cut re-estimated in place on training images."""
    size = trajectory.recipe.training.batch_size
    recalibrate(network, calibration_images(trajectory), network.shallow_blocks(cut), size)
    return network


def moved(trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str) -> tuple[float, float]:
    """How far the shallow part of one epoch lies from that of another, over all its parameters together.

    Returns:
        Their distance over the norm at ``deep_epoch``, and the angle between them in radians.
    """
    network = trajectory.network(deep_epoch)
    earlier, later = (
        shallow_vector(network, state, cut) for state in (trajectory.state(shallow_epoch), trajectory.state(deep_epoch))
    )
    norms = torch.linalg.vector_norm(earlier), torch.linalg.vector_norm(later)
    cosine = (earlier @ later / (norms[0] * norms[1])).clamp(-1, 1)
    return float(torch.linalg.vector_norm(earlier - later) / norms[1]), float(torch.arccos(cosine))


def shallow_vector(network: BlockNetwork, state: State, cut: str) -> Tensor:
    """Return the parameters of a state before the cut as one vector, float64, in the order of the network."""
    names = [name for name, _ in network.named_parameters() if network.in_shallow_part(name, cut)]
    return torch.cat([state[name].double().flatten() for name in names])


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
