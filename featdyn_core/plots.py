"""Figures for notebooks and scripts. Each function returns the matplotlib axes that it drew on.

The figures look like those of the report. Without ``axes`` they are drawn on the current axes, which pyplot creates if
there are none. matplotlib is imported when the first figure is drawn.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import EvidenceError, MeasurementError
from featdyn_core.records.column import Column
from featdyn_core.report.drawing import UNMARKED, Marks, draw_on, marks, style
from featdyn_core.tables import unknown
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from featdyn_core.measures.composites.grid import CompositeGrid

COLUMN_QUANTITIES = {
    "agreement": "agreement with f_t",
    "accuracy": "accuracy",
    "accuracy_kept": "accuracy over that of f_t",
    "cross_entropy": "cross-entropy (nats)",
}
"""Quantity of a column to the label of its axis."""

GRID_QUANTITIES = ("agreement", "accuracy", "cross_entropy")
"""Quantities of a grid that can be drawn."""


def plot_curve(curve: Curve, *, axes: "Axes | None" = None) -> "Axes":
    """Draw a curve: for each series, a thin line for each seed and a thick line for the mean.

    A curve without series, or a series without an ordinate for each seed and abscissa, is an ``EvidenceError``.

    Args:
        curve: the numbers.
        axes: to draw on; the current ones if left out.

    Examples:
        >>> axes = plot_curve(Curve([0, 1], {"depth 1": [[0.9, 1.0]]}, "epoch", "agreement"))
        >>> axes.get_ylabel()
        'agreement'
    """
    return _drawn(curve, "curve", UNMARKED, axes)


def plot_evidence(row: Evidence, title: str = "", *, axes: "Axes | None" = None) -> "Axes":
    """Draw a figure of a row of evidence, with its bound, its window and the steps of the learning rate.

    Args:
        row: a row of an evidence file (see ``read_evidence``).
        title: name of the figure, one of ``row.curves``; the first if left out.
        axes: to draw on; the current ones if left out.

    Raises:
        EvidenceError: the row has no such figure.

    Examples:
        >>> curve = Curve([0, 1], {"depth 1": [[0.9, 1.0]]}, "epoch", "agreement")
        >>> row = Evidence("forgetting", "4.2", "digits", "fast", "small", Verdict.SUPPORTED, curves={"memory": curve})
        >>> plot_evidence(row).get_title("left")
        'memory'
    """
    title = title or next(iter(row.curves), "")
    if not row.curves:
        raise EvidenceError(f"the row {row.id} has no figure, because it has no curves")
    if title not in row.curves:
        raise EvidenceError(f"the row {row.id}: {unknown('figure', title, row.curves, 'its figures are')}")
    curve = row.curves[title]
    drawn = _drawn(curve, title, marks(row, curve), axes)
    drawn.set_title(title, loc="left", fontsize="medium")
    return drawn


def plot_column(column: Column, quantity: str = "agreement", *, axes: "Axes | None" = None) -> "Axes":
    """Draw a quantity of a column of composites against the shallow epoch, with one line for each cut.

    Args:
        column: the composites ``(s, t)`` of several epochs s and one epoch t (see ``read_record``).
        quantity: ``agreement``, ``accuracy``, ``accuracy_kept`` (shares in [0, 1]) or ``cross_entropy`` (nats).
        axes: to draw on; the current ones if left out.

    Raises:
        MeasurementError: a column has no such quantity.

    Examples:
        >>> axes = plot_column(Column.planted(range(3), [0.2, 0.1, 0.0]))
        >>> axes.get_xlabel()
        'shallow epoch s'
    """
    if quantity not in COLUMN_QUANTITIES:
        raise MeasurementError(unknown("quantity", quantity, COLUMN_QUANTITIES, "those of a column are"))
    series = {cut: [row.tolist()] for cut, row in zip(column.cuts, getattr(column, quantity), strict=True)}
    label = COLUMN_QUANTITIES[quantity]
    curve = Curve(column.epochs.tolist(), series, "shallow epoch s", label, log=quantity == "cross_entropy")
    drawn = _drawn(curve, quantity, UNMARKED, axes)
    drawn.set_title(f"composites (s, {column.deep})", loc="left", fontsize="medium")
    return drawn


def plot_grid(
    grid: "CompositeGrid", cut: str = "", quantity: str = "agreement", *, axes: "Axes | None" = None
) -> "Axes":
    """Draw a quantity of a grid of composites as a map: the shallow epoch to the right, the deep epoch upwards.

    Epochs are spaced evenly, whatever their distance. Pairs that were not evaluated stay white. An unknown cut is a
    ``MeasurementError``, and so is the accuracy of a grid that was made without labels.

    Args:
        grid: result of ``composite_grid``.
        cut: a cut of the grid; the first if left out.
        quantity: ``agreement``, ``accuracy`` (shares in [0, 1]) or ``cross_entropy`` (nats).
        axes: to draw on; the current ones if left out.

    Raises:
        MeasurementError: a grid has no such quantity.
    """
    if quantity not in GRID_QUANTITIES:
        raise MeasurementError(unknown("quantity", quantity, GRID_QUANTITIES, "those of a grid are"))
    cut = cut or grid.cuts[0]
    values = getattr(grid, quantity)[grid.index(cut)]
    with style("grid"):
        axes = _current() if axes is None else axes
        image = axes.imshow(values.T, origin="lower", aspect="auto", cmap="viridis")
        axes.set(xlabel="shallow epoch s", ylabel="deep epoch t")
        axes.set_title(f"cut {cut}", loc="left", fontsize="medium")
        axes.set_xticks(*_ticks(grid.shallow_epochs))
        axes.set_yticks(*_ticks(grid.deep_epochs))
        axes.figure.colorbar(image, ax=axes, label=COLUMN_QUANTITIES[quantity])
    return axes


def _drawn(curve: Curve, name: str, shown: Marks, axes: "Axes | None") -> "Axes":
    with style(name):
        axes = _current() if axes is None else axes
        draw_on(axes, curve, name, shown)
    return axes


def _current() -> "Axes":
    from matplotlib import pyplot

    return pyplot.gca()


def _ticks(epochs: npt.NDArray[np.int64]) -> tuple[list[int], list[str]]:
    """Return the positions and labels of at most eight epochs of an axis."""
    places = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), 8)).round().astype(int)).tolist()
    return places, [str(epochs[place]) for place in places]
