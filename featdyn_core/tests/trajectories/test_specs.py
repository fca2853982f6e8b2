"""Labels from a file in a recipe: the fields that name them, and the fields that they go with."""

import dataclasses

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec, LabelSpec

NAMED = LabelSpec(file="labels.npz", column="given", sha256="0" * 64)
IMAGES = DataSpec("cifar10", subset=200)


def test_labels_of_a_file_are_named_by_three_fields():
    assert tiny_recipe(data=IMAGES, labels=NAMED).labels == NAMED
    tiny_recipe(data=DataSpec("own.npz"), labels=NAMED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": ""}, "labels: file, column and sha256 .* give all three"),
        ({"column": ""}, "labels: file, column and sha256 .* give all three"),
        ({"sha256": ""}, "labels: file, column and sha256 .* give all three"),
        ({"file": "data/labels.npz"}, "labels, file: 'data/labels.npz' is not the name .* without its folder"),
        ({"file": "..\\labels.npz"}, "labels, file: .* is not the name"),
        ({"file": "labels.pt"}, "labels, file: 'labels.pt' is not the name of an .npz file"),
        ({"sha256": "0" * 63}, "labels, sha256: .* is not 64 digits from 0 to f; write that of the labels"),
        ({"sha256": "A" * 64}, "labels, sha256: .* is not 64 digits"),
        ({"randomized": 0.4}, "labels: those of 'labels.npz' cannot be randomized or permuted as well"),
        ({"permuted": True}, "labels: those of 'labels.npz' cannot be randomized or permuted as well"),
    ],
)
def test_labels_that_are_not_named_are_refused(changes, message):
    with pytest.raises(RecipeError, match=f"^recipe 'tiny': {message}"):
        tiny_recipe(data=IMAGES, labels=dataclasses.replace(NAMED, **changes))


def test_images_in_an_order_of_their_own_are_refused():
    with pytest.raises(
        RecipeError, match=r"^recipe 'tiny': labels, file: .* cannot follow the images of digits, .*; choose"
    ):
        tiny_recipe(data=DataSpec("digits", subset=200), labels=NAMED)
