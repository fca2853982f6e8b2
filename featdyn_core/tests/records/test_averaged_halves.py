"""Averaged shallow parts and the past at equal distance, written out."""

import numpy as np
import pytest

from featdyn_core.measures.composites.averaging import equally_far
from featdyn_core.measures.composites.composite import predict
from featdyn_core.measures.composites.statistics import reestimated
from featdyn_core.records.averaged_halves import AveragedHalves, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.records.planting import DEPTHS, IMAGES
from featdyn_core.register.register import Window
from featdyn_core.tests.tiny import tiny_recipe

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""

LENGTH = 1e-5  # relative; norms of float32 tensors
PARAMETERS = {"epochs": [1, 2, 4], "split": "held-out"}


@pytest.fixture(scope="module")
def found(tiny_trajectory):
    return read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)


def test_predictions_are_those_of_networks_written_out(tiny_trajectory, found):
    images, _ = tiny_trajectory.evaluation_set("held-out")
    assert found.cuts == tiny_trajectory.network(4).depths
    assert (found.reference == predict(tiny_trajectory.network(4), images)).all()
    for number, cut in enumerate(found.cuts):
        both = equally_far(tiny_trajectory, [1, 2, 4], cut)
        assert (found.average[number] == predict(both.average, images)).all(), cut
        assert (found.composite[number] == predict(both.past, images)).all(), cut
        assert (found.epochs[number], tuple(found.distances[number])) == (both.epoch, both.distances), cut
    again = reestimated(tiny_trajectory.network(4), tiny_trajectory)
    assert (found.again == predict(again, images)).all()
    assert found.images == len(images)
    assert found.calibrated == 1


def test_both_are_equally_far_at_every_depth(found):
    assert found.distances[:, 0] == pytest.approx(found.distances[:, 1], rel=LENGTH)


def test_the_difference_is_that_of_agreements(found):
    difference = (found.average == found.reference).mean(axis=1) - (found.composite == found.reference).mean(axis=1)
    assert (found.difference == difference).all()
    assert (found.agreement("average") < 1).all()
    assert found.agreement("again").shape == ()


def test_all_cuts_are_averaged_before_where_that_is_asked_for(tiny_trajectory, found):
    everywhere = read(measure(tiny_trajectory, PARAMETERS | {"cuts": "all"}), PARAMETERS)
    assert everywhere.cuts == tiny_trajectory.network(4).cuts
    assert (everywhere.average[1:] == found.average).all()


def test_the_epochs_are_those_of_the_window():
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3)}, {}, images=20)
    assert resolve(Options("late"), scope) == {"": {"epochs": [1, 2, 3], "images": 20, "split": "held-out"}}


@pytest.mark.parametrize("difference", [0.0, -0.05, [0.01, -0.01, 0.1]])
def test_averages_differ_as_much_as_requested(difference):
    found = AveragedHalves.planted(difference, composite=[0.9, 0.8, 0.7], again=0.99)
    assert found.cuts == DEPTHS
    assert found.difference == pytest.approx(np.broadcast_to(difference, 3), abs=2 * GRAIN)
    assert found.agreement("composite") == pytest.approx(np.array([0.9, 0.8, 0.7]), abs=GRAIN)
    assert found.agreement("again") == pytest.approx(0.99, abs=GRAIN)
