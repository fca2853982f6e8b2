"""Numbers that memory and transfer share: each depth's composite across a window, and a stranger's."""

import pytest

from featdyn_core import planted
from featdyn_core.analysis.columns import WHOLE
from featdyn_core.analysis.windows import inside_window
from featdyn_core.records.column import Column
from featdyn_core.records.planting import IMAGES
from featdyn_core.records.stranger import Stranger

GRAIN = 1 / IMAGES
EPOCHS = [1, 2, 3]


@pytest.fixture
def found():
    columns = {
        "held-out": Column.planted(EPOCHS, planted.fading([0.2, 0.4, 0.1], EPOCHS)),
        "training": Column.planted(EPOCHS, planted.fading(0.1, EPOCHS)),
    }
    return inside_window(columns, {"held-out": planted.churn(EPOCHS, 0.5)}, Stranger.planted(0.25), "memory")


def test_each_depth_and_split_has_its_composite_over_the_window(found):
    values = found.values
    for split, shares in (("held-out", (0.2, 0.4, 0.1)), ("training", (0.1, 0.1, 0.1))):
        for depth, missed in enumerate(shares, start=1):
            number = values[f"agreement, depth {depth}, {split}"]
            assert (float(number), number.of) == (pytest.approx(1 - missed, abs=GRAIN), IMAGES)
            assert float(values[f"accuracy kept, depth {depth}, {split}"]) == pytest.approx(1 - missed, abs=GRAIN)


def test_each_figure_names_the_criterion_whose_bound_it_shows(found):
    bounds = {title: lines.bound for title, lines in found.curves.items()}
    assert bounds["memory on held-out images: agreement"] == "agreement, held-out"
    assert bounds["memory on training images: cross-entropy"] == "cross-entropy, training"


def test_a_stranger_is_counted_at_each_depth(found):
    strangers = {name: value for name, value in found.values.items() if name.startswith("agreement of a stranger")}
    assert list(strangers) == [f"agreement of a stranger, depth {depth}" for depth in (1, 2, 3)]
    assert {(float(value), value.of) for value in strangers.values()} == {(0.25, IMAGES)}


def test_splits_differ_by_the_accuracy_of_the_network():
    columns = {"held-out": Column.planted([1, 2], 0, wrong=0.1), "training": Column.planted([1, 2], 0)}
    values = inside_window(columns, {}, Stranger.planted(0.25), "memory").values
    difference = values["accuracy on training over held-out images"]
    assert (difference.value, difference.of) == (pytest.approx(0.1), IMAGES)


def test_every_figure_is_over_epochs_with_churn_where_it_exists(found):
    drawn = {
        f"memory on {split} images: {name}": (name == "cross-entropy", split == "held-out")
        for split in ("held-out", "training")
        for name in ("agreement", "accuracy kept", "cross-entropy")
    }
    assert {title: (lines.log, WHOLE in lines.series) for title, lines in found.curves.items()} == drawn
    assert all(lines.over_epochs for lines in found.curves.values())
