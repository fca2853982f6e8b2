"""Windows of several deep epochs, in planted columns along planted paths."""

import numpy as np
import pytest

from featdyn_core.analysis.growth import planted_growth, windows_along_path, windows_in_epochs
from featdyn_core.records.column import Column
from featdyn_core.records.path import WHOLE_NETWORK, TrainingPath
from featdyn_core.records.planting import DEPTHS
from featdyn_core.verdicts.units import Counted

DEEP = (4, 8, 12)
LEVEL = 0.8
BEYOND = 0.4  # of a step: where agreement that falls from 1 to 0.5 passes 0.8


def path(steps) -> TrainingPath:
    """A straight path from epoch 0 on, alike in every part, by its steps from epoch to epoch."""
    places, parts = np.cumsum([0, *steps]), (*DEPTHS, WHOLE_NETWORK)
    distances = np.tile(np.abs(np.subtract.outer(places, places)), (len(parts), 1, 1))
    return TrainingPath(parts, np.arange(len(places)), distances, np.ones((len(parts), len(places))))


def test_windows_in_epochs_are_those_of_each_column():
    found = windows_in_epochs(planted_growth(DEEP, [1, 3, 6]), LEVEL)
    assert found.epochs.tolist() == [4, 8, 12]
    assert found.lengths.tolist() == [[1, 3, 6]] * 3
    assert found.longest.tolist() == [[4, 8, 12]] * 3
    assert found.shares[0] == pytest.approx([1 / 4, 3 / 8, 6 / 12])
    assert found.gained.tolist() == [5, 5, 5]
    assert not found.between.any()


def test_each_depth_has_a_trend_and_a_gain_of_its_own():
    found = windows_in_epochs(planted_growth(DEEP, [[1, 2, 5], [3, 2, 1], [2, 2, 2]]), LEVEL)
    assert found.trends == {f"depth {depth}": Counted(tau, 3) for depth, tau in ((1, 1.0), (2, -1.0), (3, 0.0))}
    assert found.gained.tolist() == [4, -2, 0]


def test_windows_that_end_between_checkpoints_are_marked():
    """At epochs 0, 3, 4 and 8, those up to 3 are outside: the window at 8 has 4 epochs; nothing is known before 4."""
    columns = {4: Column.planted([0, 3, 4], [0.5, 0, 0]), 8: Column.planted([0, 3, 4, 8], [0.5, 0.5, 0, 0])}
    found = windows_in_epochs(columns, LEVEL)
    assert found.lengths[0].tolist() == [1, 4]
    assert found.at_most[0].tolist() == [3, 4]
    assert found.between[0].tolist() == [True, False]
    assert list(found.lines("").series["depth 1, at most"]) == [3, 4]


def test_a_window_of_all_that_lies_before_ends_at_no_checkpoint():
    found = windows_in_epochs({4: Column.planted([0, 2, 4], 0), 8: Column.planted([0, 4, 8], 0)}, LEVEL)
    assert found.lengths[0].tolist() == found.at_most[0].tolist() == [4, 8]


def test_windows_along_a_path_are_its_length_in_them():
    steps = [2.0] * 6 + [1.0] * 6
    found = windows_along_path(planted_growth(DEEP, [1, 3, 6]), path(steps), LEVEL)
    assert found.longest.tolist() == [[8, 14, 18]] * 3
    ends = [2 + 2 * BEYOND, 1 + 1 + 2 + 2 * BEYOND, 6 + 2 * BEYOND]
    assert found.lengths == pytest.approx(np.tile(ends, (3, 1)))
    assert found.gained == pytest.approx(ends[2] - ends[0])


def test_a_path_of_each_depth_is_that_of_its_own_shallow_part():
    walked = path([1.0] * 12)
    walked.distances[1] *= 3
    found = windows_along_path(planted_growth(DEEP, [1, 3, 6]), walked, LEVEL)
    assert found.lengths[1] == pytest.approx(3 * found.lengths[0])
    assert found.lengths[2] == pytest.approx(found.lengths[0])


def test_windows_that_span_all_that_lies_before_grow_with_it():
    """This is why W/t is reported with W."""
    found = windows_in_epochs(planted_growth(DEEP, DEEP), LEVEL)
    assert {float(tau) for tau in found.trends.values()} == {1.0}
    assert found.shares.tolist() == [[1, 1, 1]] * 3


def test_lines_have_a_depth_each():
    lines = windows_in_epochs(planted_growth(DEEP, [1, 3, 6]), LEVEL).lines("window (epochs)")
    assert list(lines.series) == ["depth 1", "depth 2", "depth 3"]
    assert (list(lines.x), list(lines.series["depth 2"])) == ([4, 8, 12], [1, 3, 6])


def test_windows_of_several_deep_epochs_have_the_given_lengths():
    found = planted_growth([3, 5], [1, 2.5])
    assert {deep: column.epochs.tolist() for deep, column in found.items()} == {3: [0, 1, 2, 3], 5: [0, 1, 2, 3, 4, 5]}
    assert {column.deep for column in found.values()} == {3, 5}
    assert found[3].agreement[0].tolist() == [0.5, 0.5, 1, 1]
    assert found[5].agreement[2].tolist() == [0.5, 0.5, 0.5, 1, 1, 1]
