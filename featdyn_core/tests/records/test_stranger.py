"""A stranger's shallow part under a network's own deep part, step by step."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.measures.composites.composite import joined, predict
from featdyn_core.records.planting import IMAGES
from featdyn_core.records.stranger import Stranger, measure, read

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""

PARAMETERS = {"deep": 2, "split": "held-out", "partner": 1}
CHANCE = 0.5  # networks of ten classes that know nothing of each other agree less often than this


@pytest.fixture(scope="module")
def partner(tiny_trajectory):
    """Return a network of the same form whose first features are negated and in another order."""

    def shuffled(epoch):
        state = {name: value.clone() for name, value in tiny_trajectory.state(epoch).items()}
        first = next(name for name, value in state.items() if value.ndim == 4)
        state[first] = -state[first].flip(0)
        return state

    return dataclasses.replace(tiny_trajectory, seed=1, load=shuffled)


def measured(trajectory, partner):
    return read(measure(trajectory, PARAMETERS, partner), PARAMETERS)


def test_composites_use_the_partner_with_statistics_re_estimated(tiny_trajectory, partner):
    found = measured(tiny_trajectory, partner)
    images, labels = tiny_trajectory.evaluation_set("held-out")
    reference = predict(tiny_trajectory.network(2), images)
    assert found.cuts == tiny_trajectory.network(2).depths
    assert (found.labels == labels.numpy()).all()
    assert (found.reference == reference).all()
    for number, cut in enumerate(found.cuts):
        network = joined(tiny_trajectory, partner.state(2), 2, cut, batchnorm="recalibrate")
        assert (found.predictions[number] == predict(network, images)).all(), cut
        assert found.agreement[number] == np.mean(found.predictions[number] == reference), cut


def test_a_stranger_does_not_agree_and_oneself_does(tiny_trajectory, partner):
    stranger, oneself = measured(tiny_trajectory, partner), measured(tiny_trajectory, tiny_trajectory)
    assert (stranger.agreement < CHANCE).all()
    assert (oneself.agreement > stranger.agreement).all()


def test_the_split_is_that_which_was_asked_for(tiny_trajectory, partner):
    parameters = PARAMETERS | {"split": "training"}
    found = read(measure(tiny_trajectory, parameters, partner), parameters)
    images, _ = tiny_trajectory.evaluation_set("training")
    assert (found.reference == predict(tiny_trajectory.network(2), images)).all()


def test_all_cuts_are_taken_where_that_is_asked_for(tiny_trajectory, partner):
    parameters = PARAMETERS | {"cuts": "all"}
    found = read(measure(tiny_trajectory, parameters, partner), parameters)
    assert found.cuts == tiny_trajectory.network(2).cuts
    assert (found.predictions[1:] == measured(tiny_trajectory, partner).predictions).all()


@pytest.mark.parametrize("agreement", [0.0, 0.1, 1.0])
def test_a_stranger_agrees_as_often_as_requested(agreement):
    assert Stranger.planted(agreement).agreement == pytest.approx(np.full(3, agreement), abs=GRAIN)


def test_a_stranger_may_agree_otherwise_at_each_depth():
    assert Stranger.planted([0.1, 0.2, 0.4]).agreement == pytest.approx([0.1, 0.2, 0.4], abs=GRAIN)
