"""Composite networks: the shallow part of one checkpoint followed by the deep part of another (section 3).

The composite ``(s, t)`` is ``g_t ∘ h_s``. Memory is about ``s < t``, and transfer about ``s > t``. The composite ``(t,
t)`` is the network itself.

**Reading** (the paper does not say how it treats batch normalisation): under the policy ``carry`` each part keeps the
running statistics of its own checkpoint. Under ``recalibrate`` the statistics of the deep part are re-estimated on the
features that it now receives (see ``statistics``).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.policies import POLICIES
from featdyn_core.measures.composites.statistics import reestimated
from featdyn_core.networks.blocks import BlockNetwork, load_state
from featdyn_core.numerics import exactly, undisturbed
from featdyn_core.trajectories.trajectory import State, Trajectory

BYTE_CLASSES = 256
"""Largest number of classes that fits a prediction of one byte."""

Predictions = npt.NDArray[np.uint8] | npt.NDArray[np.int32]


def merged_state(network: BlockNetwork, shallow: State, deep: State, cut: str) -> State:
    """State dict with the entries of ``shallow`` before the cut and those of ``deep`` after it."""
    return {key: (shallow if network.in_shallow_part(key, cut) else deep)[key] for key in deep}


@undisturbed()
def composite(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, *, batchnorm: str = "carry"
) -> BlockNetwork:
    """Return the composite ``(shallow_epoch, deep_epoch)`` at ``cut`` as a network in eval mode.

    An epoch without checkpoint or an unknown policy is a ``MeasurementError``. An unknown cut is a ``ModelError``.

    Args:
        trajectory: source of the two checkpoints.
        shallow_epoch: epoch of the part before the cut.
        deep_epoch: epoch of the part after it.
        cut: one of the network's cuts.
        batchnorm: ``carry`` or ``recalibrate`` (see the module's docstring).
    """
    return joined(trajectory, trajectory.state(shallow_epoch), deep_epoch, cut, batchnorm=batchnorm)


@undisturbed()
def joined(
    trajectory: Trajectory, shallow: State, deep_epoch: int, cut: str, *, batchnorm: str = "carry"
) -> BlockNetwork:
    """Return a composite whose part before the cut comes from any state of the architecture, such as a stranger's."""
    check_policy(batchnorm)
    network = trajectory.network(deep_epoch)
    load_state(network, merged_state(network, shallow, trajectory.state(deep_epoch), cut))
    if batchnorm == "recalibrate":
        reestimated(network, trajectory, network.deep_blocks(cut))
    return network


def class_type(classes: int) -> torch.dtype:
    """Type of predictions for this number of classes: uint8 if it can hold them, otherwise int32."""
    return torch.uint8 if classes <= BYTE_CLASSES else torch.int32


@exactly
@torch.no_grad()
def predict(
    network: BlockNetwork, images: Tensor, *, device: torch.device | str = "cpu", batch_size: int = 256
) -> Predictions:
    """Classes (N,) predicted by a network in eval mode; the network moves to the device; see ``class_type``."""
    network = network.eval().to(device)
    logits = [network(batch.to(device)) for batch in images.split(batch_size)]
    found = torch.cat([part.argmax(1).cpu() for part in logits])
    return found.to(class_type(logits[0].shape[1])).numpy()


def check_policy(batchnorm: str) -> None:
    """Refuse an unknown policy.

    Raises:
        MeasurementError: names the policies.
    """
    if batchnorm not in POLICIES:
        raise MeasurementError(f"unknown batchnorm policy {batchnorm!r}; use one of {', '.join(POLICIES)}")
