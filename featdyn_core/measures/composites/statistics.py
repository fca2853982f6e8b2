"""Re-estimation of normalisation statistics, on training images as training shows them.

The images are taken batch by batch. The mean is that over all images. The variance is the average of the batches'
variances, weighted by the number of images in a batch.
"""

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from featdyn_core.data.augmentation import CROP_PADDING, CropFlip
from featdyn_core.errors import MeasurementError
from featdyn_core.networks.blocks import BlockNetwork, running_norms
from featdyn_core.numerics import exactly, undisturbed
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.trajectory import Trajectory

STATISTICS_IMAGES = 500
"""Number of first training images that normalisation statistics are re-estimated from."""


def reestimated(network: BlockNetwork, trajectory: Trajectory, blocks: Iterable[str] | None = None) -> BlockNetwork:
    """Re-estimate a network's statistics on the images of its trajectory, in place, and return the network.

    Args:
        network: a network of the trajectory's architecture, in eval mode.
        trajectory: source of the images and of the batch size.
        blocks: names of the blocks whose statistics are re-estimated; all blocks if left out.
    """
    names = network.blocks if blocks is None else blocks
    reestimate(network, statistics_images(trajectory), names, trajectory.recipe.training.batch_size)
    return network


def statistics_images(trajectory: Trajectory) -> Tensor:
    """Training images (N, C, H, W) for the re-estimation of normalisation statistics, always the same.

    If training augments its images, these images are augmented too. Plain images show no padding. For ResNet-20 on
    CIFAR-10, trained with augmentation, statistics of plain images change an eighth of the predictions of ``f_t``
    itself.
    """
    images = trajectory.training_set()[0][:STATISTICS_IMAGES]
    if trajectory.recipe.data.augmentation == "none":
        return images
    crops = CropFlip(images, images.device)
    crops.draw(torch_generator(trajectory.seed, "measure", "calibration"))
    return crops.take(torch.arange(len(images)))


@exactly
@torch.no_grad()
def reestimate(network: BlockNetwork, images: Tensor, blocks: Iterable[str], batch_size: int) -> None:
    """Re-estimate the running statistics of the named blocks, in place, as averages over images.

    Everything else stays in eval mode, dropout included. With batches of equal size the result equals a pass in train
    mode with ``momentum=None``, which weights batches equally.

    Fewer than 2 images are a ``MeasurementError`` if the blocks have normalisation.
    """
    names = list(blocks)
    norms = reset_statistics(network.blocks[name] for name in names)
    if not norms:
        return
    momenta, last = [norm.momentum for norm in norms], list(network.blocks)[-1]
    for batch, share in statistics_batches(images, batch_size):
        weigh_next_batch(norms, share)
        network(batch) if names[-1] == last else network.features(batch, names[-1:])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def statistics_batches(images: Tensor, batch_size: int) -> Iterator[tuple[Tensor, float]]:
    """Yield batches of images, each with its share in (0, 1] of all images so far.

    No batch has a single image, because a feature without spatial extent would have no variance there. A single last
    image joins the batch before.

    Raises:
        MeasurementError: fewer than 2 images.
    """
    count, size = len(images), max(batch_size, 2)
    if count < 2:
        raise MeasurementError(f"{count} training images: normalisation statistics need at least 2")
    ends = [end for end in range(size, count, size) if count - end > 1]
    for start, end in zip([0, *ends], [*ends, count], strict=True):
        yield images[start:end], (end - start) / end


def reset_statistics(blocks: Iterable[nn.Module]) -> list[_NormBase]:
    """Reset the statistics of the normalisation layers, and return the layers; see ``weigh_next_batch``."""
    norms = [norm for block in blocks for norm in running_norms(block)]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    return norms


def weigh_next_batch(norms: Iterable[_NormBase], share: float) -> None:
    """Weight the next batch in the running statistics by its share of all images so far."""
    for norm in norms:
        norm.momentum = share


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
