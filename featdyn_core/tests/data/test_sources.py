"""Image sets by name or path."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.data import sources
from featdyn_core.data.formats import Arrays
from featdyn_core.data.sources import KNOWN, load_dataset
from featdyn_core.errors import DataError

SHAPES = {
    "mnist": (28, 28),
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
    "svhn": (32, 32, 3),
    "stl10": (96, 96, 3),
}


def write_npz(path: Path, shape=(5, 4, 3), classes: int = 10, train: int = 20, test: int = 6, **changes) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (train, *shape), dtype=np.uint8),
        "y_train": np.arange(train) % classes,
        "x_test": rng.integers(0, 256, (test, *shape), dtype=np.uint8),
        "y_test": np.arange(test) % classes,
    }
    np.savez(path, **(arrays | changes))
    return path


@pytest.fixture(scope="module")
def digits() -> sources.Dataset:
    return load_dataset("digits")


def refuse(name: str, root: Path) -> Arrays:
    raise AssertionError(f"asked torchvision for {name} in {root}")


def test_digits_are_the_same_for_all(digits):
    # Fixed when the split was; another value means that every trajectory on the digits is another one.
    assert digits.digest == "74413e4b482ffd408bb22831b65e4780b0b646b463e09bc11205e69e86e59b2c"
    assert digits.describe() == "digits (scikit-learn), train: 1,200 images, test: 597 images"
    assert digits.complete
    assert digits.classes == 10


def test_own_scale_is_mean_and_deviation_of_the_training_images(digits):
    scaled = digits.train_images.double() / 255
    assert digits.mean == pytest.approx([scaled.mean().item()], rel=1e-12)
    assert digits.std == pytest.approx([scaled.std(correction=0).item()], rel=1e-12)


def test_scale_is_taken_channel_by_channel(tmp_path):
    dataset = load_dataset(write_npz(tmp_path / "own.npz"))
    scaled = dataset.train_images.double() / 255
    assert dataset.mean == pytest.approx(scaled.mean(dim=(0, 2, 3)).tolist(), rel=1e-12)
    assert dataset.std == pytest.approx(scaled.std(dim=(0, 2, 3), correction=0).tolist(), rel=1e-12)


def test_path_gives_the_users_own_set(tmp_path):
    dataset = load_dataset(write_npz(tmp_path / "mine.npz", classes=4))
    assert (dataset.name, dataset.source, dataset.classes) == ("mine", "npz:mine.npz", 4)
    assert dataset.describe() == "mine (npz:mine.npz), train: 20 images, test: 6 images"
    assert dataset.complete
    assert load_dataset(str(tmp_path / "mine.npz")).digest == dataset.digest


@pytest.mark.parametrize("name", SHAPES)
def test_an_npz_of_a_known_name_wins_and_shows_what_is_missing(monkeypatch, tmp_path, name):
    monkeypatch.setattr(sources, "load_published", refuse)
    monkeypatch.setenv("FEATDYN_DATA", str(tmp_path))
    classes = KNOWN[name].classes
    write_npz(tmp_path / f"{name}.npz", SHAPES[name], classes)
    dataset = load_dataset(name)
    train, test = KNOWN[name].counts
    assert dataset.describe() == (f"{name} (npz:{name}.npz), train: 20 of {train:,} images, test: 6 of {test:,} images")
    assert not dataset.complete
    assert dataset.published_counts == (train, test)
    assert dataset.classes == classes
    assert (dataset.mean, dataset.std) == KNOWN[name].scale


def test_published_set_is_read_where_there_is_no_npz(monkeypatch, tmp_path):
    images = torch.arange(2 * 28 * 28).to(torch.uint8).reshape(2, 1, 28, 28)
    labels = torch.tensor([3, 9])
    asked = []

    def fetch(name: str, root: Path, *, download: bool) -> Arrays:
        asked.append((name, root, download))
        return Arrays(images, labels, images, labels)

    monkeypatch.setattr(sources, "load_published", fetch)
    load_dataset("mnist", root=tmp_path, download=False)
    dataset = load_dataset("mnist", root=tmp_path)
    assert asked == [("mnist", tmp_path, False), ("mnist", tmp_path, True)]
    assert dataset.source == "torchvision"
    assert torch.equal(dataset.train_images, images)


@settings(max_examples=15, deadline=None)
@given(size=st.integers(1, 1200), seed=st.integers(0, 2**31))
def test_subset_keeps_distinct_training_images_in_their_order(digits, size, seed):
    subset = digits.with_subset(size, seed)
    # A running number in place of the label shows which images were kept.
    numbers = sources.dataclasses.replace(digits, train_labels=torch.arange(1200)).with_subset(size, seed).train_labels
    assert len(subset.train_images) == len(subset.train_labels) == size
    assert (numbers.diff() > 0).all()
    assert torch.equal(subset.train_images, digits.train_images[numbers])
    assert torch.equal(subset.train_labels, digits.train_labels[numbers])
    assert torch.equal(subset.test_images, digits.test_images)
    assert (subset.mean, subset.std, subset.published_counts) == (digits.mean, digits.std, (1200, 597))
    assert subset.complete == (size == 1200)
    assert digits.drawn is None
    assert torch.equal(subset.drawn.nonzero().flatten(), numbers)


def test_subset_of_a_subset_still_knows_its_images(digits):
    subset = digits.with_subset(300, 1).with_subset(100, 2)
    assert subset.drawn.shape == (1200,)
    assert torch.equal(digits.train_images[subset.drawn], subset.train_images)


def test_subset_follows_the_seed_and_shows_in_the_description():
    first = load_dataset("digits", subset=100, seed=1)
    assert first.digest == load_dataset("digits", subset=100, seed=1).digest
    assert first.digest != load_dataset("digits", subset=100, seed=2).digest
    assert first.describe() == "digits (scikit-learn), train: 100 of 1,200 images, test: 597 images"


def test_subset_is_uniform(digits):
    numbered = sources.dataclasses.replace(digits, train_labels=torch.arange(1200))
    hits = sum(
        torch.bincount(numbered.with_subset(300, seed).train_labels, minlength=1200).double() for seed in range(400)
    )
    # Each image is kept 100 times in 400 draws of a quarter, with standard deviation √75.
    assert (hits - 100).abs().max() < 5 * 75**0.5


@pytest.mark.parametrize("size", [0, -1, 1201])
def test_impossible_subset_is_refused(size):
    with pytest.raises(DataError, match=r"training images of digits; it must have 1 to 1,200"):
        load_dataset("digits", subset=size)


def test_digest_depends_on_every_array_and_its_shape_alone(digits):
    def changed(**arrays: object) -> str:
        return sources.dataclasses.replace(digits, **arrays).digest

    flipped = digits.train_images.clone()
    flipped[-1, 0, -1, -1] += 1
    relabelled = digits.train_labels.clone()
    relabelled[0] = (relabelled[0] + 1) % 10
    different = {
        digits.digest,
        changed(train_images=flipped),
        changed(train_labels=relabelled),
        changed(test_images=digits.test_images.flip(0)),
        changed(test_labels=digits.test_labels.flip(0)),
        changed(test_images=digits.test_images.reshape(597, 1, 4, 16)),
    }
    assert len(different) == 6
    assert changed(name="other", source="npz:other.npz") == digits.digest
    strided = digits.train_images.transpose(2, 3).contiguous().transpose(2, 3)
    assert changed(train_images=strided) == digits.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(20) % 10 * 2}, "no training image has label 1; number the classes 0, 1, 2"),
        (
            {"y_train": np.where(np.arange(20) == 3, 2**40, np.arange(20) % 10)},
            "no training image has label 10; number",
        ),
        ({"y_train": np.full(20, 2**62)}, "no training image has label 0; number"),
        (
            {"y_train": np.zeros(20, int), "y_test": np.zeros(6, int)},
            "all training images have label 0; there is nothing",
        ),
        ({"y_train": np.arange(20) - 1}, "training labels run from -1 to 18; the 19 classes"),
        ({"y_test": np.full(6, 10)}, "test labels run from 10 to 10; the 10 classes are numbered 0 to 9"),
        ({"x_train": np.full((20, 5, 4, 3), 7, np.uint8)}, "channel 0 is the same in all training images"),
    ],
)
def test_own_set_that_does_not_hold_together_is_refused(tmp_path, changes, message):
    path = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(20) % 11}, "cifar10 from npz:cifar10.npz: training labels run from 0 to 10"),
        ({"y_test": np.full(6, 255, np.uint8)}, "test labels run from 255 to 255"),
        ({"shape": (28, 28)}, r"images of shape \(1, 28, 28\); they must be \(3, 32, 32\)"),
    ],
)
def test_npz_that_is_not_the_known_set_is_refused(tmp_path, changes, message):
    write_npz(tmp_path / "cifar10.npz", **({"shape": (32, 32, 3)} | changes))
    with pytest.raises(DataError, match=message):
        load_dataset("cifar10", root=tmp_path)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"unknown data set 'imagenet'; give digits, mnist, .* or the path of an \.npz"):
        load_dataset("imagenet")


@pytest.mark.parametrize("name", sources.KNOWN)
def test_a_stand_in_has_the_form_of_a_set_that_is_not_here(name):
    known, found = sources.KNOWN[name], sources.stand_in(name, 8)
    assert found.train_images.shape == (8, *known.shape)
    assert (found.classes, found.train_images.dtype) == (known.classes, torch.uint8)
    assert len(found.mean) == len(found.std) == known.shape[0]
    assert found.train_images.unique().numel() > 200
    assert not found.complete or found.source == "noise"


def real(name: str) -> sources.Dataset:
    """Load a set from FEATDYN_DATA, or skip the test if it is missing; never download."""
    root = os.environ.get("FEATDYN_DATA")
    sides = {
        "mnist": ["mnist.npz", "MNIST/raw/train-images-idx3-ubyte"],
        "cifar10": ["cifar10.npz", "cifar-10-batches-py/data_batch_1"],
    }
    if not root or not any((Path(root) / side).exists() for side in sides[name]):
        pytest.skip(f"FEATDYN_DATA holds no {name}")
    return load_dataset(name)


def test_real_mnist_is_the_published_one():
    mnist = real("mnist")
    assert mnist.complete
    assert mnist.digest == "11de40ec28a7c150195b86fd3a818037e73f1e8d04ab1621d02836dbdf8a2d54"
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    mean, std = sources._scale(mnist.train_images, "mnist")
    assert (round(mean[0], 4), round(std[0], 4)) == (mnist.mean[0], mnist.std[0])


def test_real_cifar10_has_balanced_classes_and_the_known_mean():
    cifar10 = real("cifar10")
    assert torch.bincount(cifar10.train_labels).tolist() == [5_000] * 10
    mean, _ = sources._scale(cifar10.train_images, "cifar10")
    assert [round(value, 3) for value in mean] == [0.491, 0.482, 0.447]
