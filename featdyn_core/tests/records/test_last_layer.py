"""Features and the last layer say what the networks themselves say."""

import dataclasses

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.records.last_layer import LastLayer, measure, read

PARAMETERS = {"epochs": [1, 2, 4], "split": "held-out"}


def measured(trajectory, **changes):
    parameters = PARAMETERS | changes
    return read(measure(trajectory, parameters), parameters)


@pytest.fixture(params=["tiny_trajectory", "tiny_perceptron"])
def trajectory(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("split", ["held-out", "training"])
def test_points_are_what_the_last_layer_reads_of_each_epoch(trajectory, split):
    images, labels = trajectory.evaluation_set(split)
    found = measured(trajectory, split=split)
    assert found.epochs.tolist() == [1, 2, 4]
    assert (found.labels == labels.numpy()).all()
    for epoch, points in zip(found.epochs, found.points, strict=True):
        network = trajectory.network(epoch)
        with torch.no_grad():
            expected = network.head.pool(network.shallow(images, network.cuts[-1])).numpy()
        assert points == pytest.approx(expected, rel=2**-11, abs=1e-7), f"epoch {epoch}"
    head = trajectory.network(4).head.linear
    assert (found.weight == head.weight.detach().numpy()).all()
    assert (found.bias == head.bias.detach().numpy()).all()


def test_classes_are_those_of_composites_at_the_deepest_cut(trajectory):
    found = measured(trajectory)
    images, _ = trajectory.evaluation_set("held-out")
    cut = trajectory.network(4).cuts[-1]
    reference = predict(trajectory.network(4), images)
    rounded = 2 / len(images)  # of points near a border
    assert np.mean(found.classes(found.last) != reference) <= rounded
    for epoch, points in zip(found.epochs, found.points, strict=True):
        agreement = np.mean(predict(composite(trajectory, epoch, 4, cut), images) == reference)
        assert found.share_inside(points) == pytest.approx(agreement, abs=2 * rounded), f"epoch {epoch}"


def test_the_last_features_are_inside_and_other_images_are_not():
    points = np.array([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 1.0], [1.0, 2.0]]])
    found = LastLayer(np.array([1, 2]), points, np.eye(2), np.zeros(2), np.array([0, 1]))
    assert found.classes(found.last).tolist() == [0, 1]
    assert found.share_inside(found.last) == found.share_inside(found.past) == 1
    assert found.count == 2
    assert found.share_inside(found.past[:, ::-1]) == 0
    assert found.share_inside(np.stack([found.last, found.last[::-1]])) == 0.5


def test_room_is_the_distance_of_the_nearest_border():
    points = np.array([[[0.0, 0.0]] * 2, [[3.0, 1.0], [1.0, 5.0]]])  # past, and last
    layer = LastLayer(np.arange(2), points, np.eye(2), np.zeros(2), np.array([0, 1]))
    assert layer.room == pytest.approx(np.array([2, 4]) / np.sqrt(2))
    alike = dataclasses.replace(layer, weight=np.ones((2, 2)), bias=np.array([0.0, 1.0]))
    assert alike.room.tolist() == [np.inf, np.inf]  # one class leads everywhere


def test_a_bias_moves_the_border():
    points = np.array([[[1.0, 0.0]]])
    found = LastLayer(np.array([1]), points, np.eye(2), np.array([0.0, 2.0]), np.array([0]))
    assert found.classes(points).tolist() == [[1]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_features_that_half_precision_cannot_hold_are_refused(tiny_perceptron, value):
    def broken(epoch):
        state = dict(tiny_perceptron.state(epoch))
        name = next(name for name in state if name.startswith("blocks.hidden2") and name.endswith("bias"))
        return state | {name: torch.full_like(state[name], value)}

    with pytest.raises(MeasurementError, match="not finite, or beyond half precision"):
        measured(dataclasses.replace(tiny_perceptron, load=broken))


def test_a_frozen_network_has_the_features_of_its_last_epoch(trajectory):
    found = measured(trajectory)
    frozen = measured(trajectory.frozen_at(4))
    assert not np.array_equal(found.points, found.still.points)
    assert np.array_equal(found.still.points, frozen.points)
    assert (found.still.reference == found.reference).all()
    assert found.still.share_inside(found.still.past) == 1
