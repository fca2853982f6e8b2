"""The log of a training, and the fall of its loss."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError
from featdyn_core.records.log import TrainingLog, measure, read
from featdyn_core.trajectories.trajectory import EpochRecord


@pytest.fixture
def falling() -> TrainingLog:
    """Losses 3, 2, 1.5, 1 and 1.2."""
    return TrainingLog(np.arange(1, 6), np.array([3, 2, 1.5, 1, 1.2]), np.ones(5), np.ones(5))


def test_the_log_is_that_of_the_trained_epochs(tiny_trajectory):
    records = tuple(EpochRecord(epoch, 2.0 - epoch, epoch / 4, 0.1 * epoch, None, 1.0) for epoch in range(4))
    trajectory = dataclasses.replace(tiny_trajectory, log=records)
    found = read(measure(trajectory, {}), {})
    assert found.epochs.tolist() == [1, 2, 3]
    assert found.loss.tolist() == [1.0, 0.0, -1.0]
    assert found.accuracy.tolist() == [0.25, 0.5, 0.75]
    assert found.learning_rate == pytest.approx([0.1, 0.2, 0.3])


def test_a_fall_is_a_share_of_the_fall_up_to_the_window_end(falling):
    assert falling.fall(2, 4) == pytest.approx((2 - 1) / (3 - 1))
    assert falling.fall(3, 5) == pytest.approx((1.5 - 1.2) / (3 - 1.2))


def test_a_loss_that_rises_moves_as_well(falling):
    assert falling.fall(4, 5) == pytest.approx((1.2 - 1) / (3 - 1.2))


@pytest.mark.parametrize("ends", [(0, 4), (2, 6)])
def test_an_epoch_that_was_not_trained_is_named(falling, ends):
    with pytest.raises(MeasurementError, match=f"logged no epoch {0 if 0 in ends else 6}"):
        falling.fall(*ends)


def test_a_loss_falls_as_much_as_requested_after_an_epoch():
    found = TrainingLog.planted(20, 0.25, late=10)
    assert found.fall(10, 20) == pytest.approx(0.25)
    assert found.fall(1, 20) == 1
