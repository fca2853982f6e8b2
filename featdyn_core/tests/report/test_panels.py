"""Tests of curves as small multiples."""

import dataclasses
import math

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.html import write_html
from featdyn_core.report.panels import LARGE, SMALL, multiples
from featdyn_core.tests.report.pages import Page
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.criterion import Criterion
from featdyn_core.verdicts.curve import Curve

ROW = evidence("memory-window")


def curve(series, **fields):
    lines = {label: [[level, level + 0.1 * seed] for seed in range(3)] for label, level in series.items()}
    return Curve([0.0, 1.0], lines, **({"x_label": "epoch", "y_label": "agreement"} | fields))


def drawn(curves, criterion=None, **changes):
    """Lay curves out, as of a row that has a criterion."""
    findings = (criterion.judge([0.5, 0.51, 0.52]),) if criterion else ()
    return multiples(dataclasses.replace(ROW, curves=curves, findings=findings, **changes))


def alone(series, criterion=None, **fields):
    (figure,) = drawn({"memory": curve(series, **fields)}, criterion)
    return figure


# A panel a depth


def test_series_of_several_depths_are_a_panel_each():
    figure = alone({"depth 1": 0.2, "depth 2": 0.4, "whole network f_s": 0.9})
    assert [panel.title for panel in figure.panels] == ["depth 1", "depth 2"]
    assert figure.size == SMALL
    assert figure.legend == {0: "at this depth", 1: "whole network f_s"}
    first, second = figure.panels
    assert [line.look for line in first.lines] == [line.look for line in second.lines] == [0, 1]
    assert first.lines[0].mean != second.lines[0].mean
    assert first.lines[1] == second.lines[1], "what is of no depth stands in each panel"


def test_panels_of_a_figure_share_their_axes():
    """So the same number is at the same height in each, and all numbers are on them."""
    figure = alone({"depth 1": 0.0, "depth 2": 100.0})
    assert figure.y.low < 0.0
    assert figure.y.high > 100.2
    heights = [float(panel.lines[0].mean.partition(" ")[2].partition("l")[0]) for panel in figure.panels]
    assert heights == [round(10 * figure.y.place(0.0)), round(10 * figure.y.place(100.0))]


def test_titles_that_differ_in_their_depth_are_one_figure():
    titles = {f"consistency at depth {depth}": curve({"clean": depth, "noisy": 0.5}) for depth in (1, 2, 3)}
    other = {"consistency at depth 4": curve({"clean": 4.0}, y_label="other"), "drift": curve({"clean": 1.0})}
    figures = drawn(titles | other)
    assert [(figure.title, [panel.title for panel in figure.panels]) for figure in figures] == [
        ("consistency", ["depth 1", "depth 2", "depth 3"]),
        ("consistency", ["depth 4"]),
        ("drift", [""]),
    ]
    assert [figure.size for figure in figures] == [SMALL, LARGE, LARGE]


@pytest.mark.parametrize(
    ("series", "legend"),
    [
        (["depth 1", "depth 1, at most", "depth 2"], ["at this depth", "at most"]),
        (["parameters", "features at depth 1", "features at depth 2"], ["features", "parameters"]),
        (["depth 1", "whole network f_s"], ["depth 1", "whole network f_s"]),
        (["epoch 8", "isotropic"], ["epoch 8", "isotropic"]),
    ],
)
def test_a_legend_names_a_series_without_its_depth(series, legend):
    assert list(alone(dict.fromkeys(series, 0.5)).legend.values()) == legend


def test_series_that_coincide_are_all_to_be_seen():
    lines = alone(dict.fromkeys(("a", "b", "c"), 0.5)).panels[0].lines
    widths = [line.width for line in lines]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


def test_every_seed_is_a_line_and_few_points_are_dots():
    (line,) = alone({"a": 0.5}).panels[0].lines
    assert line.seeds.count("M") == 3
    assert line.dots.count("h0") == 2
    (line,) = drawn({"many": Curve(list(range(40)), {"a": [[1.0] * 40]}, "epoch", "loss")})[0].panels[0].lines
    assert (line.seeds, line.dots) == ("", ""), "the only seed is the mean"


def test_a_gap_is_left_where_a_seed_has_no_number():
    broken = Curve([0.0, 1.0, 2.0, 3.0], {"a": [[1.0, math.nan, 1.0, 1.0], [2.0] * 4]}, "epoch", "loss")
    (line,) = drawn({"broken": broken})[0].panels[0].lines
    assert line.mean.count("M") == 2
    assert line.seeds.count("M") == 3


# What of the claim is drawn


@pytest.mark.parametrize(
    ("direction", "bound", "around", "lines", "arrow", "words"),
    [
        ("above", 0.4, 0.0, 1, -1, "dashed: bound, must lie > 0.4"),
        ("below", 0.9, 0.0, 1, 1, "dashed: bound, must lie < 0.9"),
        ("within", 0.2, 0.5, 2, 0, "dashed: bound, must lie 0.5 ± 0.2"),
        ("above", 9.0, 0.0, 0, -1, "dashed: bound, must lie > 9 (above the axis)"),
        ("above", -9.0, 0.0, 0, -1, "dashed: bound, must lie > -9 (below the axis)"),
    ],
)
def test_a_bound_is_drawn_or_said_to_be_far(direction, bound, around, lines, arrow, words):
    criterion = Criterion("agreement", "agreement", direction, bound, around=around)
    figure = alone({"a": 0.5}, criterion, bound="agreement")
    assert (len(figure.bounds), figure.arrow) == (lines, arrow)
    assert figure.words == (words,)
    assert all(figure.y.stop <= height <= figure.y.start for height in figure.bounds)


def test_a_window_is_shaded_unless_it_is_all_there_is():
    def windowed(*ends):
        (figure,) = drawn({"memory": curve({"a": 0.5}, window="late")}, windows={"late": list(ends)})
        return figure

    figure = windowed(0.5, 40)
    left, width = figure.window
    assert left == figure.x.place(0.5)
    assert left + width == figure.size[0] - 5, "no further than the axis"
    assert figure.words == ("shaded: window late",)
    assert windowed(0, 1).window == windowed(0, 1).words == ()


def test_steps_of_the_learning_rate_are_drawn():
    figure = alone({"a": 0.5}, steps=[0.25, 0.75])
    assert figure.steps == (figure.x.place(0.25), figure.x.place(0.75))
    assert figure.words == ("dotted: steps of the rate",)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Curve([0.0, 1.0], {"clean": [[1.0]]}, "epoch", "loss"), "series 'clean': each seed needs 2 ordinates"),
        (Curve([0.0], {}, "epoch", "loss"), "has no series"),
    ],
)
def test_what_cannot_be_drawn_is_named_with_its_row(broken, message):
    with pytest.raises(EvidenceError, match=f"memory-window-small-digits: losses.*{message}"):
        drawn({"losses": broken})


# On the page


def test_the_page_has_a_picture_a_panel_and_each_label_once(tmp_path):
    write_html(tmp_path / "page.html", [ROW])
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    pictures = [found["aria-label"] for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    assert pictures == ["memory, part 1, depth 1", "memory, part 1, depth 2", "memory, part 1, depth 3"]
    assert page.text.count("agreement with f_t, over shallow epoch s") == 1
