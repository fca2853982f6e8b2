"""Items: numbers by depth, items that a list of the protocol names, and splits below them."""

import numpy as np
import pytest

from featdyn_core.analysis.items import by_depth, chosen, difference, minus, with_splits
from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.measured import Measured
from featdyn_core.verdicts.units import Counted


def test_depths_are_counted_from_one():
    assert by_depth(np.array([0.5, 0.25])) == {"depth 1": 0.5, "depth 2": 0.25}
    assert by_depth([0.5, 0.25], of=4) == {"depth 1": Counted(0.5, 4), "depth 2": Counted(0.25, 4)}
    assert {type(value) for value in by_depth(np.array([1, 0])).values()} == {float}


def test_items_are_those_of_the_list_in_its_order():
    items = {"depth 1": 1, "depth 2": 2, "depth 3": 3}
    assert list(chosen(items, ["depth 3", "depth 1"]).items()) == [("depth 3", 3), ("depth 1", 1)]
    assert list(chosen(items, iter(["depth 2"]))) == ["depth 2"]


def test_an_item_that_was_not_measured_is_named():
    with pytest.raises(MeasurementError, match="the measurement has no item 'depth 4'; it has depth 1, depth 2"):
        chosen({"depth 1": 1, "depth 2": 2}, ["depth 2", "depth 4"])


def test_splits_stand_last_in_a_criterions_name():
    by_split = {
        "held-out": {"agreement": {"depth 1": 0.1, "depth 2": 0.2}},
        "training": {"agreement": {"depth 1": 0.3, "depth 2": 0.4}},
    }
    found = with_splits(by_split)
    assert found["agreement"]["depth 1"] == {"held-out": 0.1, "training": 0.3}
    assert Measured(found).values == {
        "agreement, depth 1, held-out": 0.1,
        "agreement, depth 1, training": 0.3,
        "agreement, depth 2, held-out": 0.2,
        "agreement, depth 2, training": 0.4,
    }


def test_a_difference_is_counted_from_the_fewer_things():
    assert difference(Counted(0.75, 500), Counted(0.5, 1000)) == Counted(0.25, 500)


def test_a_difference_of_what_was_not_counted_is_plain():
    assert difference(0.75, 0.5) == 0.25


def test_items_are_subtracted_name_by_name():
    assert minus({"depth 1": 3.0, "depth 2": 1.0}, {"depth 1": 1.0, "depth 2": 2.0}) == {"depth 1": 2, "depth 2": -1}


def test_other_items_are_not_subtracted():
    with pytest.raises(MeasurementError, match="items depth 2 cannot be subtracted from depth 1"):
        minus({"depth 1": 1.0}, {"depth 2": 1.0})
