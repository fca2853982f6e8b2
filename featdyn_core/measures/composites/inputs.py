"""Conversion of the inputs of a composite grid, with clear errors."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.networks.images import as_tensor

One = TypeVar("One", int, str)


def class_labels(labels: Tensor | npt.ArrayLike, images: int, classes: int) -> Tensor:
    """Return labels (N,) as int64.

    Raises:
        MeasurementError: there is not one integer for each image, or one is not a class.
    """
    tensor = as_tensor(labels, "labels")
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
    """Return the values, or the single value, as a list."""
    if isinstance(values, np.ndarray):
        return np.atleast_1d(values).tolist()
    return [values] if isinstance(values, int | np.integer | str) else list(values)
