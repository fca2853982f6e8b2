"""Features of images at epochs of their own, against the networks themselves."""

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.measures.distances import features as module
from featdyn_core.measures.distances.features import classes_at, features_at

CLOSE = 1e-5
"""Between two sizes of a batch; relative to features of size 1."""


@pytest.fixture
def images(tiny_trajectory):
    return tiny_trajectory.evaluation_set("held-out")[0][:12]


def shallow(trajectory, images, epoch, cut):
    with torch.no_grad():
        return trajectory.network(epoch).shallow(images, cut)


@pytest.mark.parametrize("batch", [256, 3])
def test_each_image_has_the_features_of_its_epoch(tiny_trajectory, images, monkeypatch, batch):
    monkeypatch.setattr(module, "BATCH", batch)
    epochs = np.array([4, 0, 2] * 4)
    for cut in tiny_trajectory.network(4).depths:
        found = features_at(tiny_trajectory, images, epochs, cut)
        for epoch in (0, 2, 4):
            expected = shallow(tiny_trajectory, images, epoch, cut)
            torch.testing.assert_close(found[epochs == epoch], expected[epochs == epoch], rtol=CLOSE, atol=CLOSE)


def test_one_epoch_is_that_of_all_images(tiny_trajectory, images):
    cut = tiny_trajectory.network(4).depths[0]
    found = features_at(tiny_trajectory, images, 2, cut)
    torch.testing.assert_close(found, shallow(tiny_trajectory, images, 2, cut), rtol=CLOSE, atol=CLOSE)


def test_a_deep_part_after_its_own_shallow_part_is_the_network(tiny_trajectory, images):
    with torch.no_grad():
        expected = tiny_trajectory.network(2)(images).argmax(1).numpy()
    for cut in tiny_trajectory.network(2).depths:
        features = features_at(tiny_trajectory, images, 2, cut)
        assert (classes_at(tiny_trajectory, features, 2, cut) == expected).all(), cut


def test_dropout_is_off(tiny_perceptron):
    images = tiny_perceptron.evaluation_set("held-out")[0][:5]
    cut = tiny_perceptron.network(4).depths[-1]
    assert torch.equal(*(features_at(tiny_perceptron, images, 4, cut) for _ in range(2)))


def test_what_is_not_there_is_named(tiny_trajectory, images):
    with pytest.raises(MeasurementError, match="no checkpoint at epoch 3"):
        features_at(tiny_trajectory, images, 3, "stage1_block1")
    with pytest.raises(ModelError, match="no cut 'stage9'"):
        features_at(tiny_trajectory, images, 2, "stage9")
