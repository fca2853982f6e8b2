"""Random images against the law that they are drawn from."""

import numpy as np
import pytest
import torch

from featdyn_core.data.random_images import random_images

MANY, FEW = 20_000, 400
GREY_LEVELS = 1.0  # between the moments of this many draws and of their law
ROUNDING = 1 / 12  # variance that rounding to whole grey levels adds


def drawn(images: torch.Tensor) -> torch.Tensor:
    return random_images(images, np.random.default_rng(3))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Many correlated images of 2×2 pixels, far from black and white, with different means."""
    rng = np.random.default_rng(0)
    mixing = np.array([[4, 0, 0, 0], [3, 2, 0, 0], [-2, 1, 3, 0], [0, 0, 0, 5]])
    values = np.array([90, 110, 130, 150]) + rng.uniform(-2, 2, (MANY, 4)) @ mixing.T
    return torch.from_numpy(np.rint(values).astype(np.uint8)).reshape(MANY, 1, 2, 2)


def test_mean_and_covariance_are_those_of_the_images(images):
    """Mean and covariance are those of the law, for any law of the images; few images are drawn from many times."""
    few = images[:FEW]
    found = torch.cat([random_images(few, np.random.default_rng(number)) for number in range(MANY // FEW)])
    flat, wanted = found.flatten(1).double().numpy(), few.flatten(1).double().numpy()
    assert flat.mean(axis=0) == pytest.approx(wanted.mean(axis=0), abs=GREY_LEVELS)
    covariance = np.cov(wanted.T, bias=True) + ROUNDING * np.eye(4)
    assert np.cov(flat.T, bias=True) == pytest.approx(covariance, abs=2 * GREY_LEVELS)


def test_nothing_else_of_the_images_is_left(images):
    """The images are uniform in mixed coordinates and so bounded; a Gaussian law exceeds the bounds."""
    found = drawn(images[:1000])
    assert (found.double() - 150)[:, 0, 1, 1].abs().max() > (images.double() - 150)[:, 0, 1, 1].abs().max() + 1


def test_constant_pixels_stay_constant_where_images_are_few():
    few = torch.randint(60, 190, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    few[:, 1] = 7
    found = drawn(few)
    assert (found.shape, found.dtype) == (few.shape, torch.uint8)
    assert (found[:, 1] == 7).all()
    assert (found[:, 0] != few[:, 0]).any()


def test_the_generator_decides_and_images_are_left_as_they_are(images):
    few = images[:20]
    before = few.clone()
    assert torch.equal(drawn(few), drawn(few))
    assert not torch.equal(drawn(few), random_images(few, np.random.default_rng(4)))
    assert torch.equal(few, before)


def test_values_are_clipped_to_grey_levels():
    found = drawn(torch.tensor([0, 255], dtype=torch.uint8).repeat(50).reshape(100, 1, 1, 1))
    assert found.min() == 0
    assert found.max() == 255
