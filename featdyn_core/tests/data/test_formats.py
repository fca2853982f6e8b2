"""The digits, and image sets from ``.npz`` files."""

import io
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from featdyn_core.data.formats import read_digits, read_npz
from featdyn_core.errors import DataError


def arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {
        "x_train": rng.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8),
        "y_train": np.arange(6) % 3,
        "x_test": rng.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8),
        "y_test": np.array([2, 0]),
    }
    return made | changes


def saved(path, **changes: np.ndarray):
    np.savez(path, **arrays(**changes))
    return path


def test_digits_are_each_used_once_and_scaled_to_a_byte():
    digits = read_digits()
    assert digits.train_images.shape == (1200, 1, 8, 8)
    assert digits.test_images.shape == (597, 1, 8, 8)
    rows = torch.cat([digits.train_images, digits.test_images]).flatten(1)
    labels = torch.cat([digits.train_labels, digits.test_labels])
    bunch = load_digits()
    expected = [
        (*(round(value * 255 / 16) for value in row), label)
        for row, label in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True)
    ]
    assert sorted(expected) == sorted((*row, label) for row, label in zip(rows.tolist(), labels.tolist(), strict=True))


def test_both_parts_of_the_digits_hold_classes_in_similar_shares():
    digits = read_digits()
    train = torch.bincount(digits.train_labels, minlength=10) / 1200
    test = torch.bincount(digits.test_labels, minlength=10) / 597
    # The standard deviation of a share of 0.1 is 0.009 and 0.012; drawn from one pool they differ by less.
    assert (train - test).abs().max() < 4 * (0.09 * (1 / 1200 + 1 / 597)) ** 0.5


def test_channels_come_first_and_values_stay(tmp_path):
    read = read_npz(saved(tmp_path / "own.npz"))
    assert read.train_images.shape == (6, 3, 5, 4)
    assert read.train_images.is_contiguous()
    assert np.array_equal(read.train_images.numpy().transpose(0, 2, 3, 1), arrays()["x_train"])
    assert np.array_equal(read.test_images.numpy().transpose(0, 2, 3, 1), arrays()["x_test"])
    assert read.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert read.test_labels.tolist() == [2, 0]


def test_grey_images_get_one_channel(tmp_path):
    grey = {key: arrays()[key][..., 0] for key in ("x_train", "x_test")}
    read = read_npz(saved(tmp_path / "own.npz", **grey))
    assert read.train_images.shape == (6, 1, 5, 4)
    assert np.array_equal(read.train_images[:, 0].numpy(), grey["x_train"])


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["i1", "u1", ">i2", "u4", "i8", ">u8"]), st.booleans())
def test_labels_of_any_integer_type_are_read(tmp_path_factory, kind, column):
    labels = np.array([0, 1, 2, 0, 1, 2], dtype=kind)
    path = saved(tmp_path_factory.mktemp("npz") / "own.npz", y_train=labels[:, None] if column else labels)
    read = read_npz(path).train_labels
    assert read.dtype == torch.int64
    assert read.tolist() == [0, 1, 2, 0, 1, 2]


def test_label_beyond_int64_cannot_pass_for_a_class(tmp_path):
    labels = np.array([0, 1, 2, 0, 1, 2**64 - 1], dtype=np.uint64)
    assert int(read_npz(saved(tmp_path / "own.npz", y_train=labels)).train_labels.min()) < 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": arrays()["x_train"] / 255}, "x_train has type float64; images must be uint8"),
        ({"x_test": arrays()["x_test"].transpose(0, 3, 1, 2).repeat(2, 3)}, "channels last and at most 4"),
        ({"x_train": np.zeros((6, 20), np.uint8)}, r"x_train has shape \(6, 20\)"),
        ({"y_train": np.zeros(6)}, "y_train has type float64; labels must be integers"),
        ({"y_test": np.zeros(2, bool)}, "y_test has type bool"),
        (
            {"y_train": np.zeros((6, 3), int)},
            r"y_train has shape \(6, 3\); labels must be \(N,\) or \(N, 1\)",
        ),
        ({"y_test": np.zeros(3, int)}, "x_test has 2 images and y_test 3 labels"),
        ({"x_test": np.zeros((0, 5, 4, 3), np.uint8), "y_test": np.zeros(0, int)}, "x_test is empty"),
        ({"x_test": np.zeros((2, 5, 5, 3), np.uint8)}, "must be equal"),
        ({"y_train": np.array([None] * 6)}, "cannot be read as an .npz file of plain arrays"),
    ],
)
def test_file_of_another_form_is_refused_by_name(tmp_path, changes, message):
    path = saved(tmp_path / "own.npz", **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)


def test_missing_keys_are_named(tmp_path):
    np.savez(tmp_path / "own.npz", x_train=arrays()["x_train"], y_train=arrays()["y_train"])
    with pytest.raises(DataError, match=r"own.npz has no x_test, y_test; its keys must be x_train, y_train"):
        read_npz(tmp_path / "own.npz")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.npz does not exist"):
        read_npz(tmp_path / "none.npz")


@pytest.mark.parametrize("shape", [(10**11,), (10**9, 10**9, 10**9), (2**62, 4), (10**30,), (-5,)])
def test_header_that_speaks_of_more_than_there_is_is_refused(tmp_path, shape):
    """Four arrays; the first has this shape in its header and three bytes of data."""
    path = tmp_path / "own.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content = {key: saved_array(array) for key, array in arrays().items()} | {"x_train": header.getvalue() + b"abc"}
    with zipfile.ZipFile(path, "w") as file:
        for key, data in content.items():
            file.writestr(f"{key}.npy", data)
    with pytest.raises(DataError, match=r"cannot be read as an \.npz file of plain arrays"):
        read_npz(path)


def saved_array(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_test_images_that_are_all_training_images_are_refused(tmp_path):
    train = arrays()["x_train"]
    for test in (train, train[::-1], train[[2, 2]]):
        path = saved(tmp_path / "own.npz", x_test=test, y_test=np.zeros(len(test), int))
        with pytest.raises(DataError, match="every test image is a training image too, so nothing is held out"):
            read_npz(path)


def test_test_images_may_repeat_some_of_the_training_images(tmp_path):
    made = arrays()
    for rows in ([0, 1], [1, 0]):
        test = np.stack([made["x_train"][3], made["x_test"][0]])[rows]
        assert len(read_npz(saved(tmp_path / "own.npz", x_test=test)).test_images) == 2, f"training images {rows}"


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "text", "npy"])
def test_damaged_file_is_refused(tmp_path, damage):
    path = saved(tmp_path / "own.npz")
    content = path.read_bytes()
    if damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        flipped = bytearray(content)
        flipped[300] ^= 1  # within the pixels of the first array
        made = {
            "empty": b"",
            "half": content[: len(content) // 2],
            "flipped": bytes(flipped),
            "text": b"no zip",
        }
        path.write_bytes(made[damage])
    with pytest.raises(DataError, match=r"cannot be read as an \.npz file"):
        read_npz(path)
