"""Averages of shallow parts, and the past at the same distance."""

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.measures.composites.averaging import equally_far
from featdyn_core.measures.composites.displacement import moved, shallow_vector

EPOCHS = (0, 1, 2, 4)
LENGTH = 1e-5  # relative; norms of float32 tensors


@pytest.fixture(scope="module", params=[0, 1, 2])
def depth(request, tiny_trajectory):
    """Each of the paper's depths."""
    return tiny_trajectory.network(4).depths[request.param]


def halves(trajectory, depth, epochs=EPOCHS):
    network = trajectory.network(epochs[-1])
    return torch.stack([shallow_vector(network, trajectory.state(epoch), depth) for epoch in epochs])


def vector(network, depth):
    return shallow_vector(network, network.state_dict(), depth)


def test_the_average_is_the_mean_of_the_halves(tiny_trajectory, depth):
    found = equally_far(tiny_trajectory, EPOCHS, depth)
    assert torch.allclose(vector(found.average, depth), halves(tiny_trajectory, depth).mean(dim=0), atol=1e-6)


def test_both_are_equally_far(tiny_trajectory, depth):
    found, rows = equally_far(tiny_trajectory, EPOCHS, depth), halves(tiny_trajectory, depth)
    for network, distance in zip((found.average, found.past), found.distances, strict=True):
        assert float((vector(network, depth) - rows[-1]).norm() / rows[-1].norm()) == pytest.approx(distance)
    assert found.distances[0] == pytest.approx(found.distances[1], rel=LENGTH)
    assert found.distances[0] > 0.1


def test_the_past_lies_between_checkpoints_as_its_epoch_says(tiny_trajectory, depth):
    found, rows = equally_far(tiny_trajectory, EPOCHS, depth), halves(tiny_trajectory, depth)
    assert 0 < found.epoch < 4
    place = np.interp(found.epoch, EPOCHS, range(4))
    before, part = int(place), place - int(place)
    expected = rows[before] + part * (rows[before + 1] - rows[before])
    assert torch.allclose(vector(found.past, depth), expected, atol=1e-5)
    later = [moved(tiny_trajectory, epoch, 4, depth)[0] for epoch in EPOCHS if epoch > found.epoch]
    assert all(distance < found.distances[1] for distance in later)  # it is the first such place, going back


def test_half_way_between_two_checkpoints_both_are_the_same(tiny_trajectory, depth):
    found = equally_far(tiny_trajectory, (2, 4), depth)
    assert found.epoch == pytest.approx(3)
    assert torch.allclose(vector(found.average, depth), vector(found.past, depth), atol=1e-6)


def test_where_nothing_moves_both_are_the_network(tiny_trajectory, depth):
    found = equally_far(tiny_trajectory.frozen_at(4), EPOCHS, depth)
    assert (found.epoch, found.distances) == (4, (0, 0))
    assert torch.equal(vector(found.past, depth), halves(tiny_trajectory, depth)[-1])


def test_the_deep_half_is_that_of_t_and_all_statistics_are_new(tiny_trajectory, depth):
    found, start = equally_far(tiny_trajectory, EPOCHS, depth), tiny_trajectory.network(4)
    for network in (found.average, found.past):
        assert not network.training
        for name, parameter in network.named_parameters():
            assert network.in_shallow_part(name, depth) != torch.equal(parameter, start.get_parameter(name)), name
        means = [name for name, _ in network.named_buffers() if name.endswith("running_mean")]
        assert means
        assert not any(torch.equal(network.get_buffer(name), start.get_buffer(name)) for name in means)


def test_what_is_not_there_is_refused(tiny_trajectory):
    with pytest.raises(MeasurementError, match="no checkpoint at epoch 3"):
        equally_far(tiny_trajectory, (3, 4), "stem")
    with pytest.raises(ModelError, match="has no cut 'nowhere'"):
        equally_far(tiny_trajectory, (2, 4), "nowhere")
