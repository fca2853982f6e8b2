"""Tests of the axes of a page's panels, and of the paths that are drawn on them."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featdyn_core.report.axes import Axis, dots, fitted, path

WHOLE = st.integers(-500, 500)


def points(drawn):
    """Read a path back: its corners, in pixels, part by part."""
    parts = []
    for part in re.findall(r"M[^M]+", drawn):
        start, _, line = part[1:].partition("l")
        numbers = [int(number) for number in re.findall(r"-?\d+", line)]
        at = tuple(int(number) for number in re.findall(r"-?\d+", start)[:2])
        corners = [at]
        for step in zip(numbers[::2], numbers[1::2], strict=True):
            at = at[0] + step[0], at[1] + step[1]
            corners.append(at)
        parts.append([(x / 10, y / 10) for x, y in corners])
    return parts


# Axes


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.floats(-1e6, 1e6), min_size=1), log=st.booleans())
@example(numbers=[1.0, 2e-313], log=True)
def test_an_axis_holds_its_numbers_in_their_order(numbers, log):
    axis = fitted(numbers, 200.0, 20.0, log=log)
    shown = sorted(number for number in numbers if number > 1e-300 or not axis.log)
    places = [axis.place(number) for number in shown]
    assert all(20 - 1e-9 <= place <= 200 + 1e-9 for place in places)
    assert places == sorted(places, reverse=True)
    assert all(20 - 1e-9 <= place <= 200 + 1e-9 for place, _ in axis.ticks())


@pytest.mark.parametrize(
    ("low", "high", "log", "texts"),
    [
        pytest.param(0.0, 1.0, False, ["0.0", "0.5", "1.0"], id="shares"),
        pytest.param(0.9984, 1.0, False, ["0.9985", "0.9990", "0.9995", "1.0000"], id="near one"),
        pytest.param(-3.0, 12.0, False, ["0", "5", "10"], id="across zero"),
        pytest.param(0.0, 2e6, False, ["0", "5e+05", "1e+06", "1.5e+06", "2e+06"], id="large"),
        pytest.param(2e-7, 9e-7, False, ["2e-07", "4e-07", "6e-07", "8e-07"], id="small"),
        pytest.param(0.62, 0.7, True, ["0.62", "0.64", "0.66", "0.68", "0.70"], id="within a decade"),
        pytest.param(0.1, 10.0, True, ["0.1", "1", "10"], id="powers"),
        pytest.param(0.02, 0.9, True, ["0.02", "0.05", "0.1", "0.2", "0.5"], id="few powers"),
        pytest.param(1e-12, 1.0, True, ["1e-12", "1e-09", "1e-06", "0.001", "1"], id="many powers"),
    ],
)
def test_ticks_are_round_numbers(low, high, log, texts):
    assert [text for _, text in Axis(low, high, 0, 100, log=log).ticks(5 if log else 4)] == texts


def test_whole_numbers_have_whole_ticks():
    assert [text for _, text in fitted([1, 2], 0, 100).ticks()] == ["1", "2"]
    assert [text for _, text in fitted([1, 1.5, 2], 0, 100).ticks()] == ["1.0", "1.5", "2.0"]


def test_a_tick_stands_where_its_number_is():
    axis = fitted([0.0, 0.2, 1.0], 100, 0)
    assert axis.ticks() == [(axis.place(0.0), "0.0"), (axis.place(0.5), "0.5"), (axis.place(1.0), "1.0")]
    assert axis.place(0.5) == pytest.approx(50)


def test_a_logarithm_is_taken_where_asked():
    axis = fitted([1e-3, 1e3], 0, 100, log=True)
    assert axis.place(1.0) == pytest.approx(50)
    for number in (0.0, -1.0, 1e-310, 1e301, math.inf, math.nan):
        assert math.isnan(axis.place(number))
    assert not fitted([0.0, -1.0], 0, 100, log=True).log, "nothing has one"


@pytest.mark.parametrize("numbers", [[], [math.nan], [math.inf, 1e308], [3.0], [0.0, 0.0], [5e-324, 0.0]])
@pytest.mark.parametrize("log", [False, True])
def test_numbers_that_span_nothing_have_an_axis(numbers, log):
    axis = fitted(numbers, 0, 100, log=log)
    assert axis.low < axis.high
    assert all(math.isfinite(place) for place, _ in axis.ticks())


# Paths


@settings(max_examples=50, deadline=None)
@given(corners=st.lists(st.tuples(WHOLE, WHOLE), min_size=1, max_size=20))
def test_a_path_goes_through_its_points(corners):
    (found,) = points(path([(x / 10, y / 10) for x, y in corners]))
    assert (found[0], found[-1]) == tuple((x / 10, y / 10) for x, y in (corners[0], corners[-1]))
    missing = [(x / 10, y / 10) for x, y in corners if (x / 10, y / 10) not in found]
    segments = list(pairwise(found))
    for x, y in missing:
        assert any(
            math.isclose(math.dist(start, (x, y)) + math.dist((x, y), end), math.dist(start, end), abs_tol=1e-9)
            for start, end in segments
        )


def test_a_straight_line_is_one_step():
    assert path([(0, 0), (1, 1), (2, 2), (3, 1), (4, 0)]) == "M0 0l20 20 20-20"


def test_a_path_is_broken_where_there_is_no_number():
    assert path([(0, 0), (1, math.nan), (2, 2), (3, 3), (4, math.nan)]) == "M0 0h0M20 20l10 10"
    assert dots([(0, 0), (1, math.nan), (2, 2)]) == "M0 0h0M20 20h0"
