"""Whether re-estimation uses images that training shows; other images have other normalisation statistics."""

import itertools

import torch
from torch import Tensor

from featdyn_core.data.augmentation import CROP_PADDING, CropFlip
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory


@undisturbed()
def share_shown_in_training(trajectory: Trajectory, images: Tensor) -> float:
    """Share of images (N, C, H, W) that training may show in place of the training image with the same index.

    If training augments its images, every crop and flip of that image counts.
    """
    first = trajectory.dataset.train_images[: len(images)]
    if trajectory.recipe.data.augmentation == "none":
        return float(_equal(images, first).double().mean())
    crops, shown = CropFlip(first, first.device), torch.zeros(len(images), dtype=torch.bool)
    shifts = range(2 * CROP_PADDING + 1)
    for down, right, flipped in itertools.product(shifts, shifts, (False, True)):
        crops.offsets[0], crops.offsets[1], crops.flip[:] = down, right, flipped
        shown |= _equal(images, crops.take(torch.arange(len(images))))
    return float(shown.double().mean())


def _equal(one: Tensor, other: Tensor) -> Tensor:
    """Whether each of the images (N, C, H, W) is the same, (N,)."""
    return (one == other).flatten(1).all(dim=1)
