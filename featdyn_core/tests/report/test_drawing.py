"""Tests of the content of figures, read from matplotlib's objects."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from featdyn_core.report.drawing import PALETTE, UNMARKED, Marks, draw, marks
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.criterion import Criterion
from featdyn_core.verdicts.curve import Curve

ABOVE, BELOW = (Criterion("name", "quantity", direction, 0.95) for direction in ("above", "below"))
COINCIDING = {f"depth {depth}": [[0.999, 0.998, 1.0]] * 3 for depth in (1, 2, 3)}


def curve(series=1, seeds=3, points=5, **fields):
    lines = {f"series {part}": [[float(part + seed)] * points for seed in range(seeds)] for part in range(series)}
    names = {"x_label": "epoch", "y_label": "loss"}
    return Curve([float(point) for point in range(points)], lines, **(names | fields))


def axes_of(curve, marks=UNMARKED):
    figure = draw(curve, "losses", marks)
    figure.draw_without_rendering()  # which lays it out
    return figure.axes[0]


def means(axes):
    return [line for line in axes.lines if str(line.get_label()).startswith(("series", "depth"))]


def named(axes, words):
    (found,) = (line for line in axes.lines if words in str(line.get_label()))
    return found


def legend(axes):
    """Return the labels in reading order, from the top and from the left."""
    places = {text.get_text(): text.get_window_extent() for text in axes.figure.legends[0].get_texts()}
    return sorted(places, key=lambda label: (-round(places[label].y0), places[label].x0))


# Series


def test_a_curve_has_thin_lines_for_seeds_and_a_thick_mean():
    axes = axes_of(curve(series=2, seeds=3))
    thick = means(axes)
    thin = [line for line in axes.lines if line not in thick]
    assert len(thick) == 2
    assert len(thin) == 6
    assert min(line.get_linewidth() for line in thick) > max(line.get_linewidth() for line in thin)
    assert [np.mean(line.get_ydata()) for line in thick] == [1.0, 2.0]
    assert [line.get_color() for line in thin] == [line.get_color() for line in thick for _ in range(3)]
    assert [line.get_linestyle() for line in thin] == [line.get_linestyle() for line in thick for _ in range(3)]


def test_neighbouring_series_differ_in_colour_and_in_line_style():
    """So that they can be told apart without colours."""
    lines = means(axes_of(curve(series=9, seeds=2, points=20)))
    colours = [to_hex(line.get_color()) for line in lines]
    dashes = [str(line._unscaled_dash_pattern) for line in lines]  # the style that was asked for is not kept
    assert len(set(zip(colours, dashes, strict=True))) == 9
    assert len(set(colours[:8])) == len(set(PALETTE)) == 8
    assert len(set(dashes[:5])) == 5
    assert all(one != other for row in (colours, dashes) for one, other in itertools.pairwise(row))


def test_series_that_coincide_are_all_to_be_seen():
    """Later lines lie above earlier ones, and are thinner or have gaps."""
    lines = means(axes_of(Curve([1.0, 2.0, 3.0], COINCIDING, "epoch", "agreement")))
    widths = [line.get_linewidth() for line in lines]
    assert all(below >= above + 1 for below, above in itertools.pairwise(widths))
    assert len({line.get_zorder() for line in lines}) == 1


def test_the_ordinates_are_those_of_the_data():
    low, high = axes_of(Curve([1.0, 2.0, 3.0], COINCIDING, "epoch", "agreement")).get_ylim()
    assert 0.9975 < low < 0.998 < 1.0 < high < 1.0005


def test_whole_abscissae_have_whole_ticks():
    axes = axes_of(Curve([1.0, 2.0, 3.0], {"series": [[0.0, 0.0, 0.0]]}, "depth", "loss"))
    low, high = axes.get_xlim()
    assert [text.get_text() for text in axes.get_xticklabels() if low < text.get_position()[0] < high] == [
        "1",
        "2",
        "3",
    ]


def test_a_gap_is_left_where_a_seed_has_no_number():
    broken = Curve([0.0, 1.0, 2.0, 3.0], {"series": [[1.0, math.nan, 1.0, 1.0], [2.0] * 4]}, "epoch", "loss")
    (mean,) = means(axes_of(broken))
    assert np.array_equal(mean.get_ydata(), [1.5, math.nan, 1.5, 1.5], equal_nan=True)


@pytest.mark.parametrize(("points", "marker"), [(12, "o"), (13, "")])
def test_few_points_are_marked(points, marker):
    (mean,) = means(axes_of(curve(points=points)))
    assert mean.get_marker() == marker


# Logarithmic ordinates


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        pytest.param([0.62, 0.7, 0.66], ["0.62", "0.64", "0.66", "0.68", "0.7"], id="within a decade"),
        pytest.param([0.1, 1.0, 10.0], ["0.1", "0.2", "0.5", "1", "2", "5", "10"], id="a few"),
        pytest.param([1e-4, 1.0, 1e3], ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100", "1e+03"], id="many"),
    ],
)
def test_logarithmic_ordinates_have_ticks_that_are_numbers(values, ticks):
    axes = axes_of(Curve([0.0, 1.0, 2.0], {"series": [values]}, "epoch", "loss", log=True))
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    shown = [text for text in axes.get_yticklabels() if low <= text.get_position()[1] <= high]
    assert [text.get_text() for text in shown] == ticks
    assert not axes.get_yticklabels(minor=True)


def test_what_has_no_logarithm_is_drawn_as_it_is():
    axes = axes_of(Curve([0.0, 1.0], {"series": [[0.0, -1.0]]}, "epoch", "loss", log=True))
    assert axes.get_yscale() == "linear"


# Marks


def test_marks_are_what_the_row_has_under_the_names_of_its_curve():
    row = evidence("memory-window")
    named_by = curve(bound="agreement, held-out", window="memory")
    assert marks(row, named_by) == Marks(row.findings[0].criterion, ("memory", 14, 28))
    assert marks(row, curve()) == marks(row, curve(bound="of another claim", window="another")) == UNMARKED


def test_a_bound_of_items_is_named_without_an_item():
    deep = [Criterion(f"kept, depth {d}, held-out", f"what, depth {d}, held-out images", "above", 0.9) for d in (1, 2)]
    row = evidence("memory-window", findings=tuple(one.judge([0.95, 0.96, 0.97]) for one in deep))
    assert marks(row, curve(bound="kept, held-out")) == Marks(deep[0])
    assert marks(row, curve(bound="kept, depth 2, held-out")) == Marks(deep[1])
    assert marks(row, curve(bound="kept, training")) == UNMARKED


@pytest.mark.parametrize(("criterion", "caret"), [(ABOVE, 10), (BELOW, 11)])
def test_a_near_bound_is_a_line_with_arrows_to_its_valid_side(criterion, caret):
    axes = axes_of(Curve([1.0, 2.0], {"series": [[0.96, 0.99]] * 3}, "epoch", "agreement"), Marks(criterion))
    line = named(axes, f"holds {criterion.direction} 0.95")
    assert list(line.get_ydata()) == [0.95, 0.95]
    assert line.get_marker() == caret
    low, high = axes.get_ylim()
    assert low < 0.95 < 0.99 < high
    assert line.get_transform() == axes.get_yaxis_transform()


@pytest.mark.parametrize(
    ("values", "log", "side", "caret", "place"),
    [
        pytest.param([0.9990, 0.9995], False, "below", 7, 0, id="below"),
        pytest.param([0.0001, 0.0002], False, "above", 6, 1, id="above"),
        pytest.param([1e3, 1.1e3], True, "below", 7, 0, id="logarithmic"),
    ],
)
def test_a_far_bound_is_an_arrow_at_the_edge_that_keeps_the_axis(values, log, side, caret, place):
    drawn = Curve([1.0, 2.0], {"series": [values] * 3}, "epoch", "agreement", log=log)
    axes = axes_of(drawn, Marks(ABOVE))
    assert axes.get_ylim() == axes_of(drawn).get_ylim()
    line = named(axes, f"holds above 0.95 ({side} the axis)")
    assert (list(line.get_ydata()), line.get_marker(), line.get_linestyle()) == ([place], caret, "None")


def test_a_bound_without_logarithm_is_an_arrow_at_the_edge():
    at_zero = Criterion("name", "quantity", "above", 0.0)
    axes = axes_of(Curve([1.0, 2.0], {"series": [[0.1, 1.0]]}, "epoch", "loss", log=True), Marks(at_zero))
    assert named(axes, "holds above 0 (below the axis)")


def test_a_window_is_shaded_and_leaves_the_limits_alone():
    axes = axes_of(curve(points=11), Marks(window=("late", 5, 40)))
    (span,) = axes.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (5, 40)
    assert axes.get_xlim() == axes_of(curve(points=11)).get_xlim()
    assert legend(axes) == ["series 0", "window late"]


def test_a_window_that_is_all_there_is_is_not_shaded():
    assert not axes_of(curve(points=11), Marks(window=("late", 0, 10))).patches


def test_steps_of_the_learning_rate_are_dotted_lines_of_one_name():
    axes = axes_of(curve(points=11, steps=[3.0, 6.0]))
    dotted = [line for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert [line.get_xdata()[0] for line in dotted] == [3.0, 6.0]
    assert legend(axes) == ["series 0", "step of the rate"]


@pytest.mark.parametrize("series", [2, 4, 7])
def test_the_legend_reads_by_rows_and_takes_no_axes_space(series):
    axes = axes_of(curve(series=series))
    assert legend(axes) == [f"series {part}" for part in range(series)]
    assert axes.bbox.height == pytest.approx(axes_of(curve()).bbox.height, rel=0.1)
