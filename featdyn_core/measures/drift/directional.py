"""Derivatives of a deep part's logits along directions in its feature space, by forward-mode differentiation."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import jvp

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import exactly, forward_mode
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.trajectory import Trajectory

NAMES = ("drift", "other", "shuffled", "moved", "random")


@exactly
def changes_along(
    trajectory: Trajectory, *, shallow: Sequence[int], deep: int, split: str, directions: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Norms of the derivatives at ``h_t(x)`` along drifts and random directions (see ``flatness.Flatness``).

    Args:
        trajectory: source of the checkpoints.
        shallow: S epochs s that features drift from.
        deep: the epoch t.
        split: split of the N images.
        directions: number of random directions in the mean.

    Returns:
        ``drift``, ``other``, ``shuffled`` and ``moved``, (cuts, S, N), ``random``, (cuts, N), at the paper's depths.
    """
    device = trajectory.device
    network, *earlier = (trajectory.network(epoch).to(device) for epoch in (deep, *shallow))
    images, _ = trajectory.evaluation_set(split)
    found: dict[str, list[Tensor]] = {name: [] for name in NAMES}
    for cut in network.depths:
        generator = torch_generator(trajectory.seed, "measure", "flatness", deep, split, cut)
        batches = [
            _along(network, earlier, batch.to(device), cut, directions, generator)
            for batch in images.split(trajectory.recipe.training.batch_size)
        ]
        for name, parts in zip(NAMES, zip(*batches, strict=True), strict=True):
            found[name].append(torch.cat(parts, dim=-1))
    return {name: torch.stack(parts).double().cpu().numpy() for name, parts in found.items()}


@exactly
def changes_among_features(
    trajectory: Trajectory, *, deep: int, split: str, directions: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Mean norms of the derivatives at ``h_t(x)`` along unit directions drawn from the covariance of the features.

    Let H be the centred features ``h_t`` of all N images, and let z be standard normal. Then ``Hᵀz / √N`` has exactly
    their covariance, which is never formed. Every image has draws of its own.

    Args:
        trajectory: source of the checkpoints.
        deep: the epoch t.
        split: split of the N images.
        directions: number of directions of each of two independent sets.

    Returns:
        ``drawn`` and ``redrawn``, the mean over either set, (cuts, N), at the paper's depths.
    """
    network = trajectory.network(deep).to(trajectory.device)
    images, _ = trajectory.evaluation_set(split)
    found: list[Tensor] = []
    for cut in network.depths:
        generator = torch_generator(trajectory.seed, "measure", "flatness", deep, split, cut, "covariance")
        with torch.no_grad():
            batches = [
                network.shallow(batch.to(trajectory.device), cut)
                for batch in images.split(trajectory.recipe.training.batch_size)
            ]
        centred = torch.cat(batches).flatten(1)
        centred = centred - centred.mean(dim=0)
        parts = [_among(network, features, centred, cut, 2 * directions, generator) for features in batches]
        found.append(torch.cat(parts, dim=-1).unflatten(0, (2, directions)).mean(dim=1))
    drawn, redrawn = torch.stack(found, dim=1).double().cpu().numpy()
    return {"drawn": drawn, "redrawn": redrawn}


def _among(
    network: BlockNetwork, features: Tensor, centred: Tensor, cut: str, count: int, generator: torch.Generator
) -> Tensor:
    """Return ``‖J·u‖``, (count, n), for n images along unit directions drawn from centred features (N, p)."""
    change = _norm_of_derivative(network, features, cut)

    def drawn() -> Tensor:
        weights = torch.randn((len(features), len(centred)), generator=generator).to(centred)
        return _unit((weights @ centred).view_as(features))

    return torch.stack([change(drawn()) for _ in range(count)])


def _along(
    network: BlockNetwork,
    earlier: Sequence[BlockNetwork],
    images: Tensor,
    cut: str,
    directions: int,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Return the arrays of ``NAMES`` for one batch, (S, N) or (N,)."""
    with torch.no_grad():
        features = network.shallow(images, cut)
        drifts = [features - other.shallow(images, cut) for other in earlier]
    change = _norm_of_derivative(network, features, cut)
    moved = torch.stack([_norm(drift) for drift in drifts])
    others = [norm * change(_unit(drift.roll(1, 0))) for norm, drift in zip(moved, drifts, strict=True)]
    shuffled = [change(_shuffled(drift, generator)) for drift in drifts]
    random = [change(_unit(torch.randn(features.shape, generator=generator).to(features))) for _ in range(directions)]
    kinds = [*map(change, drifts)], others, shuffled, [*moved], random
    *pairs, at_random = map(torch.stack, kinds)
    return *pairs, at_random.mean(dim=0)


def _norm_of_derivative(network: BlockNetwork, features: Tensor, cut: str) -> Callable[[Tensor], Tensor]:
    """Return the function from directions (N, ...) to ``‖J·direction‖``, (N,)."""

    def change(direction: Tensor) -> Tensor:
        with forward_mode(), torch.no_grad():
            return _norm(jvp(lambda hidden: network.deep(hidden, cut), (features,), (direction,))[1])

    return change


def _shuffled(directions: Tensor, generator: torch.Generator) -> Tensor:
    """Directions (N, ...) with coordinates in random order and with random signs; the norm stays exactly equal."""
    flat = directions.flatten(1)
    order = torch.randperm(flat.shape[1], generator=generator).to(flat.device)
    signs = torch.randint(0, 2, flat.shape, generator=generator).to(flat) * 2 - 1
    return (flat[:, order] * signs).view_as(directions)


def _unit(directions: Tensor) -> Tensor:
    """Directions (N, ...) at length 1; a direction of length 0 stays 0."""
    norms = _norm(directions).clamp_min(torch.finfo(directions.dtype).tiny)
    return directions / norms.view(-1, *[1] * (directions.ndim - 1))


def _norm(values: Tensor) -> Tensor:
    """Norm (N,) of each of (N, ...)."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1)
