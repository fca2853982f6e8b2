"""Labels from a file: those of the drawn images, identified by content."""

import dataclasses
import hashlib
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.data.label_files import TRUE, labels_sha256, load_labels
from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.errors import AbsentDataError, DataError
from featdyn_core.project import data_root
from featdyn_core.trajectories.recipe import load_recipe

CLASSES = 5
TRUE_LABELS = np.random.default_rng(0).permutation(np.arange(40) % CLASSES)
GIVEN = (TRUE_LABELS + np.arange(40) % 3) % CLASSES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with 40 images, and labels for them."""
    folder = tmp_path_factory.mktemp("data")
    images = np.random.default_rng(1).integers(0, 256, (44, 4, 4), dtype=np.uint8)
    np.savez(
        folder / "images.npz", x_train=images[:40], y_train=TRUE_LABELS, x_test=images[40:], y_test=np.arange(4) % 3
    )
    np.savez(folder / "labels.npz", **{TRUE: TRUE_LABELS.astype(np.uint8), "given": GIVEN.astype(np.uint8)})
    return folder


@pytest.fixture(scope="module")
def images(folder) -> Dataset:
    return load_dataset(folder / "images.npz")


def read(folder, dataset, column="given", labels=GIVEN, file="labels.npz"):
    return load_labels(file, column, labels_sha256(labels), dataset, root=folder)


def saved(folder, **arrays):
    np.savez(folder / "labels.npz", **arrays)
    return folder


def test_all_images_have_the_labels_of_the_file_in_its_order(folder, images):
    found = read(folder, images)
    assert found.dtype == torch.int64
    assert found.tolist() == GIVEN.tolist()
    assert found.tolist() != images.train_labels.tolist()


@settings(max_examples=20, deadline=None)
@given(first=st.integers(2, 40), second=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_labels_are_those_of_the_drawn_images(folder, images, first, second, seed):
    whole = {image.numpy().tobytes(): label for image, label in zip(images.train_images, GIVEN.tolist(), strict=True)}
    subset = images.with_subset(first, seed)
    for drawn in (subset, subset.with_subset(min(first, second), seed + 1)):
        expected = [whole[image.numpy().tobytes()] for image in drawn.train_images]
        assert read(folder, drawn).tolist() == expected
        assert torch.equal(read(folder, drawn, TRUE, TRUE_LABELS), drawn.train_labels)


def test_sha256_is_of_little_endian_int64():
    expected = hashlib.sha256(b"\x03" + bytes(7) + b"\x01" + bytes(7)).hexdigest()
    assert {labels_sha256(np.array([3, 1], dtype=kind)) for kind in ("u1", "<i8", ">i8", ">u2")} == {expected}


@pytest.mark.parametrize("kind", ["u1", "i2", ">i4", "i8"])
def test_type_and_shape_in_the_file_change_nothing(tmp_path, images, kind):
    saved(tmp_path, given=GIVEN.astype(kind)[:, None])
    assert read(tmp_path, images).tolist() == GIVEN.tolist()


def test_folder_is_that_of_the_environment(folder, images, monkeypatch):
    monkeypatch.setenv("FEATDYN_DATA", str(folder))
    assert read(None, images).tolist() == GIVEN.tolist()


def test_absent_file_is_reported_with_what_to_set(tmp_path, images):
    with pytest.raises(AbsentDataError, match=rf"^{tmp_path}/labels\.npz is missing; set FEATDYN_DATA .* holds it$"):
        read(tmp_path, images)


def test_absent_human_labels_are_reported_with_their_origin(tmp_path, images):
    with pytest.raises(AbsentDataError, match=r"UCSC-REAL/cifar-10-100n \(CC BY-NC 4\.0\)"):
        read(tmp_path, images, file="cifar10n_labels.npz")


UNFIT = {
    "no such array": ({"worse": GIVEN}, GIVEN, r"has no array 'given'; name one that it has: worse$"),
    "too few": (
        {"given": GIVEN[:39]},
        GIVEN[:39],
        r"has 39 labels, .* images \(npz:images.npz\) 40 images; choose",
    ),
    "too many": ({"given": np.append(GIVEN, 0)}, np.append(GIVEN, 0), "given has 41 labels, .* 40 images; choose"),
    "none": ({"given": GIVEN[:0]}, GIVEN[:0], "given has 0 labels"),
    "beyond the classes": ({"given": GIVEN + 1}, GIVEN + 1, "given run from 1 to 5, .* numbered 0 to 4; choose"),
    "negative": ({"given": GIVEN - 1}, GIVEN - 1, "given run from -1 to 3"),
    "other content": (
        {"given": GIVEN[::-1]},
        GIVEN,
        rf"given has the sha256 {labels_sha256(GIVEN[::-1])}, not {labels_sha256(GIVEN)}; get the file for this",
    ),
    "no integers": ({"given": GIVEN / 2}, GIVEN, "given has type float64; labels must be integers"),
    "another shape": ({"given": np.stack([GIVEN, GIVEN])}, GIVEN, r"given has shape \(2, 40\); labels must be"),
    "another order": (
        {"given": GIVEN, TRUE: TRUE_LABELS[::-1]},
        GIVEN,
        "in another order than the labels; get",
    ),
    "other images": ({"given": GIVEN, TRUE: TRUE_LABELS[:39]}, GIVEN, "in another order than the labels; get"),
}


@pytest.mark.parametrize(("arrays", "meant", "message"), UNFIT.values(), ids=UNFIT)
def test_labels_that_are_not_for_the_images_are_refused(tmp_path, images, arrays, meant, message):
    saved(tmp_path, **arrays)
    for dataset in (images, images.with_subset(30, 0)):
        with pytest.raises(DataError, match=rf"^{tmp_path}/labels\.npz.*{message}") as caught:
            read(tmp_path, dataset, labels=meant)
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, AbsentDataError)


def test_labels_of_as_many_images_as_were_drawn_are_refused(tmp_path, images):
    saved(tmp_path, given=GIVEN[:30])
    with pytest.raises(DataError, match=r"given has 30 labels, .* 40 images"):
        read(tmp_path, images.with_subset(30, 0), labels=GIVEN[:30])


def test_damaged_file_is_refused(tmp_path, images):
    (tmp_path / "labels.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"labels\.npz cannot be read as an \.npz file"):
        read(tmp_path, images)


# The real labels, where they are


@pytest.fixture(scope="module")
def cifar10() -> Dataset:
    named = load_recipe("cifar10-reduced-human")
    if not os.path.exists(data_root() / named.labels.file):
        pytest.skip(f"{named.labels.file} is not here")
    try:
        return load_dataset("cifar10", subset=named.data.subset, download=False)
    except AbsentDataError as error:
        pytest.skip(str(error))


def test_human_labels_are_those_of_the_drawn_images(cifar10):
    named = load_recipe("cifar10-reduced-human").labels
    labels = load_labels(named.file, named.column, named.sha256, cifar10)
    assert (labels != cifar10.train_labels).double().mean() == pytest.approx(0.4016, abs=1e-9)
    turned = dataclasses.replace(cifar10, train_labels=cifar10.train_labels.roll(1))
    with pytest.raises(DataError, match="in another order than the labels"):
        load_labels(named.file, named.column, named.sha256, turned)
