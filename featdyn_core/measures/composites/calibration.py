"""Whether normalisation statistics are re-estimated on images that training shows; of others they have another law."""

import itertools

import torch
from torch import Tensor

from featdyn_core.data.augmentation import CROP_PADDING, CropFlip
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory


@undisturbed()
def share_shown_in_training(trajectory: Trajectory, images: Tensor) -> float:
    """Share of images (N, C, H, W) that are the training image of the same place, as training may show it.

    Where training augments, every crop and flip of it counts.
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
    """Which of the images (N, C, H, W) are the same, (N,)."""
    return (one == other).flatten(1).all(dim=1)
