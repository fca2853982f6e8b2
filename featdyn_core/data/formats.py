"""Image sets that need no download: scikit-learn's handwritten digits, and ``.npz`` files."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from featdyn_core.arrays import UNREADABLE, Archive
from featdyn_core.errors import DataError
from featdyn_core.files import open_file
from featdyn_core.seeds import numpy_generator

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
DIGITS_TRAIN = 1200  # of 1,797: two thirds, and a round number
MAX_CHANNELS = 4


class Arrays(NamedTuple):
    """The two parts of an image set.

    Images are ``(N, C, H, W)`` uint8 tensors in 0 … 255, labels ``(N,)`` int64 tensors.
    """

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def read_digits() -> Arrays:
    """Return scikit-learn's 1,797 handwritten digits in a fixed split of 1,200 and 597.

    The 8×8 images have the values 0 … 16, here ``round(v * 255 / 16)``. The file is ordered by writer; the
    split follows one fixed random permutation, so that both parts have the same distribution.
    """
    from sklearn.datasets import load_digits  # imported here, because the import is slow and rarely needed

    bunch = load_digits()
    images = torch.from_numpy(np.rint(bunch.images * 255 / 16).astype(np.uint8))[:, None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    order = torch.from_numpy(numpy_generator(0, "subset", "digits").permutation(len(labels)))
    train, test = order[:DIGITS_TRAIN], order[DIGITS_TRAIN:]
    return Arrays(images[train], labels[train], images[test], labels[test])


def read_npz(path: Path) -> Arrays:
    """Return the image set of an ``.npz`` file that follows Keras's convention.

    Args:
        path: a file with ``x_train`` and ``x_test``, uint8 ``(N, H, W)`` or ``(N, H, W, C)`` with at most 4
            channels, and ``y_train`` and ``y_test``, ``(N,)`` or ``(N, 1)`` of any integer type.

    Raises:
        DataError: the file is missing, unreadable, or not as above; a part is empty; or all test images are among the
            training images.
    """
    arrays = _image_set(path)
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if len(images) != len(labels):
            raise DataError(
                f"{path}: x_{part} has {len(images):,} images and y_{part} {len(labels):,} labels; give equal numbers"
            )
        if images.size == 0:
            raise DataError(f"{path}: x_{part} is empty; both parts need at least one image")
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise DataError(
            f"{path}: training images have shape {arrays['x_train'].shape[1:]} and test images "
            f"{arrays['x_test'].shape[1:]}; the shapes must be equal"
        )
    if _all_among(arrays["x_test"], arrays["x_train"]):
        raise DataError(
            f"{path}: every test image is a training image too, so nothing is held out; x_test must hold other images"
        )
    return Arrays(*(torch.from_numpy(arrays[key]) for key in NPZ_KEYS))


def _all_among(images: np.ndarray, others: np.ndarray) -> bool:
    """Whether every image is among the others."""
    if not (others == images[0]).all(axis=(1, 2, 3)).any():  # this usually decides, without a digest of each image
        return False
    first, second = ({hashlib.blake2b(image.tobytes()).digest() for image in part} for part in (images, others))
    return first <= second


def _image_set(path: Path) -> dict[str, np.ndarray]:
    """Return the four arrays of the file, images as ``(N, C, H, W)`` and labels as ``(N,)`` int64.

    Raises:
        DataError: the file lacks one of the arrays.
    """
    with open_npz(path) as npz:
        if missing := [key for key in NPZ_KEYS if key not in npz]:
            raise DataError(f"{path} has no {', '.join(missing)}; its keys must be {', '.join(NPZ_KEYS)}")
        return {key: (_images if key.startswith("x") else label_vector)(npz[key], key, path) for key in NPZ_KEYS}


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Yield the arrays of an ``.npz`` file by name; each is read on access.

    Yields:
        The arrays.

    Raises:
        DataError: the file is missing or unreadable, also if this shows only when an array is read.
    """
    try:
        with open_file(path) as file:
            yield Archive(file)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; give the path of an .npz file") from error
    except UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays: {error}; write it again with numpy.savez"
        ) from error


def _images(array: np.ndarray, key: str, path: os.PathLike[str]) -> np.ndarray:
    if array.dtype != np.uint8:
        raise DataError(f"{path}: {key} has type {array.dtype}; images must be uint8 in 0 … 255")
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4 or array.shape[3] > MAX_CHANNELS:
        raise DataError(
            f"{path}: {key} has shape {array.shape}; images must be (N, H, W) or (N, H, W, C), "
            f"channels last and at most {MAX_CHANNELS}"
        )
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def label_vector(array: np.ndarray, key: str, path: os.PathLike[str]) -> np.ndarray:
    """Return labels as ``(N,)`` int64.

    Args:
        array: ``(N,)`` or ``(N, 1)`` of any integer type.
        key: its name in the file.
        path: of the file.

    Raises:
        DataError: the shape or the type is wrong.
    """
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"{path}: {key} has type {array.dtype}; labels must be integers")
    if array.ndim != 1 and array.shape[1:] != (1,):
        raise DataError(f"{path}: {key} has shape {array.shape}; labels must be (N,) or (N, 1)")
    # A uint64 label beyond int64 turns negative, and negative labels are refused with those out of range.
    return array.reshape(-1).astype(np.int64)
