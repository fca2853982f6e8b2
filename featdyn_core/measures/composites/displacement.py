"""Controls for closeness: a shallow part moved in another direction, as far as training moved it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.statistics import reestimated
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

    Every parameter tensor before the cut moves in a uniformly drawn direction, by the norm of the difference between
    the two checkpoints. The shallow part's normalisation statistics are re-estimated on training images, so that stale
    statistics cause no loss of agreement. If the composite ``(shallow_epoch, deep_epoch)`` agreed with the network only
    because the two are close, this network would agree as well.

    Weight decay shrinks weights, and batch normalisation cancels their scale. So a large part of that distance may have
    no effect on the network. With ``match="angle"`` the displaced tensor therefore has the norm of the tensor at
    ``shallow_epoch`` and the same angle to the tensor at ``deep_epoch``. Only the direction of turning is random.

    An epoch without checkpoint or an unknown ``match`` is a ``MeasurementError``. An unknown cut is a ``ModelError``.
    """

    def direction(_: str, change: Tensor) -> Tensor:
        return torch.from_numpy(rng.standard_normal(change.shape)).to(change.dtype)

    return _redirected(trajectory, shallow_epoch, deep_epoch, cut, match, direction)


@undisturbed()
def mirrored(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, *, match: str = "distance"
) -> BlockNetwork:
    """Return the network as ``displaced`` does, moved opposite to the real direction: ``2θ_t − θ_s`` by distance."""
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
    """Return the network as ``displaced`` does, moved in the direction that training took in another period.

    **Reading:** every tensor moves in its own direction of that period, by its own distance between ``shallow_epoch``
    and ``deep_epoch``, as in a random displacement. A tensor that did not move in the period has no direction. By equal
    distance it stays; by equal angle only its norm changes.

    Args:
        trajectory: source of the checkpoints.
        shallow_epoch: s, which sets the distance.
        deep_epoch: t.
        cut: one of the network's cuts.
        period: epochs u and v; the direction is ``θ_u − θ_v``, where the real one is ``θ_s − θ_t``.
        match: as in ``displaced``.
    """
    ahead, behind = map(trajectory.state, period)
    return _redirected(trajectory, shallow_epoch, deep_epoch, cut, match, lambda name, _: ahead[name] - behind[name])


@undisturbed()
def reestimated_before(trajectory: Trajectory, deep_epoch: int, cut: str) -> BlockNetwork:
    """Return the network at ``deep_epoch`` with re-estimated statistics before the cut, as in ``displaced``.

    An epoch without checkpoint is a ``MeasurementError``. An unknown cut is a ``ModelError``.
    """
    network = trajectory.network(deep_epoch)
    return reestimated(network, trajectory, network.shallow_blocks(cut))


def _redirected(
    trajectory: Trajectory,
    shallow_epoch: int,
    deep_epoch: int,
    cut: str,
    match: str,
    direction: Callable[[str, Tensor], Tensor],
) -> BlockNetwork:
    """Return the network with a displaced shallow part; a tensor's name and real change give the direction.

    Raises:
        MeasurementError: ``match`` is unknown.
    """
    if match not in MATCHES:
        raise MeasurementError(f"match {match!r} is unknown; use one of {', '.join(MATCHES)}")
    network, earlier = trajectory.network(deep_epoch), trajectory.state(shallow_epoch)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if network.in_shallow_part(name, cut):
                change = earlier[name] - parameter
                parameter.add_(_MOVES[match](parameter, change, direction(name, change)))
    return reestimated(network, trajectory, network.shallow_blocks(cut))


def moved(trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str) -> tuple[float, float]:
    """Distance between the shallow parts of two epochs, over all parameters together.

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
    """Change along the parameter as in ``change``; across it by the same length, but in ``direction``."""
    along = _along(change, parameter)
    return along + _scaled(direction - _along(direction, parameter), torch.linalg.vector_norm(change - along))


def _along(vector: Tensor, axis: Tensor) -> Tensor:
    """Component of ``vector`` along ``axis``; zero if the axis has no length."""
    square = axis.square().sum()
    return axis * ((vector * axis).sum() / square) if square > 0 else torch.zeros_like(axis)


def _scaled(direction: Tensor, norm: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(direction)
    return direction * (norm / length) if length > 0 else torch.zeros_like(direction)


_MOVES = {"distance": _random, "angle": _turn}
