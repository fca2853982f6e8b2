"""Features of images at a cut, each image at an epoch of its own, and the classes that a deep part predicts."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.networks.images import grey_levels
from featdyn_core.numerics import exactly
from featdyn_core.trajectories.trajectory import Trajectory

BATCH = 256


@exactly
@torch.no_grad()
def features_at(trajectory: Trajectory, images: Tensor | npt.ArrayLike, epochs: npt.ArrayLike, cut: str) -> Tensor:
    """Features ``h_u(x)`` (N, ...) in eval mode, on the CPU.

    An epoch without checkpoint is a ``MeasurementError``. An unknown cut is a ``ModelError``.

    Args:
        trajectory: source of the checkpoints.
        images: (N, C, H, W) in grey levels 0..255, at least one.
        epochs: the epoch u of each image, (N,), or one epoch for all.
        cut: the cut where they are read.

    Raises:
        MeasurementError: there are no images, or ``grey_levels`` refuses them.
    """
    images = grey_levels(images, trajectory.dataset.train_images.shape[1])
    if not len(images):
        raise MeasurementError("features need at least one image, found none")
    each = np.broadcast_to(np.asarray(epochs), len(images))
    indices, found = [], []
    for epoch in np.unique(each).tolist():
        network = trajectory.network(epoch).to(trajectory.device)
        for index in torch.from_numpy(np.flatnonzero(each == epoch)).split(BATCH):
            indices.append(index)
            found.append(network.shallow(images[index].to(trajectory.device), cut).cpu())
    return torch.cat(found)[torch.cat(indices).argsort()]


@exactly
@torch.no_grad()
def classes_at(trajectory: Trajectory, features: Tensor, epoch: int, cut: str) -> npt.NDArray[np.int64]:
    """Classes (N,) that the deep part ``g_t`` of an epoch predicts for features (N, ...) at a cut."""
    network = trajectory.network(epoch).to(trajectory.device)
    parts = [network.deep(part.to(trajectory.device), cut).argmax(1).cpu() for part in features.split(BATCH)]
    return torch.cat(parts).numpy()
