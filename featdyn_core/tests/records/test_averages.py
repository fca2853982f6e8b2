"""Averages of weights, written out."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from featdyn_core.measures.composites.composite import predict
from featdyn_core.measures.composites.statistics import reestimate, statistics_images
from featdyn_core.records.averages import Averages, averaged, measure, read
from featdyn_core.records.planting import IMAGES

PARAMETERS = {"epochs": [1, 2, 4], "split": "held-out", "partner": 1}


def written_out(trajectory, states):
    network = copy.deepcopy(trajectory.network(0))
    network.load_state_dict({name: sum(state[name] for state in states) / len(states) for name in states[0]})
    size = trajectory.recipe.training.batch_size
    reestimate(network.eval(), statistics_images(trajectory), list(network.blocks), size)
    return network


def test_predictions_are_those_of_averages_written_out(tiny_trajectory):
    partner = dataclasses.replace(tiny_trajectory, seed=1, load=lambda _: tiny_trajectory.state(0))
    found = read(measure(tiny_trajectory, PARAMETERS, partner), PARAMETERS)
    images, labels = tiny_trajectory.evaluation_set("held-out")
    states = {epoch: tiny_trajectory.state(epoch) for epoch in (0, 1, 2, 4)}
    expected = {
        "window": [states[1], states[2], states[4]],
        "stranger": [states[0], states[4]],
    }
    for name, parts in expected.items():
        assert np.array_equal(getattr(found, name), predict(written_out(tiny_trajectory, parts), images)), name
    for row, epoch in enumerate((1, 2, 4)):
        network = written_out(tiny_trajectory, [states[epoch], states[4]])
        assert np.array_equal(found.midpoints[row], predict(network, images)), f"midpoint of epoch {epoch}"
    reference = predict(tiny_trajectory.network(4), images)
    assert np.array_equal(found.reference, reference)
    assert found.epochs.tolist() == [1, 2, 4]
    assert found.agreement("window") == (found.window == reference).mean() < 1
    assert found.agreement("midpoints").shape == (3,)
    gained = (found.window == labels.numpy()).mean() - (reference == labels.numpy()).mean()
    assert found.accuracy_gained == gained


def test_average_of_one_state_with_itself_keeps_its_parameters(tiny_trajectory):
    state = tiny_trajectory.state(2)
    network = averaged(tiny_trajectory, [state, state])
    assert not network.training
    assert all(torch.equal(parameter, state[name]) for name, parameter in network.named_parameters())


def test_planted_averages_agree_as_often_as_requested():
    found = Averages.planted(window=0.98, stranger=0.3)
    assert found.agreement("window") == pytest.approx(0.98, abs=0.5 / IMAGES)
    assert found.agreement("stranger") == pytest.approx(0.3, abs=0.5 / IMAGES)
    assert found.agreement("midpoints") == pytest.approx([0.98], abs=0.5 / IMAGES)
    assert found.accuracy_gained == pytest.approx(-0.02, abs=0.5 / IMAGES)
