"""The public face of the corruptions: laws that every kind obeys, and the errors."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from featdyn_core.data import official
from featdyn_core.data.corruptions import (
    EXTRA_KINDS,
    KINDS,
    STOCHASTIC,
    corrupt,
    corrupted_test_set,
)
from featdyn_core.data.names import SEVERITIES
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import DataError

ALL_KINDS = KINDS + EXTRA_KINDS
DETERMINISTIC = sorted(set(ALL_KINDS) - STOCHASTIC)
# Kinds whose definition moves the image farther from the clean one with every severity. Not motion blur:
# severities 3 and 4 differ by taps of less than 1e-9 only.
MONOTONE = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "defocus_blur",
    "gaussian_blur",
    "zoom_blur",
    "snow",
    "fog",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Sixty crops of two photographs at 32×32, (60, 32, 32, 3)."""
    crops = []
    for photograph in map(Image.fromarray, load_sample_images().images):
        for left in range(0, 500, 85):
            for top in range(0, 300, 60):
                crop = photograph.crop((left, top, left + 128, top + 128))
                crops.append(np.asarray(crop.resize((32, 32), Image.Resampling.BOX)))
    return np.stack(crops)


def distances(images: np.ndarray, kind: str) -> np.ndarray:
    """Return the mean squared grey-level distance to the clean images at each severity, (5,)."""
    corrupted = (corrupt(images, kind, severity, np.random.default_rng(7)) for severity in SEVERITIES)
    return np.array([np.square(image.astype(float) - images).mean() for image in corrupted])


def test_kinds() -> None:
    assert len(KINDS) == len(set(KINDS)) == 15
    assert EXTRA_KINDS == ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    assert not set(KINDS) & set(EXTRA_KINDS)
    assert set(ALL_KINDS) == set(official.CORRUPTION_KINDS)
    assert DETERMINISTIC == [
        "brightness",
        "contrast",
        "defocus_blur",
        "gaussian_blur",
        "jpeg_compression",
        "pixelate",
        "saturate",
        "zoom_blur",
    ]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_shape_type_and_input_kept(kind: str, photographs: np.ndarray) -> None:
    images = photographs[:3, :28, :20].copy()
    before = images.copy()
    corrupted = corrupt(images, kind, 5, np.random.default_rng(0))
    assert corrupted.shape == images.shape
    assert corrupted.dtype == np.uint8
    assert not np.shares_memory(corrupted, images)
    assert np.array_equal(images, before)
    assert not np.array_equal(corrupted, images)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_single_pixel(kind: str) -> None:
    pixel = np.full((2, 1, 1, 3), 90, np.uint8)
    assert corrupt(pixel, kind, 5, np.random.default_rng(0)).shape == pixel.shape


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_no_images(kind: str) -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    assert corrupt(none, kind, 1, np.random.default_rng(0)).shape == none.shape


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_small_image(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(ALL_KINDS))
    channels = 3 if kind == "saturate" else data.draw(st.sampled_from([1, 3]))
    shape = (
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 12)),
        data.draw(st.integers(1, 12)),
        channels,
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    images = data.draw(st.sampled_from([black, white, rng.integers(256, size=shape, dtype=np.uint8)]))
    corrupted = corrupt(images, kind, data.draw(st.sampled_from(SEVERITIES)), rng)
    assert corrupted.shape == shape
    assert corrupted.dtype == np.uint8


@pytest.mark.parametrize("kind", sorted(set(ALL_KINDS) - {"elastic_transform"}))
def test_severity_five_is_farther_than_one(kind: str, photographs: np.ndarray) -> None:
    apart = distances(photographs, kind)
    assert apart[4] > 1.2 * apart[0] > 0, f"{kind}: squared distances {apart}"


@pytest.mark.parametrize("kind", MONOTONE)
def test_every_severity_is_farther_than_the_last(kind: str, photographs: np.ndarray) -> None:
    apart = distances(photographs, kind)
    assert (np.diff(apart) > 0).all(), f"{kind}: squared distances {apart}"


@pytest.mark.parametrize("kind", sorted(STOCHASTIC))
def test_same_seed_same_result(kind: str, photographs: np.ndarray) -> None:
    first, again, other = (corrupt(photographs, kind, 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", sorted(STOCHASTIC))
def test_every_image_gets_its_own_draw(kind: str, photographs: np.ndarray) -> None:
    first, second = corrupt(photographs[[0, 0]], kind, 5, np.random.default_rng(1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", DETERMINISTIC)
def test_deterministic_kinds_leave_the_generator_alone(kind: str, photographs: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    state = rng.bit_generator.state
    first = corrupt(photographs, kind, 3, rng)
    assert rng.bit_generator.state == state
    assert np.array_equal(first, corrupt(photographs, kind, 3, np.random.default_rng(2)))


@pytest.mark.parametrize("kind", DETERMINISTIC)
def test_an_image_does_not_depend_on_its_neighbours(kind: str, photographs: np.ndarray) -> None:
    many = np.concatenate([photographs] * 5)  # more than are processed at a time
    alone = corrupt(photographs[7:8], kind, 4, np.random.default_rng(0))[0]
    together = corrupt(many, kind, 4, np.random.default_rng(0))
    assert np.array_equal(together[7], alone)
    assert np.array_equal(together[4 * len(photographs) + 7], alone)


@pytest.mark.parametrize("kind", sorted(set(DETERMINISTIC) - {"saturate", "jpeg_compression"}))
def test_grey_equals_colour_with_equal_channels(kind: str, photographs: np.ndarray) -> None:
    grey, rng = photographs[..., :1], np.random.default_rng(0)
    in_colour = corrupt(np.repeat(grey, 3, axis=3), kind, 2, rng)
    assert np.array_equal(in_colour, np.repeat(corrupt(grey, kind, 2, rng), 3, axis=3))


GOOD = {
    "images": np.zeros((2, 8, 8, 3), np.uint8),
    "kind": "fog",
    "severity": 1,
    "rng": np.random.default_rng(0),
}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "rain"}, "unknown corruption 'rain'; the kinds are gaussian_noise, .*, saturate"),
        ({"severity": 0}, "severity 0 of fog is not one of 1, 2, 3, 4, 5"),
        ({"severity": 6}, "severity 6 of fog"),
        ({"severity": 2.0}, "severity 2.0 of fog"),
        ({"images": np.zeros((2, 8, 8, 3))}, "uint8 grey levels, not float64; convert to 0..255"),
        ({"images": [[[[0]]]]}, "fog takes a numpy array of uint8 grey levels, not list"),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, r"\(N, H, W, C\) with C = 1 or 3, not \(8, 8, 3\)"),
        ({"images": np.zeros((2, 3, 8, 8), np.uint8)}, r"not \(2, 3, 8, 8\)"),
        ({"images": np.zeros((2, 0, 8, 3), np.uint8)}, r"not \(2, 0, 8, 3\)"),
        (
            {"images": np.zeros((2, 8, 8, 1), np.uint8), "kind": "saturate"},
            "these images are grey; leave it out",
        ),
        ({"rng": 0}, r"rng is 0, not a numpy generator; pass numpy.random.default_rng\(seed\)"),
    ],
)
def test_errors(fault: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        corrupt(**(GOOD | fault))


# The test set, official or synthesised


@pytest.fixture
def cifar(photographs: np.ndarray) -> Dataset:
    """The photographs as test images of CIFAR-10, with labels 0 … 9 in turn."""
    images = torch.from_numpy(photographs).permute(0, 3, 1, 2).contiguous()
    labels = torch.arange(len(images)) % 10
    scale = (0.5, 0.5, 0.5)
    return Dataset("cifar10", images, labels, images, labels, 10, scale, scale, "npz:cifar10.npz", (60, 60))


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Make a folder of image sets with 80 foggy images in the published form; image i has grey level i."""
    monkeypatch.setattr(official, "PER_SEVERITY", 80)
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    images = np.broadcast_to(np.arange(400) % 256, (32, 32, 3, 400)).astype(np.uint8).transpose(3, 0, 1, 2).copy()
    images[..., 1] = 7
    np.save(folder / "fog.npy", images)
    np.save(folder / "labels.npy", (np.arange(400) % 80 % 10).astype(np.uint8))
    return tmp_path


def test_official_images_are_taken_where_they_are(cifar: Dataset, published) -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    images, labels, source = corrupted_test_set(cifar, "fog", 3, rng, root=published)
    assert source == "CIFAR-10-C"
    assert images.shape == cifar.test_images.shape
    assert images.dtype == torch.uint8
    assert images[:, 0, 5, 9].tolist() == [(160 + i) % 256 for i in range(60)]
    assert (images[:, 1] == 7).all()
    assert torch.equal(labels, cifar.test_labels)
    assert rng.bit_generator.state == state
    images.zero_()  # a copy that may be written to


@pytest.mark.parametrize("kind", ["fog", "contrast"])
def test_images_are_synthesised_where_there_are_no_official_ones(cifar: Dataset, kind: str, tmp_path) -> None:
    clean = cifar.test_images.clone()
    images, labels, source = corrupted_test_set(cifar, kind, 3, np.random.default_rng(5), root=tmp_path)
    assert source == "synthesised"
    expected = corrupt(clean.permute(0, 2, 3, 1).contiguous().numpy(), kind, 3, np.random.default_rng(5))
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected)
    assert images.is_contiguous()
    assert torch.equal(labels, cifar.test_labels)
    assert torch.equal(cifar.test_images, clean)


def test_other_data_sets_are_always_synthesised(cifar: Dataset, published) -> None:
    other = dataclasses.replace(cifar, name="cifar100")
    assert corrupted_test_set(other, "fog", 3, np.random.default_rng(0), root=published)[2] == "synthesised"
    grey = dataclasses.replace(other, test_images=other.test_images[:, :1])
    images, _, source = corrupted_test_set(grey, "fog", 3, np.random.default_rng(0), root=published)
    assert source == "synthesised"
    assert images.shape == (60, 1, 32, 32)


@pytest.mark.parametrize("order", [range(59, -1, -1), range(1, 60), [*range(60), *range(60)]])
def test_labels_unlike_those_of_the_official_images_are_refused(cifar: Dataset, published, order) -> None:
    moved = dataclasses.replace(
        cifar, test_images=cifar.test_images[list(order)], test_labels=cifar.test_labels[list(order)]
    )
    with pytest.raises(
        DataError,
        match=rf"the {len(order)} test labels of cifar10 \(npz:cifar10.npz\) are not the first {len(order)} of "
        "CIFAR-10-C, .*; give the test images of CIFAR-10 in their published order, or synthesise",
    ):
        corrupted_test_set(moved, "fog", 3, np.random.default_rng(0), root=published)


def test_half_an_official_folder_is_refused(cifar: Dataset, published) -> None:
    with pytest.raises(DataError, match=r"snow\.npy is missing"):
        corrupted_test_set(cifar, "snow", 1, np.random.default_rng(0), root=published)


@pytest.mark.parametrize(
    ("fault", "message"), [({"kind": "rain"}, "unknown corruption 'rain'"), ({"rng": 0}, "rng is 0, not a numpy")]
)
def test_errors_are_those_of_corrupt_with_official_images_too(cifar: Dataset, published, fault, message) -> None:
    with pytest.raises(DataError, match=message):
        corrupted_test_set(
            **({"dataset": cifar, "kind": "fog", "severity": 1, "rng": GOOD["rng"]} | fault), root=published
        )
