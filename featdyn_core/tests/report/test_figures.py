"""Tests of the figures: interval strips and curves."""

import csv
import io
import itertools
import math
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.report.figures import PALETTE, curve_csv, curve_file, curve_svg, interval_strip
from featdyn_core.verdicts.claim import Criterion
from featdyn_core.verdicts.evidence import Curve

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


def styles_of_means(drawn):
    """(colour, dashes) of each thick line."""
    found = re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="([^"]*stroke-width: 2[;"][^"]*)', drawn)
    dashes = [re.search(r"stroke-dasharray: ([^;]+)", style) for style in found]
    return [
        (re.search(r"stroke: ([^;]+)", style)[1], dash and dash[1]) for style, dash in zip(found, dashes, strict=True)
    ]


def test_neighbouring_series_differ_in_colour_and_in_line_style():
    """So that they can be told apart without colours."""
    styles = styles_of_means(curve_svg(curve(series=9, seeds=2, points=20), "losses"))
    assert len(styles) == len(set(styles)) == 9
    assert len({colour for colour, _ in styles[:8]}) == len(set(PALETTE)) == 8
    assert len({dashes for _, dashes in styles[:5]}) == 5
    assert all(one[0] != other[0] and one[1] != other[1] for one, other in itertools.pairwise(styles))


def test_a_seeds_line_has_the_style_of_its_mean():
    drawn = curve_svg(curve(series=2, seeds=3, points=20), "losses")
    dashed = re.findall(r"stroke-dasharray: [^;]+; stroke-dashoffset: 0; stroke: #e69f00; stroke-opacity: 0.45", drawn)
    assert len(dashed) == 3


def test_whole_abscissae_have_whole_ticks():
    few = Curve([1.0, 2.0, 3.0], {"a": [[0.0, 0.0, 0.0]]}, "depth", "loss")
    text = " ".join(ElementTree.fromstring(curve_svg(few, "losses")).itertext()).split()
    assert {"1", "2", "3"} <= set(text)
    assert not any(tick.startswith("1.5") for tick in text)


def test_a_gap_is_left_where_a_seed_has_no_number():
    broken = Curve([0.0, 1.0, 2.0, 3.0], {"a": [[1.0, math.nan, 1.0, 1.0], [2.0] * 4]}, "epoch", "loss")
    drawn = curve_svg(broken, "losses")
    path = re.search(r'<path d="([^"]*)" clip-path[^>]*stroke-width: 2[;"]', drawn)[1]
    assert path.count("M") == 2


@pytest.mark.parametrize(("points", "marked"), [(12, True), (13, False)])
def test_few_points_are_marked(points, marked):
    circles = re.findall(r"\nC ", curve_svg(curve(points=points), "losses"))  # nothing else is round
    assert bool(circles) is marked


def test_figures_are_the_same_twice_and_under_other_settings_which_they_leave_alone():
    def drawn():
        return curve_svg(curve(), "losses"), *(curve_file(curve(), "losses", kind) for kind in ("png", "svg"))

    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        other = drawn()
        assert dict(matplotlib.rcParams) == before
    assert drawn() == other


def test_identifiers_of_two_figures_differ():
    one, two = (set(re.findall(r' id="([^"]+)"', curve_svg(curve(), name))) for name in ("one", "two"))
    assert one
    assert not one & two


def test_a_file_has_its_name_on_it_and_white_ground():
    assert curve_file(curve(series=8), "losses", "png").startswith(b"\x89PNG\r\n\x1a\n")
    drawn = curve_file(curve(), "losses <of> one", "svg").decode()
    assert "losses <of> one" in " ".join(ElementTree.fromstring(drawn).itertext())
    assert "fill: #ffffff" in drawn
    assert "currentColor" not in drawn
    assert "date" not in drawn.lower()


def test_a_table_has_every_number_of_a_curve():
    drawn = Curve([0.0, 0.1 + 0.2], {"a, b": [[1.0, math.nan], [3.0, 4.0]], "c": [[5.0, 6.0]]}, "epoch", "loss (nats)")
    rows = list(csv.reader(io.StringIO(curve_csv(drawn, [7, 9]))))
    assert rows == [
        ["series", "seed", "epoch", "loss (nats)"],
        ["a, b", "7", "0.0", "1.0"],
        ["a, b", "7", "0.30000000000000004", ""],
        ["a, b", "9", "0.0", "3.0"],
        ["a, b", "9", "0.30000000000000004", "4.0"],
        ["c", "0", "0.0", "5.0"],
        ["c", "0", "0.30000000000000004", "6.0"],
    ]


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


# Words that are long, or of another script, and a notebook's backend


WORDS = {
    "Japanese": "記憶の窓",
    "long": "x" * 300,
    "long Japanese": "記憶" * 150,
    "many": "word " * 60,
    "right to left": "אבג",
}


@pytest.mark.parametrize("kind", ["svg", "png"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_words_of_any_script_and_length_leave_space_for_the_curves(words, kind):
    drawn = Curve([0.0, 1.0], {words: [[0.0, 1.0]], "other": [[1.0, 0.0]]}, x_label=words, y_label=words)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert curve_file(drawn, words, kind)


def test_words_that_fit_are_drawn_as_they_are():
    label, title = "x" * 50, "word " * 13 + "word"
    text = curve_file(curve(x_label=label), title, "svg").decode()
    assert f">{label}<" in text
    assert f">{title}<" in text


@pytest.mark.parametrize(
    ("backend", "kept"), [("module://matplotlib_inline.nowhere", "x"), ("no-backend", "x"), ("svg", "svg")]
)
def test_a_backend_that_is_not_installed_keeps_no_figure_from_being_drawn(backend, kept):
    """In a process of its own: it is read when matplotlib is imported."""
    script = (
        "from featdyn_core.verdicts.evidence import Curve\n"
        "from featdyn_core.report.figures import curve_file\n"
        "curve_file(Curve([0.0, 1.0], {'s': [[0.0, 1.0]]}, x_label='x', y_label='y'), 'name', 'png')\n"
        "import matplotlib, os\n"
        f"assert os.environ['MPLBACKEND'] == {backend!r}\n"
        f"assert {kept!r} == 'x' or matplotlib.get_backend() == {kept!r}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
