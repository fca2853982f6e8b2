"""Composite networks: the shallow part of one checkpoint under the deep part of another (section 3).

Composite ``(s, t)`` is ``g_t ∘ h_s``. Memory looks at ``s < t``, transfer at ``s > t``; ``(t, t)`` is the
network itself.

**Reading** (the paper does not say what becomes of batch normalisation): under the policy ``carry`` each half
keeps the running statistics of its own checkpoint; under ``recalibrate`` those of the deep half are
re-estimated on the features that it now receives, from training images only, as the plain average over
batches.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from featdyn_core.errors import MeasurementError
from featdyn_core.networks.blocks import BlockNetwork, load_state
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.trajectories.trajectory import State, Trajectory

POLICIES = ("carry", "recalibrate")
CALIBRATION_IMAGES = 500
"""Training images, the first ones, from which normalisation statistics are re-estimated."""


def merged_state(network: BlockNetwork, shallow: State, deep: State, cut: str) -> State:
    """State dict with the entries of ``shallow`` before the cut and those of ``deep`` after it."""
    return {key: (shallow if network.in_shallow_part(key, cut) else deep)[key] for key in deep}


def composite(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, *, batchnorm: str = "carry"
) -> BlockNetwork:
    """Return the composite ``(shallow_epoch, deep_epoch)`` at ``cut`` as a network in eval mode.

    Args:
        trajectory: where the two checkpoints come from.
        shallow_epoch: epoch of the part before the cut.
        deep_epoch: epoch of the part after it.
        cut: one of the network's cuts.
        batchnorm: ``carry`` or ``recalibrate`` (see the module's docstring).

    Raises:
        MeasurementError: an epoch without checkpoint, or an unknown policy.
        ModelError: unknown cut.
    """
    check_policy(batchnorm)
    network = trajectory.network(deep_epoch)
    state = merged_state(network, trajectory.state(shallow_epoch), trajectory.state(deep_epoch), cut)
    load_state(network, state)
    if batchnorm == "recalibrate":
        recalibrate(
            network,
            calibration_images(trajectory),
            network.deep_blocks(cut),
            trajectory.recipe.training.batch_size,
        )
    return network


def calibration_images(trajectory: Trajectory) -> Tensor:
    """Training images (N, C, H, W) for the re-estimation of normalisation statistics."""
    return trajectory.training_set()[0][:CALIBRATION_IMAGES]


@torch.no_grad()
def predict(
    network: BlockNetwork, images: Tensor, *, device: torch.device | str = "cpu", batch_size: int = 256
) -> npt.NDArray[np.uint8]:
    """Classes (N,) predicted by a network in eval mode, which is moved to the device."""
    network = network.eval().to(device)
    with exact_arithmetic():
        parts = [network(batch.to(device)).argmax(1).cpu() for batch in images.split(batch_size)]
    return torch.cat(parts).to(torch.uint8).numpy()


def recalibrate(network: BlockNetwork, images: Tensor, blocks: Iterable[str], batch_size: int) -> None:
    """Re-estimate the running statistics of the named blocks as the plain average over batches, in place.

    Everything else stays in eval mode, dropout included. The result is that of a pass in train mode with
    ``momentum=None``.
    """
    names = list(blocks)
    norms = reset_statistics(network.blocks[name] for name in names)
    with torch.no_grad(), exact_arithmetic():
        for batch in images.split(batch_size):
            network.features(batch, names[-1:]) if names[-1] in network.cuts else network(batch)
    for norm in norms:
        norm.eval()


def reset_statistics(blocks: Iterable[nn.Module]) -> list[nn.BatchNorm2d]:
    """Set the normalisation layers to collect cumulative averages from nothing, and return them."""
    norms = [module for block in blocks for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    return norms


def check_policy(batchnorm: str) -> None:
    """Raise a ``MeasurementError`` that names the policies unless ``batchnorm`` is one."""
    if batchnorm not in POLICIES:
        raise MeasurementError(f"unknown batchnorm policy {batchnorm!r}; it is one of {', '.join(POLICIES)}")
