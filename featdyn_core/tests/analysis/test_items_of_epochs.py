"""Numbers of each epoch in the order of a criterion's name."""

from featdyn_core.analysis.items import by_criterion


def test_items_stand_below_their_criterion():
    found = by_criterion({"first epoch": {"ratio": 1.0, "share": 2.0}, "last epoch": {"ratio": 3.0, "share": 4.0}})
    assert found == {
        "ratio": {"first epoch": 1.0, "last epoch": 3.0},
        "share": {"first epoch": 2.0, "last epoch": 4.0},
    }
