"""Quantities of a column over the shallow epoch, their trends, and distributions."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.analysis.columns import (
    WHOLE,
    accuracy_lost,
    across,
    cumulative,
    gained_over_churn,
    over_shallow_epochs,
    trends,
)
from featdyn_core.errors import MeasurementError
from featdyn_core.records.column import Column
from featdyn_core.records.path import WHOLE_NETWORK
from featdyn_core.records.planting import IMAGES, fading
from featdyn_core.verdicts.units import Counted

GRAIN = 1 / IMAGES
"""Of a difference of two shares of planted images."""

EPOCHS = [2, 3, 4]


def whole(missed, deep=4):
    """Return churn whose networks have given miss rates."""
    return Column.planted(EPOCHS, missed, deep=deep, cuts=(WHOLE_NETWORK,))


def test_a_column_is_drawn_over_shallow_epochs_one_line_a_depth():
    found = over_shallow_epochs(Column.planted([1, 2, 4], [0.3, 0.1, 0]), "agreement", "agreement with f_t")
    assert list(found.x) == [1, 2, 4]
    assert {label: list(y) for label, y in found.series.items()} == {
        f"depth {depth}": [0.7, 0.9, 1.0] for depth in (1, 2, 3)
    }
    assert (found.x_label, found.y_label) == ("shallow epoch s", "agreement with f_t")


def test_a_distribution_is_drawn_with_its_pile_at_one():
    lines = cumulative({"images": [0.5, 1.0, 1.0, 1 - 1 / 3]})
    share = dict(zip(np.round(lines.x, 3).tolist(), lines.series["images"], strict=True))
    assert [share[x] for x in (0.475, 0.5, 0.65, 0.675, 0.975, 1.0)] == [0, 0.25, 0.25, 0.5, 0.5, 1]


def test_a_trend_leaves_out_the_network_itself():
    falling = Column.planted([1, 2, 3], [[0.1, 0.2, 0], [0.2, 0.1, 0], [0.1, 0.1, 0]])
    for quantity, taus in (("accuracy", (-1, 1, 0)), ("cross_entropy", (1, -1, 0))):
        expected = {f"depth {depth}": Counted(tau, 1) for depth, tau in enumerate(taus, start=1)}
        assert trends(falling, quantity) == expected, "one pair of epochs"


def test_depths_differ_at_the_furthest_end():
    column = Column.planted(EPOCHS, fading([0.1, 0.2, 0.4], EPOCHS), wrong=0.2, astray=fading(0.05, EPOCHS))
    found = across(column)
    for depth, missed in enumerate((0.1, 0.2, 0.4), start=1):
        expected = {
            "agreement": 1 - missed - 0.05,
            "accuracy": 0.8 - missed,
            "accuracy kept": (0.8 - missed) / 0.8,
            "mean consistency": 1 - (missed + 0.05) / 2,
        }
        for name, value in expected.items():
            number = found[name][f"depth {depth}"]
            assert (float(number), number.of) == (pytest.approx(value, abs=2 * GRAIN), IMAGES), name
    assert float(found["cross-entropy"]["depth 3"]) > float(found["cross-entropy"]["depth 1"]) > 0


def test_of_a_transfer_the_last_epoch_is_furthest_away():
    column = Column.planted(EPOCHS, [0, 0.1, 0.2], deep=2)
    assert float(across(column)["agreement"]["depth 1"]) == pytest.approx(0.8, abs=GRAIN)


def test_accuracy_is_lost_at_the_end_furthest_from_t():
    found = accuracy_lost(Column.planted(EPOCHS, fading([0.1, 0.2, 0], EPOCHS), wrong=0.2, astray=fading(0.1, EPOCHS)))
    assert {label: float(lost) for label, lost in found.items()} == pytest.approx(
        {"depth 1": 0.1, "depth 2": 0.2, "depth 3": 0}, abs=GRAIN
    )
    assert {lost.of for lost in found.values()} == {IMAGES}


def test_churn_is_taken_off_at_each_depth():
    found = gained_over_churn(Column.planted(EPOCHS, [[0.1], [0.3], [0.2]]), whole([0.3, 0.2, 0]))
    for depth, gain in enumerate((0.2, 0, 0.1), start=1):
        number = found[f"depth {depth}"]
        assert (float(number), number.of) == (pytest.approx(gain, abs=GRAIN), IMAGES)


def test_churn_is_a_line_of_its_own():
    column = Column.planted(EPOCHS, [0.2, 0.1, 0])
    found = over_shallow_epochs(column, "agreement", "agreement with f_t", churn=whole([0.3, 0.2, 0]))
    assert list(found.series)[-1] == WHOLE
    assert list(found.series[WHOLE]) == [0.7, 0.8, 1]


def test_churn_of_something_else_is_refused():
    column = Column.planted(EPOCHS, 0)
    with pytest.raises(MeasurementError, match="at t = 4 cannot be compared with churn at t = 3"):
        gained_over_churn(column, whole(0, deep=3))
    other = dataclasses.replace(whole(0), labels=column.labels[::-1])
    with pytest.raises(MeasurementError, match="composites are on different images"):
        over_shallow_epochs(column, "agreement", "", churn=other)
    earlier = Column.planted([1, *EPOCHS], 0)
    with pytest.raises(MeasurementError, match="shallow epoch 1 is not in the column"):
        gained_over_churn(earlier, whole(0))
