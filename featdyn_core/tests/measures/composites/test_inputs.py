"""Labels and lists that are given to a composite grid."""

import re

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.inputs import class_labels, several


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
        (["cat", "dog"], "labels of type <U3 are not a tensor or array of numbers"),
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
