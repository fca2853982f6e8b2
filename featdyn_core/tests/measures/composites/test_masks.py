"""Masks of pairs against their definitions, pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.masks import band, geometric, spread

LAW = settings(max_examples=50, deadline=None)

epochs = st.lists(st.integers(0, 60), min_size=1, max_size=12)
ratios = st.sampled_from([1.5, 2.0, 3.0])


def chosen_pairs(mask, shallow, deep):
    """The chosen pairs of epochs."""
    shallow, deep = sorted(set(shallow)), sorted(set(deep))
    assert mask.shape == (len(shallow), len(deep))
    return {(shallow[row], deep[column]) for row, column in np.argwhere(mask)}


@LAW
@given(epochs, epochs, st.integers(0, 60))
def test_band_is_the_pairs_at_most_a_width_apart(shallow, deep, width):
    expected = {(s, t) for s in shallow for t in deep if abs(s - t) <= width}
    assert chosen_pairs(band(shallow, deep, width), shallow, deep) == expected


def literal_geometric(shallow, deep, ratio):
    shallow = sorted(set(shallow))
    found = {(end, t) for end in (shallow[0], shallow[-1]) for t in deep}
    found |= {(t, t) for t in deep if t in shallow}
    for t in deep:
        for side in ([s for s in shallow if s < t], [s for s in shallow if s > t]):
            gap = 1.0
            while side and gap <= max(abs(s - t) for s in side):
                found.add((min(side, key=lambda s: abs(abs(s - t) - gap)), t))
                gap *= ratio
    return found


@LAW
@given(epochs, epochs, ratios)
def test_geometric_is_its_definition(shallow, deep, ratio):
    expected = literal_geometric(shallow, deep, ratio)
    assert chosen_pairs(geometric(shallow, deep, ratio), shallow, deep) == expected


@LAW
@given(st.integers(2, 200), st.data())
def test_geometric_reaches_both_ends_in_logarithmic_steps(last, data):
    """From any deep epoch the gaps grow from 1 to the end, none by more than twice the one before."""
    t = data.draw(st.integers(0, last))
    found = np.flatnonzero(geometric(range(last + 1), [t])[:, 0])
    for gaps in (np.sort(t - found[found <= t]), found[found >= t] - t):
        assert gaps[0] == 0
        assert (gaps[1:2] == 1).all()
        assert (gaps[2:] <= 2 * gaps[1:-1]).all()
    assert found[0] == 0
    assert found[-1] == last
    assert len(found) <= 2 * (np.log2(last) + 2) + 1


def test_geometric_of_eleven_epochs():
    found = geometric(range(0, 110, 10), [50, 100], ratio=3)
    assert (np.flatnonzero(found[:, 0]) * 10).tolist() == [0, 20, 40, 50, 60, 80, 100]
    assert (np.flatnonzero(found[:, 1]) * 10).tolist() == [0, 20, 70, 90, 100]


@LAW
@given(epochs, epochs, st.integers(1, 6), st.data())
def test_spread_chooses_some_of_the_pairs_or_all_if_they_are_few(shallow, deep, count, data):
    shallow, deep = sorted(set(shallow)), sorted(set(deep))
    cells = [(row, column) for row in range(len(shallow)) for column in range(len(deep))]
    evaluated = np.zeros((len(shallow), len(deep)), bool)
    evaluated[tuple(np.transpose(data.draw(st.lists(st.sampled_from(cells), min_size=1))))] = True
    chosen = spread(evaluated, shallow, deep, count)
    assert not (chosen & ~evaluated).any()
    assert chosen.sum() == min(count, evaluated.sum())


def test_spread_meets_gaps_of_all_sizes_on_both_sides():
    epochs = range(0, 100, 10)
    found = spread(np.ones((10, 10), bool), epochs, epochs, 4)
    gaps = sorted(10 * row - 10 * column for row, column in np.argwhere(found))
    assert gaps == [-50, -10, 10, 50]


@pytest.mark.parametrize(
    ("mask", "arguments", "message"),
    [
        pytest.param(band, ([0], [0], -1), "width of at least 0 epochs, found -1", id="width"),
        pytest.param(geometric, ([0], [0], 1.0), "ratio above 1, found 1.0", id="ratio"),
        pytest.param(geometric, ([0], [0], float("nan")), "ratio above 1, found nan", id="no ratio"),
        pytest.param(band, ([], [0], 1), "at least one shallow and one deep epoch", id="no shallow epoch"),
        pytest.param(geometric, ([0], []), "at least one shallow and one deep epoch", id="no deep epoch"),
    ],
)
def test_masks_name_what_they_need(mask, arguments, message):
    with pytest.raises(MeasurementError, match=message):
        mask(*arguments)
