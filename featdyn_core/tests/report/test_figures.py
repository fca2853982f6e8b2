"""Tests of the figures: interval strips and curves."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.report.figures import PALETTE, curve_png, curve_svg, interval_strip
from featdyn_core.verdicts.claim import Criterion, Curve

NUMBERS = st.floats(-100, 100).map(lambda number: round(number, 3))


def finding(values, bound, direction="above"):
    return Criterion("name", "quantity", direction, bound).judge(values)


def curve(series=1, seeds=3, points=5, **names):
    lines = {f"series {part}": [[float(part + seed)] * points for seed in range(seeds)] for part in range(series)}
    return Curve([float(point) for point in range(points)], lines, **({"x_label": "epoch", "y_label": "loss"} | names))


def lines(svg, width):
    """Mean height in the figure of each line of the given width that spans the axes."""
    paths = re.findall(rf'<path d="([^"]*)" clip-path[^>]*stroke-width: {width}[;"]', svg)
    return [np.mean([float(point.split()[2]) for point in path.strip().splitlines()]) for path in paths]


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(NUMBERS, min_size=3, max_size=6),
    bound=NUMBERS,
    direction=st.sampled_from(["above", "below"]),
)
def test_a_strip_keeps_the_order_of_the_numbers_and_the_side_of_the_bound(values, bound, direction):
    item = finding(values, bound, direction)
    strip = interval_strip(item)
    numbers = [bound, item.interval.low, item.interval.estimate, item.interval.high, *values]
    places = [strip.bound, strip.low, strip.estimate, strip.high, *strip.values]
    assert all(0 <= place <= 100 for place in places)
    assert np.all(np.diff(np.array(places)[np.argsort(numbers)]) >= 0)
    start, width = strip.holds
    assert (start, start + width) == pytest.approx((strip.bound, 100) if direction == "above" else (0, strip.bound))


def test_a_strip_is_to_scale():
    strip = interval_strip(finding([1.0, 1.0, 1.0, 5.0], 11.0))
    start, end = strip.values[0], strip.bound
    assert (strip.estimate - start) / (end - start) == pytest.approx((2 - 1) / (11 - 1), abs=1e-3)
    assert (strip.values[3] - start) / (end - start) == pytest.approx((5 - 1) / (11 - 1), abs=1e-3)


def test_a_strip_of_equal_numbers_puts_them_in_the_middle():
    strip = interval_strip(finding([0.5, 0.5, 0.5], 0.5))
    assert {strip.bound, strip.low, strip.estimate, strip.high, *strip.values} == {50.0}


def test_a_curve_has_a_thin_line_for_each_seed_and_a_thick_one_for_their_mean():
    drawn = curve_svg(curve(series=2, seeds=3), "losses")
    thick, thin = lines(drawn, "2"), lines(drawn, "0.7")
    assert len(thick) == 2
    assert len(thin) == 6
    assert thick == pytest.approx([np.mean(thin[:3]), np.mean(thin[3:])])


def test_a_curve_is_one_well_formed_element_with_its_labels():
    drawn = curve_svg(curve(series=2, x_label="epoch <s> & $t$", y_label="$loss$"), "losses")
    text = " ".join(ElementTree.fromstring(drawn).itertext())
    for label in ("epoch <s> & $t$", "$loss$", "series 0", "series 1"):
        assert label in text


def test_a_curve_follows_the_colour_of_the_page_and_does_not_style_it():
    drawn = curve_svg(curve(series=8), "losses")
    assert "currentColor" in drawn
    assert "#000000" not in drawn
    assert "<style" not in drawn
    assert "date" not in drawn.lower()


def test_eight_series_differ_in_colour_and_the_ninth_in_its_dashes():
    drawn = curve_svg(curve(series=9, seeds=2, points=20), "losses")
    means = re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="([^"]*stroke-width: 2[;"][^"]*)', drawn)
    colours = [re.search(r"stroke: ([^;]+)", style).group(1) for style in means]
    assert len(colours) == 9
    assert len(set(colours[:8])) == len(set(PALETTE)) == 8
    assert colours[8] == colours[0]
    assert ["dasharray" in style for style in means] == [False] * 8 + [True]


@pytest.mark.parametrize(("points", "marked"), [(12, True), (13, False)])
def test_few_points_are_marked(points, marked):
    circles = re.findall(r"\nC ", curve_svg(curve(points=points), "losses"))  # nothing else is round
    assert bool(circles) is marked


def test_figures_are_the_same_twice_and_under_other_settings_which_they_leave_alone():
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        other = curve_svg(curve(), "losses"), curve_png(curve(), "losses")
        assert dict(matplotlib.rcParams) == before
    assert (curve_svg(curve(), "losses"), curve_png(curve(), "losses")) == other


def test_identifiers_of_two_figures_differ():
    one, two = (set(re.findall(r' id="([^"]+)"', curve_svg(curve(), name))) for name in ("one", "two"))
    assert one
    assert not one & two


def test_a_png_is_a_png():
    assert curve_png(curve(series=8), "losses").startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("seeds", "found"), [([[1.0, 2.0], [1.0]], "2, 1"), ([], "none")], ids=["a seed too short", "no seeds"]
)
def test_a_series_that_does_not_fit_is_named(seeds, found):
    broken = Curve([0.0, 1.0], {"clean": seeds}, "epoch", "loss")
    with pytest.raises(EvidenceError, match=f"'losses', series 'clean': each seed needs 2 ordinates.*found {found}$"):
        curve_svg(broken, "losses")


def test_a_curve_without_series_is_refused():
    with pytest.raises(EvidenceError, match="'losses' has no series"):
        curve_svg(Curve([0.0], {}, "epoch", "loss"), "losses")
