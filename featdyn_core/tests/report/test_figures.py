"""Tests of a curve's files."""

import csv
import io
import math
import os
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.figures import curve_csv, curve_files
from featdyn_core.verdicts.curve import Curve


def curve(series=1, seeds=3, points=5, **names):
    lines = {f"series {part}": [[float(part + seed)] * points for seed in range(seeds)] for part in range(series)}
    return Curve([float(point) for point in range(points)], lines, **({"x_label": "epoch", "y_label": "loss"} | names))


def test_a_file_is_well_formed_and_has_its_labels_and_name():
    drawn = curve_files(curve(series=2, x_label="epoch <s> & $t$", y_label="$loss$"), "losses <of> one")["svg"].decode()
    text = " ".join(ElementTree.fromstring(drawn).itertext())
    for label in ("epoch <s> & $t$", "$loss$", "series 0", "series 1", "losses <of> one"):
        assert label in text


def test_a_file_has_white_ground_and_no_date():
    files = curve_files(curve(series=8), "losses")
    assert {kind: content[:4] for kind, content in files.items()} == {"png": b"\x89PNG", "svg": b"<?xm", "pdf": b"%PDF"}
    assert "fill: #ffffff" in files["svg"].decode()
    assert "date" not in files["svg"].decode().lower()


def test_figures_are_reproducible_and_leave_settings_alone():
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        other = curve_files(curve(), "losses")
        assert dict(matplotlib.rcParams) == before
    assert curve_files(curve(), "losses") == other


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
        curve_files(broken, "losses")


def test_a_curve_without_series_is_refused():
    with pytest.raises(EvidenceError, match="'losses' has no series"):
        curve_files(Curve([0.0], {}, "epoch", "loss"), "losses")


# Words that are long, or of another script, and a notebook's backend


WORDS = {
    "Japanese": "記憶の窓",
    "long": "x" * 300,
    "long Japanese": "記憶" * 150,
    "many": "word " * 60,
    "right to left": "אבג",
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_words_of_any_script_and_length_leave_space_for_curves(words):
    drawn = Curve([0.0, 1.0], {words: [[0.0, 1.0]], "other": [[1.0, 0.0]]}, x_label=words, y_label=words)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(curve_files(drawn, words).values())


def test_words_that_fit_are_drawn_as_they_are():
    label, title = "x" * 43, "word " * 11 + "word"
    text = curve_files(curve(x_label=label), title)["svg"].decode()
    assert f">{label}<" in text
    assert f">{title}<" in text


@pytest.mark.parametrize(
    ("backend", "kept"), [("module://matplotlib_inline.nowhere", "x"), ("no-backend", "x"), ("svg", "svg")]
)
def test_a_missing_backend_does_not_stop_a_figure(backend, kept):
    """In a process of its own: it is read when matplotlib is imported."""
    script = (
        "from featdyn_core.verdicts.evidence import Curve\n"
        "from featdyn_core.report.figures import curve_files\n"
        "curve_files(Curve([0.0, 1.0], {'s': [[0.0, 1.0]]}, x_label='x', y_label='y'), 'name')\n"
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
