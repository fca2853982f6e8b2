"""The record of a linearised network against its training written out, and what claims read from it."""

import numpy as np
import pytest

from featdyn_core.analysis.monotonicity import largest_rise_in_deep_time
from featdyn_core.measures.linearized.descent import LinearizedNetwork
from featdyn_core.records.linearised import Linearised, measure, read

PARAMETERS = {"images": 12, "steps": 6, "every": 2, "frozen_from": 4}
ROUNDING = 1e-9  # of losses in double precision


@pytest.fixture(scope="module")
def record(tiny_perceptron):
    return read(measure(tiny_perceptron, PARAMETERS), PARAMETERS)


def test_each_row_is_the_training_linearised_at_its_cut(tiny_perceptron, record):
    images, labels = (part[:12] for part in tiny_perceptron.training_set())
    assert record.cuts == tiny_perceptron.network(0).depths
    assert record.steps.tolist() == [0, 2, 4, 6]
    for number, cut in enumerate(record.cuts):
        network = LinearizedNetwork(tiny_perceptron.network(0), images, cut=cut)
        joint = network.train(labels, steps=6, every=2)
        assert record.losses[number] == pytest.approx(joint.losses, abs=ROUNDING), cut
        assert record.grids[number] == pytest.approx(joint.loss_grid(labels), abs=ROUNDING), cut
        for row, half in enumerate(("shallow", "deep")):
            alone = network.train(labels, steps=4, freeze=half, start=joint.until(4))
            assert record.frozen[number, row] == pytest.approx(alone.losses, abs=ROUNDING), f"{cut}, {half} half frozen"


def test_half_frozen_training_resumes_the_joint_and_never_rises(record):
    assert record.frozen.shape == (len(record.cuts), 2, 5)
    assert record.frozen[:, :, 0] == pytest.approx(np.tile(record.losses[:, 2:3], 2), abs=ROUNDING)
    assert record.frozen_rise < ROUNDING
    assert record.additivity_gap < ROUNDING


def test_a_rise_and_a_gap_are_seen():
    grids = np.array([[[3.0, 2.0], [2.5, 1.0]]])
    record = Linearised(("a",), np.array([0, 1]), grids, np.array([[3.0, 1.25]]), np.array([[[2, 1.5], [1, 1.75]]]))
    assert record.additivity_gap == 0.25
    assert record.frozen_rise == 0.75


def test_a_fall_is_no_rise():
    grids = np.zeros((1, 2, 2))
    record = Linearised(("a",), np.array([0, 1]), grids, np.zeros((1, 2)), np.array([[[2, 1.5], [1, 0.5]]]))
    assert record.frozen_rise == 0.0


def test_planted_rises_are_the_requested_ones():
    per_depth = np.array([0.0, 0.1, 0.2])
    record = Linearised.planted(per_depth, gap=0.5, frozen=per_depth)
    assert [largest_rise_in_deep_time(grid) for grid in record.grids] == pytest.approx(per_depth)
    assert record.frozen_rises == pytest.approx(per_depth)
    assert record.additivity_gap == pytest.approx(0.5)
    assert Linearised.planted().additivity_gap == Linearised.planted().frozen_rise == 0
