"""Labels from a separate file, such as human labels, which replace the true labels of the training images.

The file is an ``.npz`` in the folder of image sets. Each of its arrays has a label for every image of the whole
training part, in the published order of the images.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from featdyn_core.data.formats import label_vector, open_npz
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import AbsentDataError, DataError
from featdyn_core.project import data_root

TRUE = "clean_label"
"""Name of the true labels in CIFAR-10N. If a file has them, they show whether the images are in its order."""

ORIGINS = {
    "cifar10n_labels.npz": "CIFAR-10N, a set of human labels, comes from github.com/UCSC-REAL/cifar-10-100n "
    "(CC BY-NC 4.0); docs/running.md explains how to make this file from it"
}
"""Sources of known files, by name."""


def load_labels(
    file: str, column: str, sha256: str, dataset: Dataset, *, root: str | os.PathLike[str] | None = None
) -> torch.Tensor:
    """Return the labels of the training images, or of a drawn subset of them, from a file.

    A missing file is an ``AbsentDataError``.

    Args:
        file: name of an ``.npz`` file.
        column: name of an array in it, ``(N,)`` or ``(N, 1)`` of any integer type, N images in the whole training part.
        sha256: result of ``labels_sha256`` for that array.
        dataset: the images.
        root: folder of the file, see ``project.data_root``.

    Returns:
        ``(len(dataset.train_labels),)`` int64, on the CPU.

    Raises:
        DataError: the array is missing, or its content does not match ``sha256``; the numbers of images and labels
            differ, or their orders; or a label is not a class.
    """
    path = data_root(root) / file
    labels, true = _read(path, column)
    if (found := labels_sha256(labels)) != sha256:
        raise DataError(
            f"{path}: {column} has the sha256 {found}, not {sha256}; get the file for this recipe again, or "
            "write the sha256 of this one into the recipe, which makes it another training"
        )
    drawn = torch.ones(len(dataset.train_labels), dtype=torch.bool) if dataset.drawn is None else dataset.drawn
    kept, images = drawn.numpy(), f"{dataset.name} ({dataset.source})"
    if len(labels) != len(kept):
        raise DataError(
            f"{path}: {column} has {len(labels):,} labels, and the whole training part of {images} {len(kept):,} "
            "images; choose the images that the labels belong to"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= dataset.classes:
        raise DataError(
            f"{path}: the labels of {column} run from {low} to {high}, and the {dataset.classes} classes of {images} "
            f"are numbered 0 to {dataset.classes - 1}; choose labels of these classes"
        )
    if true is not None and not (len(true) == len(kept) and np.array_equal(true[kept], dataset.train_labels.numpy())):
        raise DataError(
            f"{path}: {TRUE} differs from the training labels of {images}, so these are other images or in another "
            "order than the labels; get the published images"
        )
    return torch.from_numpy(labels[kept])


def labels_sha256(labels: np.ndarray) -> str:
    """Hex SHA-256 of the labels ``(N,)`` as little-endian int64, for every integer type in the file."""
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def _read(path: Path, column: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the labels, and the true ones if the file has them.

    Raises:
        AbsentDataError: there is no such file.
        DataError: the file cannot be read, or has no such array.
    """
    if not os.path.exists(path):
        origin = f". {ORIGINS[path.name]}" if path.name in ORIGINS else ""
        raise AbsentDataError(f"{path} is missing; set FEATDYN_DATA to the folder that holds it{origin}")
    with open_npz(path) as npz:
        if column not in npz:
            raise DataError(f"{path} has no array {column!r}; name one that it has: {', '.join(npz) or 'none'}")
        true = label_vector(npz[TRUE], TRUE, path) if TRUE in npz else None
        return label_vector(npz[column], column, path), true
