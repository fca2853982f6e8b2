"""Figures for notebooks: the returned axes show the requested data."""

import dataclasses

import numpy as np
import pytest
from matplotlib import pyplot

from featdyn_core.errors import EvidenceError, MeasurementError
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.plots import plot_column, plot_curve, plot_evidence, plot_grid
from featdyn_core.records.column import Column
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.curve import Curve

CURVE = Curve([0, 1, 2], {"depth 1": [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]}, "epoch", "agreement")
COLUMN = Column.planted(range(3), [[0.2, 0.1, 0.0], [0.4, 0.3, 0.0], [0.5, 0.1, 0.0]])


@pytest.fixture(autouse=True)
def _no_window():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture
def grid():
    """Two cuts, three shallow and two deep epochs; one pair was not evaluated."""
    predictions = np.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4) % 3
    evaluated = np.array([[True, True], [True, True], [True, False]])
    losses = np.where(evaluated, 1.5, np.nan) * np.ones((2, 1, 1))
    return CompositeGrid(
        ("stem", "body"), np.array([0, 4, 20]), np.array([4, 20]), predictions, np.ones((2, 4)), evaluated, losses, None
    )


def labelled(axes):
    """Return the lines that the legend names, each as its abscissae and ordinates."""
    lines = {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    return {label: (line.get_xdata(), line.get_ydata()) for label, line in lines.items()}


def test_a_curve_is_drawn_on_the_axes_that_are_given():
    _, (left, right) = pyplot.subplots(ncols=2)
    assert plot_curve(CURVE, axes=left) is left
    assert labelled(left)["depth 1"][1] == pytest.approx([0.2, 0.3, 0.4])
    assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "agreement")
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["depth 1"]
    assert not right.lines


def test_a_curve_is_drawn_on_the_current_axes_by_default():
    current = pyplot.gca()
    assert plot_curve(CURVE) is current


def test_a_users_settings_are_as_before():
    before = dict(pyplot.rcParams)
    plot_curve(CURVE)
    assert dict(pyplot.rcParams) == before


def test_a_row_is_drawn_with_its_bound_and_its_window():
    curve = dataclasses.replace(CURVE, x=[0, 20, 40], bound="agreement, held-out", window="memory")
    row = evidence("memory-window", curves=0)
    row = dataclasses.replace(row, curves={"first": CURVE, "second": curve})
    assert plot_evidence(row).get_title("left") == "first"
    axes = plot_evidence(row, "second", axes=pyplot.figure().add_subplot())
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["depth 1", "window memory", "holds above 0.95"]


def test_a_row_without_the_figure_is_refused():
    row = evidence("memory-window", curves=1)
    with pytest.raises(EvidenceError, match="unknown figure 'memory'; did you mean 'memory, part 1'"):
        plot_evidence(row, "memory")
    with pytest.raises(EvidenceError, match="has no figure"):
        plot_evidence(evidence("memory-window", curves=0))


@pytest.mark.parametrize("quantity", ["agreement", "accuracy", "accuracy_kept", "cross_entropy"])
def test_a_column_is_drawn_cut_by_cut(quantity):
    axes = plot_column(COLUMN, quantity)
    drawn = labelled(axes)
    assert tuple(drawn) == COLUMN.cuts
    for line, values in zip(drawn.values(), getattr(COLUMN, quantity), strict=True):
        assert line[0] == pytest.approx(COLUMN.epochs)
        assert line[1] == pytest.approx(values)
    assert axes.get_yscale() == ("log" if quantity == "cross_entropy" else "linear")


def test_a_grid_is_a_map_with_the_deep_epoch_upwards(grid):
    axes = plot_grid(grid, "body")
    (image,) = axes.images
    assert np.ma.filled(image.get_array(), np.nan) == pytest.approx(grid.agreement[1].T, nan_ok=True)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "4", "20"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["4", "20"]
    assert image.origin == "lower"
    assert plot_grid(grid, axes=pyplot.figure().add_subplot()).get_title("left") == "cut stem"


def test_what_cannot_be_drawn_is_refused(grid):
    with pytest.raises(MeasurementError, match="unknown quantity 'agrement'; did you mean 'agreement'"):
        plot_column(COLUMN, "agrement")
    with pytest.raises(MeasurementError, match="unknown quantity 'flip_rate'"):
        plot_grid(grid, quantity="flip_rate")
    with pytest.raises(MeasurementError, match="cut 'head' is not in this grid"):
        plot_grid(grid, "head")
    with pytest.raises(MeasurementError, match="accuracy needs labels"):
        plot_grid(grid, quantity="accuracy")
