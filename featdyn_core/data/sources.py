"""Image sets as tensors: published ones, the bundled digits, and files of users."""

import dataclasses
import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from featdyn_core.data.formats import Arrays, read_digits, read_npz
from featdyn_core.data.published import load_published
from featdyn_core.display import Displayed
from featdyn_core.errors import DataError
from featdyn_core.numerics import undisturbed
from featdyn_core.project import data_root
from featdyn_core.seeds import numpy_generator


class _Known(NamedTuple):
    """Known facts about an image set."""

    classes: int
    shape: tuple[int, int, int]
    counts: tuple[int, int]
    scale: tuple[tuple[float, ...], tuple[float, ...]] | None  # mean and std; None means those of the training images


_CIFAR_SCALE = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF_SCALE = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

# The constants of normalisation are those of the code whose training settings the recipes follow: the paper's
# for CIFAR, the usual ones for MNIST, and those of pytorch-playground for SVHN and STL-10.
KNOWN = {
    "digits": _Known(10, (1, 8, 8), (1200, 597), None),
    "mnist": _Known(10, (1, 28, 28), (60_000, 10_000), ((0.1307,), (0.3081,))),
    "cifar10": _Known(10, (3, 32, 32), (50_000, 10_000), _CIFAR_SCALE),
    "cifar100": _Known(100, (3, 32, 32), (50_000, 10_000), _CIFAR_SCALE),
    "svhn": _Known(10, (3, 32, 32), (73_257, 26_032), _HALF_SCALE),
    "stl10": _Known(10, (3, 96, 96), (5_000, 8_000), _HALF_SCALE),
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset(Displayed):
    """An image set in memory; two sets are equal if their digests are equal.

    Attributes:
        name: its name, or the stem of its file.
        train_images: ``(N, C, H, W)`` uint8, 0 … 255.
        train_labels: ``(N,)`` int64, 0 … classes − 1.
        test_images: ``(M, C, H, W)`` uint8.
        test_labels: ``(M,)`` int64.
        classes: number of classes.
        mean: C floats in [0, 1], subtracted from ``image / 255`` by the networks.
        std: C positive floats, by which the networks then divide.
        source: ``scikit-learn``, ``torchvision``, or ``npz:<file name>``.
        published_counts: numbers of images in the whole training and test part, as published or in the file.
        drawn: whether each image of the whole training part belongs to the drawn subset, bool; None without a subset.

    Examples:
        >>> load_dataset("digits", subset=200).train_images.shape
        torch.Size([200, 1, 8, 8])
    """

    name: str
    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    published_counts: tuple[int, int]
    drawn: torch.Tensor | None = None

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over shapes, types and bytes of the four arrays, without name and source."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            values = array.contiguous().numpy()
            digest.update(f"{values.dtype.str}{values.shape}".encode())
            digest.update(values.data)
        return digest.hexdigest()

    @property
    def complete(self) -> bool:
        """Whether both parts have all their images."""
        return (len(self.train_labels), len(self.test_labels)) == self.published_counts

    def _facts(self) -> dict[str, object]:
        _, *shape = self.train_images.shape
        return {
            "name": self.name,
            "training images": len(self.train_labels),
            "test images": len(self.test_labels),
            "shape": " × ".join(map(str, shape)),
            "classes": self.classes,
            "source": self.source,
        }

    def describe(self) -> str:
        """Return a line such as ``svhn (torchvision), train: 9 of 73,257 images, test: 26,032 images``."""
        counts = (len(self.train_labels), len(self.test_labels))
        parts = (
            f"{part}: {count:,} images" if count == whole else f"{part}: {count:,} of {whole:,} images"
            for part, count, whole in zip(("train", "test"), counts, self.published_counts, strict=True)
        )
        return f"{self.name} ({self.source}), {', '.join(parts)}"

    @undisturbed()
    def with_subset(self, size: int, seed: int) -> "Dataset":
        """Return the set with ``size`` of its training images, drawn without replacement, in their order.

        The draw is uniform, not stratified. Test images, normalisation and ``published_counts`` stay those
        of the whole set.

        Raises:
            DataError: ``size`` is below 1 or above the number of images.
        """
        if not 1 <= size <= len(self.train_labels):
            raise DataError(
                f"a subset of {size:,} training images of {self.name}; it must have 1 to {len(self.train_labels):,}"
            )
        drawn = numpy_generator(seed, "subset").choice(len(self.train_labels), size=size, replace=False)
        kept = torch.from_numpy(drawn).sort().values
        before = torch.ones(len(self.train_labels), dtype=torch.bool) if self.drawn is None else self.drawn
        places = torch.zeros_like(before)
        places[before.nonzero().flatten()[kept]] = True
        return dataclasses.replace(
            self, train_images=self.train_images[kept], train_labels=self.train_labels[kept], drawn=places
        )


@undisturbed()
def load_dataset(
    name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    subset: int | None = None,
    seed: int = 0,
    download: bool = True,
) -> Dataset:
    """Return an image set by its name, or by the path of an ``.npz`` file.

    A published set is read from ``<root>/<name>.npz`` if that exists (see ``formats.read_npz``). Such a file may hold
    fewer images than published; ``Dataset.complete`` and ``Dataset.describe`` show this. Otherwise torchvision fetches
    the set (see ``published.load_published``). The digits come from scikit-learn and need no file.

    A set that is absent and cannot be fetched is an ``AbsentDataError``, which is a ``DataError``.

    Args:
        name: ``digits``, ``mnist``, ``cifar10``, ``cifar100``, ``svhn``, ``stl10`` or a path that ends in
            ``.npz``.
        root: folder of image sets, see ``project.data_root``.
        subset: number of training images to keep; None for all.
        seed: decides which images are kept, through the stream ``subset``.
        download: whether an absent set may be fetched.

    Raises:
        DataError: the name is unknown, the set is damaged or has the wrong form, or the subset is too large.

    Examples:
        >>> load_dataset("digits")
        <Dataset: name digits, training images 1200, test images 597, shape 1 × 8 × 8, classes 10, source scikit-learn>
    """
    name = os.fspath(name)
    if name.endswith(".npz"):
        dataset = _own(Path(os.path.expanduser(name)))
    elif name in KNOWN:
        dataset = _known(name, root, download)
    else:
        raise DataError(f"unknown data set {name!r}; give {', '.join(KNOWN)} or the path of an .npz file")
    return dataset if subset is None else dataset.with_subset(subset, seed)


def stand_in(name: str, count: int) -> Dataset:
    """Return a set with noise in place of the images of a published set, to check a network's shapes.

    For an ``.npz`` file it is the set itself. The errors are those of ``load_dataset``, except that a set may be
    absent.

    Args:
        name: name of the set, or the path of an ``.npz`` file.
        count: number of images in each part.

    Examples:
        >>> stand_in("cifar10", 2).train_images.shape
        torch.Size([2, 3, 32, 32])
    """
    if name not in KNOWN:
        return load_dataset(name)
    classes, shape, counts, scale = KNOWN[name]
    mean, std = scale or ((0.5,), (0.5,))
    noise = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return Dataset(name, noise, labels, noise, labels, classes, mean, std, "noise", counts)


def _known(name: str, root: str | os.PathLike[str] | None, download: bool) -> Dataset:
    """Return a set of ``KNOWN`` from its first available source.

    Raises:
        DataError: its images have another shape than the published ones.
    """
    known = KNOWN[name]
    if name == "digits":  # the digits need no folder, and there may be none
        arrays, source = read_digits(), "scikit-learn"
    elif (npz := data_root(root) / f"{name}.npz").exists():
        arrays, source = read_npz(npz), f"npz:{npz.name}"
    else:
        arrays, source = load_published(name, data_root(root), download=download), "torchvision"
    if arrays.train_images.shape[1:] != known.shape:
        raise DataError(
            f"{name} from {source} has images of shape {tuple(arrays.train_images.shape[1:])}; "
            f"they must be {known.shape} (channels, height, width)"
        )
    _check_labels(arrays, known.classes, f"{name} from {source}")
    mean, std = known.scale or _scale(arrays.train_images, name)
    return Dataset(name, *arrays, known.classes, mean, std, source, known.counts)


def _own(path: Path) -> Dataset:
    """Return the set from a user's file, whose training labels define the number of classes.

    Raises:
        DataError: the labels leave a class out, or there is only one.
    """
    arrays = read_npz(path)
    present = arrays.train_labels.unique().tolist()  # ascending
    classes = present[-1] + 1
    _check_labels(arrays, classes, str(path))
    if classes != len(present):
        absent = next(expected for expected, label in enumerate(present) if label != expected)
        raise DataError(f"{path}: no training image has label {absent}; number the classes 0, 1, 2 … without a gap")
    if classes < 2:
        raise DataError(f"{path}: all training images have label 0; there is nothing to learn from a single class")
    mean, std = _scale(arrays.train_images, str(path))
    counts = (len(arrays.train_labels), len(arrays.test_labels))
    return Dataset(path.stem, *arrays, classes, mean, std, f"npz:{path.name}", counts)


def _check_labels(arrays: Arrays, classes: int, where: str) -> None:
    for part, labels in (("training", arrays.train_labels), ("test", arrays.test_labels)):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"{where}: {part} labels run from {low} to {high}; "
                f"the {classes} classes are numbered 0 to {classes - 1}"
            )


def _scale(images: torch.Tensor, where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel in units of 255, from exact integer sums.

    Raises:
        DataError: a channel is the same in all images.
    """
    mean, std = [], []
    values = torch.arange(256)
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256)
        n, total, squares = int(counts.sum()), int((counts * values).sum()), int((counts * values**2).sum())
        if n * squares == total**2:
            raise DataError(f"{where}: channel {channel} is the same in all training images; leave it out")
        mean.append(total / n / 255)
        std.append((n * squares - total**2) ** 0.5 / n / 255)
    return tuple(mean), tuple(std)
