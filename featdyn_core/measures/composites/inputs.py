"""What a composite grid is given, in the form it works with, or said clearly why it cannot be."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError

One = TypeVar("One", int, str)

WHITE = 255


def grey_levels(images: Tensor | npt.ArrayLike, channels: int) -> Tensor:
    """Return images (N, C, H, W) as a tensor of their own type, after a look at their range.

    Args:
        images: tensor or array of real numbers.
        channels: C of the network.

    Raises:
        MeasurementError: another shape or number of channels, or values that are no grey levels 0..255: some
            outside, or all of a floating type within 0..1.
    """
    tensor = _tensor(images, "images")
    if tensor.ndim != 4 or tensor.shape[1] != channels:
        raise MeasurementError(
            f"images have shape {tuple(tensor.shape)}; this network takes (N, {channels}, H, W), channels first"
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


def class_labels(labels: Tensor | npt.ArrayLike, images: int, classes: int) -> Tensor:
    """Return labels (N,) as int64.

    Raises:
        MeasurementError: not one integer an image, or none of the classes.
    """
    tensor = _tensor(labels, "labels")
    if tensor.shape != (images,) or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise MeasurementError(
            f"a composite grid needs one integer label an image, found {tensor.dtype} of shape "
            f"{tuple(tensor.shape)} for {images} images"
        )
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high >= classes:
        raise MeasurementError(f"labels run from {low} to {high}; the {classes} classes are 0 to {classes - 1}")
    return tensor.long()


def several(values: One | Sequence[One] | npt.NDArray[np.integer]) -> list[One]:
    """Return a list of the values, which may be a single one."""
    if isinstance(values, np.ndarray):
        return np.atleast_1d(values).tolist()
    return [values] if isinstance(values, int | np.integer | str) else list(values)


def _tensor(values: Tensor | npt.ArrayLike, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "uifb":
        raise MeasurementError(f"{name} of type {array.dtype} are no tensor or array of numbers")
    return torch.from_numpy(np.ascontiguousarray(array))
