"""Windows of several deep epochs, in planted columns along planted paths."""

import numpy as np
import pytest

from featdyn_core.analysis.growth import planted_growth, windows_along_path, windows_in_epochs
from featdyn_core.records.path import WHOLE_NETWORK, TrainingPath
from featdyn_core.records.planting import DEPTHS

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
    assert (found.trend, found.gained) == (1.0, pytest.approx(5 / 12))


def test_the_depth_counts_at_which_windows_grow_least():
    grown, shrunk = (planted_growth(DEEP, windows) for windows in ([1, 2, 5], [3, 2, 1]))
    mixed = windows_in_epochs(grown, LEVEL)
    mixed.lengths[1] = windows_in_epochs(shrunk, LEVEL).lengths[1]
    assert (mixed.trend, mixed.gained) == (-1.0, pytest.approx(-2 / 12))


def test_windows_along_a_path_are_its_length_in_them():
    steps = [2.0] * 6 + [1.0] * 6
    found = windows_along_path(planted_growth(DEEP, [1, 3, 6]), path(steps), LEVEL)
    assert found.longest.tolist() == [[8, 14, 18]] * 3
    ends = [2 + 2 * BEYOND, 1 + 1 + 2 + 2 * BEYOND, 6 + 2 * BEYOND]
    assert found.lengths == pytest.approx(np.tile(ends, (3, 1)))
    assert found.gained == pytest.approx((ends[2] - ends[0]) / 18)


def test_a_path_of_each_depth_is_that_of_its_own_shallow_part():
    walked = path([1.0] * 12)
    walked.distances[1] *= 3
    found = windows_along_path(planted_growth(DEEP, [1, 3, 6]), walked, LEVEL)
    assert found.lengths[1] == pytest.approx(3 * found.lengths[0])
    assert found.lengths[2] == pytest.approx(found.lengths[0])


def test_windows_that_span_all_that_lies_before_grow_with_it():
    """Which is why W/t is told beside W."""
    found = windows_in_epochs(planted_growth(DEEP, DEEP), LEVEL)
    assert (found.trend, found.shares.tolist()) == (1.0, [[1, 1, 1]] * 3)


def test_lines_have_a_depth_each():
    lines = windows_in_epochs(planted_growth(DEEP, [1, 3, 6]), LEVEL).lines("window (epochs)")
    assert list(lines.series) == ["depth 1", "depth 2", "depth 3"]
    assert (list(lines.x), list(lines.series["depth 2"])) == ([4, 8, 12], [1, 3, 6])


def test_windows_of_several_deep_epochs_are_as_long_as_they_are_told():
    found = planted_growth([3, 5], [1, 2.5])
    assert {deep: column.epochs.tolist() for deep, column in found.items()} == {3: [0, 1, 2, 3], 5: [0, 1, 2, 3, 4, 5]}
    assert {column.deep for column in found.values()} == {3, 5}
    assert found[3].agreement[0].tolist() == [0.5, 0.5, 1, 1]
    assert found[5].agreement[2].tolist() == [0.5, 0.5, 0.5, 1, 1, 1]
