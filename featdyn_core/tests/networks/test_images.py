"""Images in the form that networks take, in every public function with images."""

import re

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.measures.distances.features import features_at
from featdyn_core.measures.linearized.descent import LinearizedNetwork, linearized_trajectory
from featdyn_core.measures.linearized.real import real_descent
from featdyn_core.measures.one_step.protocol import full_batch_change, one_step_changes, parameter_noise_changes
from featdyn_core.networks.images import grey_levels, images_for

IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64])
def test_images_of_any_number_type_are_taken_as_they_are(kind):
    array = IMAGES.astype(kind)
    for given in (array, torch.from_numpy(array), array.tolist(), array[:, :, ::-1][:, :, ::-1]):
        found = grey_levels(given, 3)
        assert np.array_equal(found.numpy(), IMAGES), type(given)
    assert grey_levels(array, 3).numpy().dtype == kind


def test_dark_images_of_whole_numbers_are_grey_levels():
    assert grey_levels(np.ones((2, 1, 4, 4), np.uint8), 1).max() == 1
    assert grey_levels(np.ones((2, 1, 4, 4), np.int64), 1).max() == 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        pytest.param(IMAGES / 255, "values from 0 to 0.466667, not grey levels 0..255; multiply by 255", id="unit"),
        pytest.param(IMAGES - 60.0, "values from -60 to 59; networks take grey levels 0..255", id="standardised"),
        pytest.param(IMAGES * 3.0, "values from 0 to 357", id="above white"),
        pytest.param(np.where(IMAGES == 7, np.nan, IMAGES), "values from nan to nan", id="nan"),
        pytest.param(IMAGES.transpose(0, 2, 3, 1), "shape (2, 4, 5, 3); this network takes (N, 3, H, W)", id="last"),
        pytest.param(IMAGES[0], "shape (3, 4, 5); this network takes (N, 3, H, W)", id="one image"),
        pytest.param(np.full((1, 3, 2, 2), "x"), "images of type <U1 are not a tensor or array of numbers", id="text"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        grey_levels(images, 3)


CUT, RATE = "hidden1", {"learning_rate": 0.1}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


TAKES_IMAGES = {
    "composite_grid": lambda t, x: composite_grid(t, x, cuts=CUT, shallow_epochs=0, deep_epochs=1).predictions,
    "one_step_changes": lambda t, x: one_step_changes(t, 1, x, updates=2, cut=CUT, rng=rng()),
    "full_batch_change": lambda t, x: full_batch_change(t, 1, x, cut=CUT, rng=rng()),
    "parameter_noise_changes": lambda t, x: parameter_noise_changes(t, 1, x, updates=2, cut=CUT, rng=rng()),
    "features_at": lambda t, x: features_at(t, x, 1, CUT),
    "LinearizedNetwork": lambda t, x: LinearizedNetwork(t.network(1), x, cut=CUT).initial,
    "linearized_trajectory": lambda t, x: linearized_trajectory(t.network(1), x, [0] * 4, cut=CUT, steps=1).losses,
    "real_descent": lambda t, x: real_descent(t.network(1), x, [0] * 4, cut=CUT, steps=1, **RATE).losses,
}


@pytest.fixture
def seen(tiny_perceptron):
    return tiny_perceptron.evaluation_set("held-out")[0][:4]


@pytest.mark.parametrize("name", TAKES_IMAGES)
def test_every_function_that_takes_images_takes_arrays_of_them(tiny_perceptron, seen, name):
    expected = np.asarray(TAKES_IMAGES[name](tiny_perceptron, seen))
    for images in (seen.numpy(), seen.tolist(), seen.int()):
        assert np.array_equal(np.asarray(TAKES_IMAGES[name](tiny_perceptron, images)), expected)


NO_IMAGES = {
    "from 0 to 1": (lambda seen: seen / 255, "not grey levels 0..255; multiply by 255"),
    "standardised": (lambda seen: (seen - 127.0) / 60, "networks take grey levels 0..255"),
    "three channels": (
        lambda seen: seen.expand(-1, 3, -1, -1),
        "images have shape|cannot take images \\(3, 8, 8",
    ),
    "one image": (lambda seen: seen[0], "images have shape"),
    "none": (lambda seen: seen[:0], "at least (1 sample|one image)"),
    "text": (lambda _: ["a.png"], "images of type <U5 are not a tensor or array of numbers"),
}


@pytest.mark.parametrize("name", TAKES_IMAGES)
@pytest.mark.parametrize("case", NO_IMAGES)
def test_every_function_that_takes_images_refuses_others(tiny_perceptron, seen, name, case):
    spoil, message = NO_IMAGES[case]
    with pytest.raises(MeasurementError, match=message):
        TAKES_IMAGES[name](tiny_perceptron, spoil(seen))


def test_channels_are_those_of_the_network(tiny_perceptron):
    network = tiny_perceptron.network(1)
    network.standardize.shift = torch.zeros(3, 1, 1)
    with pytest.raises(MeasurementError, match=r"this network takes \(N, 3, H, W\)"):
        images_for(network, np.zeros((2, 1, 8, 8), np.uint8))
