"""What memory and transfer have in common: the composite across a window at each depth, f_t itself, and a stranger."""

import pytest

from featdyn_core.analysis.windows import inside_window
from featdyn_core.records.column import Column
from featdyn_core.records.planting import IMAGES
from featdyn_core.records.stranger import Stranger

COLUMNS = {
    "held-out": Column.planted([1, 2], [[0.2, 0], [0.3, 0], [0.4, 0]], wrong=0.1),
    "training": Column.planted([1, 2], [0.1, 0]),
}


@pytest.fixture
def found():
    return inside_window(COLUMNS, {}, Stranger.planted([0.25, 0.5, 0.1]), "memory")


def test_each_depth_is_a_number_of_its_own(found):
    values = found.values
    assert float(values["agreement of a stranger, depth 2"]) == 0.5
    assert float(values["agreement, depth 3, held-out"]) == pytest.approx(0.6)
    assert float(values["accuracy kept, depth 1, training"]) == pytest.approx(0.9)


def test_splits_differ_by_the_accuracy_of_the_network(found):
    difference = found.values["accuracy on training over held-out images"]
    assert (difference.value, difference.of) == (pytest.approx(0.1), IMAGES)


def test_every_quantity_is_drawn_for_every_split(found):
    assert set(found.curves) == {
        f"memory on {split} images: {name}"
        for split in COLUMNS
        for name in ("agreement", "accuracy kept", "cross-entropy")
    }
    assert all(lines.over_epochs for lines in found.curves.values())
