"""Composite networks: the shallow part of one checkpoint followed by the deep part of another (section 3).

The composite ``(s, t)`` is ``g_t ∘ h_s``. Memory is about ``s < t``, and transfer about ``s > t``. The composite ``(t,
t)`` is the network itself.

**Reading** (the paper does not say how it treats batch normalisation): under the policy ``carry`` each half keeps the
running statistics of its own checkpoint. Under ``recalibrate`` the statistics of the deep half are re-estimated on the
features that it now receives. This uses only training images, as training shows them, batch by batch. It takes the mean
over all images, and the average of the batches' variances, weighted by the number of images in a batch.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from featdyn_core.data.augmentation import CropFlip
from featdyn_core.errors import MeasurementError
from featdyn_core.networks.blocks import BlockNetwork, load_state, running_norms
from featdyn_core.numerics import exactly, undisturbed
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.trajectory import State, Trajectory

POLICIES = ("carry", "recalibrate")
CALIBRATION_IMAGES = 500
"""Number of first training images that normalisation statistics are re-estimated from."""

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
        recalibrate(
            network,
            calibration_images(trajectory),
            network.deep_blocks(cut),
            trajectory.recipe.training.batch_size,
        )
    return network


def calibration_images(trajectory: Trajectory) -> Tensor:
    """Training images (N, C, H, W) for the re-estimation of normalisation statistics, always the same.

    If training augments its images, these images are augmented too. Plain images show no padding. For ResNet-20 on
    CIFAR-10, trained with augmentation, statistics of plain images change an eighth of the predictions of ``f_t``
    itself.
    """
    images = trajectory.training_set()[0][:CALIBRATION_IMAGES]
    if trajectory.recipe.data.augmentation == "none":
        return images
    crops = CropFlip(images, images.device)
    crops.draw(torch_generator(trajectory.seed, "measure", "calibration"))
    return crops.take(torch.arange(len(images)))


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


@exactly
@torch.no_grad()
def recalibrate(network: BlockNetwork, images: Tensor, blocks: Iterable[str], batch_size: int) -> None:
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
    for batch, share in calibration_batches(images, batch_size):
        weigh_next_batch(norms, share)
        network(batch) if names[-1] == last else network.features(batch, names[-1:])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def calibration_batches(images: Tensor, batch_size: int) -> Iterator[tuple[Tensor, float]]:
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


def check_policy(batchnorm: str) -> None:
    """Refuse an unknown policy.

    Raises:
        MeasurementError: names the policies.
    """
    if batchnorm not in POLICIES:
        raise MeasurementError(f"unknown batchnorm policy {batchnorm!r}; use one of {', '.join(POLICIES)}")
