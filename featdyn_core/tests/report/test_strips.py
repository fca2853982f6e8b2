"""Tests of the interval strips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.report.strips import interval_strip, strips
from featdyn_core.verdicts.criterion import Criterion

NUMBERS = st.floats(-100, 100).map(lambda number: round(number, 3))


def finding(values, bound, direction="above"):
    return Criterion("name", "quantity", direction, bound).judge(values)


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(NUMBERS, min_size=3, max_size=6),
    bound=NUMBERS,
    direction=st.sampled_from(["above", "below"]),
)
def test_a_strip_keeps_the_order_and_the_side_of_the_bound(values, bound, direction):
    item = finding(values, bound, direction)
    strip = interval_strip(item)
    numbers = [bound, item.interval.low, item.interval.estimate, item.interval.high, *values]
    (at,) = strip.bounds
    places = [at, strip.low, strip.estimate, strip.high, *strip.values]
    assert all(0 <= place <= 100 for place in places)
    assert np.all(np.diff(np.array(places)[np.argsort(numbers)]) >= 0)
    start, width = strip.holds
    assert (start, start + width) == pytest.approx((at, 100) if direction == "above" else (0, at))


def test_a_strip_is_to_scale():
    strip = interval_strip(finding([1.0, 1.0, 1.0, 5.0], 11.0))
    start, (end,) = strip.values[0], strip.bounds
    assert (strip.estimate - start) / (end - start) == pytest.approx((2 - 1) / (11 - 1), abs=1e-3)
    assert (strip.values[3] - start) / (end - start) == pytest.approx((5 - 1) / (11 - 1), abs=1e-3)


def test_a_strip_of_equal_numbers_puts_them_in_the_middle():
    strip = interval_strip(finding([0.5, 0.5, 0.5], 0.5))
    assert {*strip.bounds, strip.estimate, *strip.values} == {50.0}
    assert (strip.low, strip.high) == (8.0, 92.0)  # as far as arithmetic is exact


def test_a_strip_of_two_ends_holds_between_them():
    strip = interval_strip(Criterion("name", "quantity", "within", 1.0, around=2.0).judge([1.0, 2.0, 5.0]))
    low, high = strip.bounds
    assert low == strip.values[0]
    assert (low + high) / 2 == pytest.approx(strip.values[1], abs=0.01)
    assert strip.holds == (low, pytest.approx(high - low))


def test_strips_of_several_findings_have_one_scale():
    near, far = strips([finding([1.0, 1.0, 1.0, 5.0], 11.0), finding([5.0, 5.0, 5.0, 21.0], 11.0)])
    assert near.bounds == far.bounds
    assert near.values[3] == far.values[0]
    assert near.ends == far.ends
    assert near.ends[1] >= 21.0
    assert interval_strip(finding([1.0, 1.0, 1.0, 5.0], 11.0)) != near
