"""Conversion of images to the form that networks take, with clear errors."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.networks.blocks import BlockNetwork

WHITE = 255


def grey_levels(images: Tensor | npt.ArrayLike, channels: int | None = None) -> Tensor:
    """Return images (N, C, H, W) as a tensor of their own type, after a check of their range.

    Args:
        images: tensor or array of real numbers.
        channels: C of the network, if it is known.

    Raises:
        MeasurementError: the shape or the number of channels is wrong, or the values are not grey levels 0..255: some
            are outside this range, or all are floats within 0..1.
    """
    tensor = as_tensor(images, "images")
    if tensor.ndim != 4 or channels not in (None, tensor.shape[1]):
        raise MeasurementError(
            f"images have shape {tuple(tensor.shape)}; this network takes (N, {channels or 'C'}, H, W), channels first"
        )
    if tensor.dtype == torch.uint8 or not tensor.numel():
        return tensor
    low, high = float(tensor.min()), float(tensor.max())
    if not (low >= 0 and high <= WHITE):
        raise MeasurementError(f"images have values from {low:g} to {high:g}; networks take grey levels 0..{WHITE}")
    if tensor.is_floating_point() and high <= 1:
        raise MeasurementError(
            f"images have values from {low:g} to {high:g}, not grey levels 0..{WHITE}; multiply by {WHITE}"
        )
    return tensor


def images_for(network: BlockNetwork, images: Tensor | npt.ArrayLike) -> Tensor:
    """Return images (N, C, H, W), N ≥ 1, on a network's device, after the network has taken one of them.

    The errors of ``grey_levels`` are a ``MeasurementError``, too.

    Args:
        network: network in eval mode.
        images: tensor or array of grey levels 0..255.

    Raises:
        MeasurementError: there are no images, or the network cannot take them.
    """
    channels = len(network.standardize.shift)  # one for all, perhaps
    tensor = grey_levels(images, channels if channels > 1 else None).to(network.standardize.shift.device)
    if not len(tensor):
        raise MeasurementError("at least one image is needed, found none")
    try:
        with torch.no_grad():
            network(tensor[:1])
    except (RuntimeError, ValueError, IndexError) as error:
        raise MeasurementError(f"this network cannot take images {tuple(tensor.shape[1:])}: {error}") from error
    return tensor


def as_tensor(values: Tensor | npt.ArrayLike, name: str) -> Tensor:
    """Return numbers as a tensor of their own type.

    Raises:
        MeasurementError: they are not numbers.
    """
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "uifb":
        raise MeasurementError(f"{name} of type {array.dtype} are not a tensor or array of numbers")
    return torch.from_numpy(np.ascontiguousarray(array))
