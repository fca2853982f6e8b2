"""Real composites and displaced networks of one pair of epochs, step by step, and the planted network."""

import numpy as np
import pytest

from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.displacement import MATCHES, displaced, moved
from featdyn_core.records.closeness import Closeness, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.records.planting import IMAGES
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.tests.tiny import tiny_recipe

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""

PARAMETERS = {"shallow": 2, "deep": 4, "draws": 2, "split": "held-out"}


@pytest.fixture(scope="module")
def closeness(tiny_trajectory):
    return read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)


def test_agreement_equals_explicit_composites_and_displacements(tiny_trajectory, closeness):
    images, _ = tiny_trajectory.evaluation_set("held-out")
    reference = predict(tiny_trajectory.network(4), images)
    rng = numpy_generator(tiny_trajectory.seed, "measure", "closeness", 2, 4)

    def agreement(*networks):
        return np.mean([predict(network, images) == reference for network in networks])

    assert closeness.cuts == tiny_trajectory.network(4).depths
    for number, cut in enumerate(closeness.cuts):
        real = agreement(composite(tiny_trajectory, 2, 4, cut, batchnorm="recalibrate"))
        assert closeness.agreement("recalibrated")[number] == real, cut
        for match in MATCHES:
            networks = [displaced(tiny_trajectory, 2, 4, cut, rng, match=match) for _ in range(2)]
            assert closeness.agreement(match)[number] == pytest.approx(agreement(*networks)), f"{match} at {cut}"
            assert closeness.gained(match)[number] == pytest.approx(real - agreement(*networks)), f"{match} at {cut}"
        assert tuple(closeness.moved[number]) == moved(tiny_trajectory, 2, 4, cut), cut


def test_the_planted_direction_is_harmless_unlike_equal_shifts(closeness):
    planted = closeness.planted
    assert planted.planted is None
    assert (planted.agreement("recalibrated") == 1).all()
    for match in MATCHES:
        assert (planted.gained(match) > 0.05).all(), match


def test_all_cuts_are_compared_where_that_is_asked_for(tiny_trajectory):
    parameters = PARAMETERS | {"cuts": "all", "draws": 1}
    found = read(measure(tiny_trajectory, parameters), parameters)
    network, (images, _) = tiny_trajectory.network(4), tiny_trajectory.evaluation_set("held-out")
    assert found.cuts == network.cuts != network.depths
    real = predict(composite(tiny_trajectory, 2, 4, network.cuts[0], batchnorm="recalibrate"), images)
    assert (found.recalibrated[0] == real).all()


@pytest.mark.parametrize("gained", [-0.2, 0.0, 0.3])
def test_the_real_direction_adds_as_much_as_requested(gained):
    found = Closeness.planted_gain(gained, known=0.4)
    for match in ("angle", "distance"):
        assert found.gained(match) == pytest.approx(np.full(3, gained), abs=2 * GRAIN)
        assert found.planted.gained(match) == pytest.approx(np.full(3, 0.4), abs=2 * GRAIN)
    assert found.planted.planted is None


def test_what_the_real_direction_adds_may_differ_by_depth():
    found = Closeness.planted_gain([0.1, -0.2, 0.3], known=[0.4, 0.3, 0.2])
    assert found.gained("angle") == pytest.approx(np.array([0.1, -0.2, 0.3]), abs=2 * GRAIN)
    assert found.planted.gained("angle") == pytest.approx(np.array([0.4, 0.3, 0.2]), abs=2 * GRAIN)


@pytest.mark.parametrize(("deep", "ends"), [("last", (1, 3)), ("first", (3, 1))])
def test_the_two_ends_of_a_window_are_compared(deep, ends):
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3)}, {"draws": 2}, images=20)
    found = resolve(Options("late", deep=deep), scope)[""]
    assert (found["shallow"], found["deep"]) == ends
