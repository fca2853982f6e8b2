"""Items by name: which are chosen, and how two measurements of the same items differ."""

import pytest

from featdyn_core.analysis.items import chosen, difference, minus
from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.units import Counted


def test_a_difference_is_counted_from_the_fewer_things():
    assert difference(Counted(0.75, 500), Counted(0.5, 1000)) == Counted(0.25, 500)


def test_a_difference_of_what_was_not_counted_is_plain():
    assert difference(0.75, 0.5) == 0.25


def test_items_are_subtracted_name_by_name():
    assert minus({"depth 1": 3.0, "depth 2": 1.0}, {"depth 1": 1.0, "depth 2": 2.0}) == {"depth 1": 2, "depth 2": -1}


def test_other_items_are_not_subtracted():
    with pytest.raises(MeasurementError, match="items depth 1 have no difference from depth 2"):
        minus({"depth 1": 1.0}, {"depth 2": 1.0})


def test_items_are_chosen_in_the_order_of_the_list():
    assert list(chosen({"depth 1": 1.0, "depth 2": 2.0, "depth 3": 3.0}, ["depth 3", "depth 1"])) == [
        "depth 3",
        "depth 1",
    ]


def test_an_item_that_was_not_measured_is_named():
    with pytest.raises(MeasurementError, match="no item 'depth 4'; it has depth 1"):
        chosen({"depth 1": 1.0}, ["depth 4"])
