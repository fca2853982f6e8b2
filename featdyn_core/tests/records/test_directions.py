"""Shallow parts moved along the mirrored drift and along the drift of another period, step by step."""

import numpy as np
import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.displacement import mirrored, moved_as_between, reestimated_before
from featdyn_core.records import closeness
from featdyn_core.records.directions import Directions, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.records.planting import DEPTHS, IMAGES
from featdyn_core.register.register import Window
from featdyn_core.tests.tiny import tiny_recipe

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""

PARAMETERS = {"shallow": 1, "deep": 4, "period": [0, 1], "split": "held-out"}


@pytest.fixture(scope="module")
def found(tiny_trajectory):
    return read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)


MADE = {
    "composite": lambda of, cut: composite(of, 1, 4, cut, batchnorm="recalibrate"),
    "mirrored": lambda of, cut: mirrored(of, 1, 4, cut),
    "mirrored_angle": lambda of, cut: mirrored(of, 1, 4, cut, match="angle"),
    "other": lambda of, cut: moved_as_between(of, 1, 4, cut, (0, 1)),
    "other_angle": lambda of, cut: moved_as_between(of, 1, 4, cut, (0, 1), match="angle"),
    "before": lambda of, cut: reestimated_before(of, 4, cut),
    "behind": lambda of, cut: composite(of, 4, 4, cut, batchnorm="recalibrate"),
}


@pytest.mark.parametrize("name", MADE)
def test_predictions_are_those_of_networks_written_out(tiny_trajectory, found, name):
    images, _ = tiny_trajectory.evaluation_set("held-out")
    reference = predict(tiny_trajectory.network(4), images)
    assert (found.reference == reference).all()
    assert found.cuts == tiny_trajectory.network(4).depths
    for number, cut in enumerate(found.cuts):
        predicted = predict(MADE[name](tiny_trajectory, cut), images)
        assert (getattr(found, name)[number] == predicted).all(), cut
        assert found.agreement(name)[number] == (predicted == reference).mean(), cut
    assert (found.gained(name) == found.agreement("composite") - found.agreement(name)).all()
    assert (found.images, found.period) == (len(images), (0, 1))


def test_the_composite_is_that_of_closeness(tiny_trajectory, found):
    parameters = {"shallow": 1, "deep": 4, "draws": 1, "split": "held-out"}
    other = closeness.read(closeness.measure(tiny_trajectory, parameters), parameters)
    assert (found.composite == other.recalibrated).all()


def test_all_cuts_are_compared_where_that_is_asked_for(tiny_trajectory, found):
    everywhere = read(measure(tiny_trajectory, PARAMETERS | {"cuts": "all"}), PARAMETERS)
    assert everywhere.cuts == tiny_trajectory.network(4).cuts
    assert (everywhere.mirrored[1:] == found.mirrored).all()


def resolved(first, last, **options):
    """Return the parameters over a window of a training with checkpoints at the epochs 0 to 3."""
    scope = Scope(tiny_recipe(), 0, 1, {"far": Window(first, last)}, {}, images=20)
    return resolve(Options("far", **options), scope)[""]


@pytest.mark.parametrize(
    ("window", "deep", "ends", "period"),
    [
        ((2, 3), "last", (2, 3), [1, 2]),  # as long as the window
        ((1, 3), "last", (1, 3), [0, 1]),  # as long as there is
        ((1, 3), "first", (3, 1), [1, 0]),  # the drift continues, as in transfer
    ],
)
def test_the_other_period_is_the_one_before_the_window(window, deep, ends, period):
    found = resolved(*window, deep=deep)
    assert (found["shallow"], found["deep"], found["period"]) == (*ends, period)


def test_a_window_with_nothing_before_it_is_refused():
    with pytest.raises(RecipeError, match="window 'far' begins at the first checkpoint"):
        resolved(0, 3)


def test_what_is_planted_agrees_as_requested():
    found = Directions.planted([0.9, 0.8, 0.7], mirrored=0.6, other=[0.5, 0.4, 0.3], before=0.99)
    assert found.cuts == DEPTHS
    assert found.gained("mirrored") == pytest.approx(np.array([0.3, 0.2, 0.1]), abs=2 * GRAIN)
    assert found.gained("other_angle") == pytest.approx(np.full(3, 0.4), abs=2 * GRAIN)
    assert (found.agreement("before").tolist(), found.agreement("behind").tolist()) == ([0.99] * 3, [1.0] * 3)
