"""The same full-batch descent for the network itself, without linearisation (section 4.2, App. D).

It shares with ``LinearizedNetwork.train`` the initial state, the images, eval mode with fixed buffers, the loss, the
step size and double precision. So the two differ in the linearisation only.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from featdyn_core.errors import TrainingError
from featdyn_core.measures.linearized.descent import check_schedule, checked_labels
from featdyn_core.measures.linearized.kernel import Half
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.images import images_for
from featdyn_core.numerics import exactly


@dataclass(frozen=True, eq=False)
class RealDescent:
    """Gradient descent of a network, recorded at R steps.

    Attributes:
        steps: (R,) gradient steps taken at each record, ascending.
        losses: (R,) mean cross-entropy on the training labels, in nats.
        grid: cross-entropy of every composite, (R, R); shallow record × deep record.
    """

    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    grid: NDArray[np.float64]


@exactly
def real_descent(
    network: BlockNetwork,
    images: Tensor | ArrayLike,
    labels: ArrayLike,
    *,
    cut: str,
    steps: int,
    learning_rate: float,
    every: int = 1,
    freeze: Half | None = None,
) -> RealDescent:
    """Train a copy of a network by full-batch gradient descent on the mean cross-entropy, in double precision.

    Only ``learning_rate`` keeps the loss from rising. A rate at which the loss of the linearised network falls at every
    step may later be too large for the network itself. Labels of the wrong shape or range are a ``DataError``. Images
    that the network cannot take are a ``MeasurementError``.

    Args:
        network: network in the initial state; not changed.
        images: (N, channels, height, width) in grey levels 0..255.
        labels: (N,) integers in 0..C-1.
        cut: divides the network into a shallow and a deep part.
        steps: number of gradient steps.
        learning_rate: learning rate of the descent.
        every: steps between records; the first and the last point are always recorded.
        freeze: the half that does not move.

    Raises:
        TrainingError: a number is unusable, the half is unknown, or the loss is not finite.
    """
    check_schedule(learning_rate, steps, every, freeze)
    moving = copy.deepcopy(network).double().eval()
    images = images_for(moving, images)
    target = checked_labels(labels, *_logits(moving, images).shape).to(images.device)
    at = {name: value for name, value in moving.named_parameters() if _half(moving, name, cut) != freeze}
    records: list[tuple[int, float, BlockNetwork]] = []
    for step in range(steps + 1):
        loss = F.cross_entropy(moving(images), target)
        if step % every == 0 or step == steps:
            if not loss.isfinite():
                raise TrainingError(
                    f"the loss at step {step} is {loss.item()}, with learning rate {learning_rate:g}; lower it"
                )
            records.append((step, loss.item(), copy.deepcopy(moving)))
        if step < steps:
            slopes = torch.autograd.grad(loss, list(at.values()))
            with torch.no_grad():
                for value, slope in zip(at.values(), slopes, strict=True):
                    value.sub_(slope, alpha=learning_rate)
    taken, losses, networks = zip(*records, strict=True)
    grid = _grid(networks, images, target, cut)
    return RealDescent(np.array(taken), np.array(losses), grid)


@torch.no_grad()
def _grid(networks: tuple[BlockNetwork, ...], images: Tensor, target: Tensor, cut: str) -> NDArray[np.float64]:
    """Loss (R, R) of the composites of every network's shallow part with every network's deep part."""
    features = [network.shallow(images, cut) for network in networks]
    return np.array([[F.cross_entropy(deep.deep(one, cut), target).item() for deep in networks] for one in features])


@torch.no_grad()
def _logits(network: BlockNetwork, images: Tensor) -> Tensor:
    return network(images)


def _half(network: BlockNetwork, name: str, cut: str) -> Half:
    return "shallow" if network.in_shallow_part(name, cut) else "deep"
