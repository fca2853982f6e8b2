"""Images, labels and lists as a composite grid is given them."""

import re

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.inputs import class_labels, grey_levels, several

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
        pytest.param(np.full((1, 3, 2, 2), "x"), "images of type <U1 are no tensor or array of numbers", id="text"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        grey_levels(images, 3)


@pytest.mark.parametrize("labels", [[0, 2], np.array([0, 2], np.uint8), torch.tensor([0, 2])])
def test_labels_become_int64(labels):
    found = class_labels(labels, 2, 3)
    assert found.dtype == torch.int64
    assert found.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "one integer label an image, found torch.int64 of shape (3,) for 2 images"),
        ([[0], [1]], "of shape (2, 1) for 2 images"),
        ([0.0, 1.0], "found torch.float64"),
        ([True, False], "found torch.bool"),
        ([0, 3], "labels run from 0 to 3; the 3 classes are 0 to 2"),
        ([-1, 0], "labels run from -1 to 0"),
        (["cat", "dog"], "labels of type <U3 are no tensor or array of numbers"),
    ],
)
def test_labels_of_another_form_are_refused(labels, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        class_labels(labels, 2, 3)


@pytest.mark.parametrize(
    ("values", "listed"),
    [
        (28, [28]),
        (np.int64(28), [28]),
        ("stem", ["stem"]),
        ([1, 2], [1, 2]),
        (("stem", "trunk"), ["stem", "trunk"]),
        (range(2), [0, 1]),
        (np.array([3, 1]), [3, 1]),
        (np.array(3), [3]),
    ],
)
def test_one_value_is_a_list_of_it(values, listed):
    found = several(values)
    assert found == listed
    assert all(type(value) in (int, str, np.int64) for value in found)
