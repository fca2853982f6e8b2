"""What a composite grid is given, in the form it works with, or said clearly why it cannot be."""

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
        MeasurementError: not one integer an image, or none of the classes.
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
    """Return a list of the values, which may be a single one."""
    if isinstance(values, np.ndarray):
        return np.atleast_1d(values).tolist()
    return [values] if isinstance(values, int | np.integer | str) else list(values)
