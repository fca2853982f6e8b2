"""The control for closeness: a shallow part moved as far as training moved it, in a random direction."""

import numpy as np
import torch

from featdyn_core.composite import calibration_images, recalibrate
from featdyn_core.models import BlockNetwork
from featdyn_core.trajectory import Trajectory


def displaced(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, rng: np.random.Generator
) -> BlockNetwork:
    """Return the network at ``deep_epoch`` with its shallow part displaced at random.

    Every parameter tensor before the cut is moved by the norm of the difference between the two checkpoints, in a
    direction drawn uniformly; the shallow part's normalisation statistics are re-estimated on training images, so that
    what is lost is not lost to stale statistics. If the composite ``(shallow_epoch, deep_epoch)`` agreed with the
    network merely because the two are close, this network would agree as well.

    Raises:
        MeasurementError: an epoch without checkpoint.
        ModelError: unknown cut.
    """
    network = trajectory.network(deep_epoch)
    earlier = trajectory.state(shallow_epoch)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if network.in_shallow_part(name, cut):
                distance = torch.linalg.vector_norm(earlier[name] - parameter)
                direction = torch.from_numpy(rng.standard_normal(parameter.shape)).to(parameter.dtype)
                parameter += direction * (distance / torch.linalg.vector_norm(direction))
    recalibrate(
        network, calibration_images(trajectory), network.shallow_blocks(cut), trajectory.recipe.training.batch_size
    )
    return network
