"""Numbers on the scale of their unit: places, ranges and resolutions."""

import math
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.units import ROUNDING, Counted, Unit, mean_correlation, share_of

LAW = settings(max_examples=100, deadline=None)
SCALED = (Unit.SHARE, Unit.MEAN_SHARE, Unit.CORRELATION, Unit.RATIO)
shares = st.integers(1, 2000).flatmap(lambda of: st.integers(0, of).map(lambda hits: share_of(hits, of)))


# Places


def test_a_share_stands_for_k_and_a_half_of_n_and_one():
    assert Unit.SHARE.at(0.95, 500) == pytest.approx(math.log(475.5 / 25.5))
    assert Unit.SHARE.at(1.0, 500) == pytest.approx(math.log(500.5 / 0.5))
    assert Unit.SHARE.at(0.0, 1) == pytest.approx(math.log(0.5 / 1.5))


@pytest.mark.parametrize(
    ("unit", "value", "of", "place"),
    [
        (Unit.MEAN_SHARE, 1.0, 500, math.log(0.999 / 0.001)),
        (Unit.MEAN_SHARE, 0.0, 500, -math.log(0.999 / 0.001)),
        (Unit.MEAN_SHARE, 0.75, 500, math.log(3)),
        (Unit.CORRELATION, 1.0, 10, math.atanh(0.95)),
        (Unit.CORRELATION, -1.0, 10, -math.atanh(0.95)),
        (Unit.CORRELATION, 0.5, 10, math.atanh(0.5)),
        (Unit.RATIO, 0.0, 100, math.log(0.005)),
        (Unit.RATIO, 0.98, 100, math.log(0.98)),
    ],
)
def test_an_end_of_the_range_is_kept_half_a_step_away(unit, value, of, place):
    assert unit.at(value, of) == pytest.approx(place)


def test_a_bound_stays_what_it_is():
    assert Unit.SHARE.at(0.95) == pytest.approx(math.log(19))
    assert Unit.CORRELATION.at(0.0) == 0
    assert Unit.RATIO.at(0.98) == math.log(0.98)


@pytest.mark.parametrize("unit", [unit for unit in Unit if unit not in SCALED])
@pytest.mark.parametrize("value", [-0.25, 0.0, 0.125])
def test_all_others_are_taken_as_they_are(unit, value):
    low, high = unit.range
    if low <= value <= high:
        assert unit.at(value) == value == unit.back(value)
        assert unit.at(value, 100) == value


@LAW
@given(st.sampled_from(SCALED), st.floats(0.001, 0.999))
def test_the_way_back_is_the_inverse(unit, value):
    assert unit.back(unit.at(value)) == pytest.approx(value, rel=1e-9)


@LAW
@given(st.sampled_from(list(Unit)), st.floats(-1e4, 1e4))
def test_no_place_leaves_the_range(unit, place):
    low, high = unit.range
    if unit is not Unit.LOG_P and unit is not Unit.DRAWS:  # no mean is taken of them
        assert low <= unit.back(place) <= high
        assert math.isfinite(unit.back(place))


def test_small_shares_keep_their_digits_on_the_way_back():
    assert Unit.SHARE.back(-60.0) == pytest.approx(math.exp(-60), rel=1e-12)
    assert Unit.RATIO.back(1e5) == pytest.approx(sys.float_info.max, rel=1e-9)


@LAW
@given(st.sampled_from(SCALED), st.floats(0, 1), st.floats(0, 1), st.integers(1, 1000))
def test_a_scale_keeps_the_order(unit, one, other, of):
    assume(one < other)
    assert unit.at(one, of) <= unit.at(other, of)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        (Unit.SHARE, 1.01),
        (Unit.MEAN_SHARE, -0.01),
        (Unit.CORRELATION, 1.04),
        (Unit.RATIO, -0.1),
        (Unit.DRAWS, 2.0),
        (Unit.LOG_P, 0.3),
        (Unit.SHARE, math.nan),
    ],
)
def test_a_number_outside_the_range_is_none_of_the_unit(unit, value):
    with pytest.raises(MeasurementError, match=rf"{unit} {value} lies outside"):
        unit.at(value)


@pytest.mark.parametrize(("unit", "value"), [(Unit.SHARE, 1.0), (Unit.CORRELATION, -1.0), (Unit.RATIO, 0.0)])
def test_an_end_without_a_count_has_no_place(unit, value):
    with pytest.raises(MeasurementError, match=rf"{value:g} has no place on the scale of a {unit}; give what it was"):
        unit.at(value)


# Resolutions


@pytest.mark.parametrize(
    ("unit", "value", "of", "step"),
    [
        (Unit.SHARE, 0.5, 100, math.log(51.5 / 49.5)),
        (Unit.SHARE, 0.95, 100, math.log(95.5 / 5.5) - math.log(94.5 / 6.5)),
        (Unit.MEAN_SHARE, 0.05, 100, math.log(0.06 / 0.94) - math.log(0.05 / 0.95)),
        (Unit.CORRELATION, 0.5, 10, math.atanh(0.5) - math.atanh(0.4)),
        (Unit.RATIO, 1.0, 100, math.log(1.01)),
        (Unit.RATIO, 0.1, 100, math.log(0.11 / 0.1)),
        (Unit.DIFFERENCE, 0.3, 500, 1 / 500),
        (Unit.EPOCHS, 4.0, 8, 1 / 8),
    ],
)
def test_a_step_is_one_image_or_pair(unit, value, of, step):
    assert unit.step(unit.at(value, of), of) == pytest.approx(step)


def test_uncounted_numbers_step_by_rounding_and_epochs_by_one():
    assert Unit.NATS.step(0.3, None) == Unit.DIFFERENCE.step(0.3, None) == Unit.RATIO.step(-0.1, None) == ROUNDING
    assert Unit.EPOCHS.step(4.0, None) == 1


@LAW
@given(st.sampled_from([Unit.SHARE, Unit.MEAN_SHARE, Unit.CORRELATION]), shares)
def test_no_counted_number_is_known_without_error(unit, number):
    assert unit.step(unit.at(number.value, number.of), number.of) > 0


# Counted


def test_a_counted_number_is_its_share_and_its_hits():
    assert float(share_of(3, 4)) == 0.75
    assert share_of(3, 4) == Counted(0.75, 4)
    assert share_of(3, 4).hits == 3


@pytest.mark.parametrize("make", [lambda: Counted(0.5, 0), lambda: Counted(math.nan, 5), lambda: share_of(0, 0)])
def test_what_is_counted_from_nothing_is_refused(make):
    with pytest.raises(MeasurementError, match="expected a number, counted from at least one thing"):
        make()


@pytest.mark.parametrize(("value", "of"), [(0.5, 3), (1.5, 2), (-0.5, 2), (0.5 + 0.4 / 10**6, 10**6)])
def test_what_is_no_share_of_so_many_has_no_hits(value, of):
    with pytest.raises(MeasurementError, match=f"is not a share of {of}"):
        _ = Counted(value, of).hits


def test_correlations_of_arms_are_averaged_on_fishers_z():
    found = mean_correlation([Counted(1.0, 10), Counted(0.0, 6)])
    assert found.value == pytest.approx(math.tanh(math.atanh(0.95) / 2))
    assert found.of == 16
    assert mean_correlation(iter([Counted(0.5, 10)])).value == pytest.approx(0.5)
    with pytest.raises(MeasurementError, match="the mean of no correlations does not exist"):
        mean_correlation([])


def test_a_count_is_a_whole_number_of_whatever_kind():
    assert type(Counted(0.5, np.int64(2)).of) is int
    with pytest.raises(MeasurementError, match=r"0\.5 counted from 2\.0: expected a number, counted from at least one"):
        Counted(0.5, 2.0)


@pytest.mark.parametrize("hits", [1.5, -1, 4, 10**400, math.nan, "2", None])
def test_what_is_no_count_of_so_many_is_no_share(hits):
    with pytest.raises(MeasurementError, match=r"of 3 is not a share; count|too large|is not a number|is text"):
        share_of(hits, 3)


@pytest.mark.parametrize("value", [10**400, "much", None, 1j])
def test_what_no_float_can_hold_is_no_number(value):
    with pytest.raises(MeasurementError, match=r"an integer is too large for a float|is not a number|is text"):
        Counted(value, 3)
