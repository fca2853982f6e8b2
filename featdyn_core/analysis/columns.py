"""Quantities of columns of composites that several claims use: values, trends and distributions."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from featdyn_core.analysis.items import by_depth
from featdyn_core.analysis.statistics import kendall
from featdyn_core.errors import MeasurementError
from featdyn_core.records.column import Column
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Number

ROUNDING = 1e-9
"""Rounding error of a point-wise consistency."""


WHOLE = "whole network f_s"
"""Label of the whole networks (churn) in a figure of composites."""


def across(column: Column) -> dict[str, dict[str, Number]]:
    """Return the numbers of the composites whose shallow epoch is furthest from t.

    An ``f_t`` that classifies no image as its label is a ``MeasurementError``.

    Returns:
        Names to the number at each depth: ``agreement``, ``accuracy``, ``accuracy kept`` and ``cross-entropy`` (nats)
        at that epoch, and ``mean consistency`` over all shallow epochs and images.

    Examples:
        >>> across(Column.planted(range(3), [0.2, 0.1, 0.0]))["agreement"]["depth 1"]
        Counted(value=0.8, of=1000)
    """
    end = column.at([column.far_end])
    return {
        "agreement": by_depth(end.agreement[:, 0], of=end.images),
        "accuracy": by_depth(end.accuracy[:, 0], of=end.images),
        "accuracy kept": by_depth(end.accuracy_kept[:, 0], of=end.images),
        "cross-entropy": by_depth(end.cross_entropy[:, 0]),
        "mean consistency": mean_consistency(column),
    }


def mean_consistency(column: Column) -> dict[str, Number]:
    """Return point-wise consistency over all shallow epochs of a column, averaged over images, at each depth.

    Examples:
        >>> mean_consistency(Column.planted(range(3), [0.2, 0.1, 0.0]))["depth 1"]
        Counted(value=0.9, of=1000)
    """
    return by_depth(column.consistency.mean(axis=1), of=column.images)


def gained_over_churn(column: Column, churn: Column) -> dict[str, Number]:
    """Return, at each depth, the agreement of the composite furthest from t minus that of its epoch's network.

    Churn without this epoch (see ``Column.at``), with another t or on other images is a ``MeasurementError``.

    Args:
        column: the composites.
        churn: the whole networks of a record of churn, with the same t and on the same images.

    Examples:
        >>> column, whole = Column.planted(range(3), 0.1), Column.planted(range(3), 0.2, cuts=(WHOLE_NETWORK,))
        >>> round(float(gained_over_churn(column, whole)["depth 1"]), 6)
        0.1
    """
    _check_alike(column, churn)
    epoch = [column.far_end]
    return by_depth(column.at(epoch).agreement[:, 0] - churn.at(epoch).agreement[0, 0], of=column.images)


def _check_alike(column: Column, churn: Column) -> None:
    """Refuse whole networks that are not the baseline of these composites.

    Raises:
        MeasurementError: t or the images differ.
    """
    if column.deep != churn.deep:
        raise MeasurementError(
            f"composites at t = {column.deep} cannot be compared with churn at t = {churn.deep}; take the same t"
        )
    if not np.array_equal(column.labels, churn.labels):
        raise MeasurementError("churn and composites are on different images; take the same split and corruption")


def over_shallow_epochs(
    column: Column, quantity: str, label: str, *, churn: Column | None = None, bound: str = "", window: str = ""
) -> Lines:
    """Return the figure of a column's quantity over the shallow epoch, with one line per depth.

    Churn without one of the epochs (see ``Column.at``), with another t or on other images is a ``MeasurementError``.

    Args:
        column: the composites.
        quantity: name of a property of the column; cross-entropy is drawn on a logarithmic scale.
        label: label of the ordinates, with unit.
        churn: the whole networks, drawn as a line of their own.
        bound: name of the criterion whose bound is drawn, without an item.
        window: name of the window of the register that is shaded.

    Examples:
        >>> lines = over_shallow_epochs(Column.planted(range(3), 0.1), "agreement", "agreement with f_t")
        >>> list(lines.series), lines.x.tolist()
        (['depth 1', 'depth 2', 'depth 3'], [0, 1, 2])
    """
    series = dict(zip(by_depth(column.agreement[:, 0]), getattr(column, quantity), strict=True))
    if churn is not None:
        _check_alike(column, churn)
        series[WHOLE] = getattr(churn.at(column.epochs.tolist()), quantity)[0]
    log = quantity == "cross_entropy"
    return Lines(column.epochs, series, "shallow epoch s", label, bound, window, over_epochs=True, log=log)


def trends(column: Column, quantity: str) -> dict[str, Number]:
    """Return Kendall's tau of a column's quantity with the shallow epoch, at each depth.

    The column's last epoch, t, is left out, because ``f_t`` itself is better than any composite.

    Examples:
        >>> trends(Column.planted(range(4), [0.3, 0.2, 0.1, 0.0]), "agreement")["depth 1"]
        Counted(value=1.0, of=3)
    """
    epochs = column.epochs[:-1]
    return by_depth([kendall(epochs, row[:-1]) for row in getattr(column, quantity)], of=math.comb(len(epochs), 2))


def accuracy_lost(column: Column) -> dict[str, Number]:
    """Return, at each depth, the accuracy of ``f_t`` minus that of the composite furthest from t.

    Examples:
        >>> lost = accuracy_lost(Column.planted(range(3), [0.2, 0.1, 0.0]))["depth 1"]
        >>> round(float(lost), 4), lost.of
        (0.2, 1000)
    """
    end = column.at([column.far_end])
    return by_depth(end.reference_accuracy - end.accuracy[:, 0], of=end.images)


def cumulative(consistency: Mapping[str, npt.ArrayLike]) -> Lines:
    """Return the cumulative distributions of point-wise consistency (N,), by label.

    They are not smoothed, so that the jump at 1 stays visible.

    Examples:
        >>> lines = cumulative({"all stay": [1.0, 1.0], "none stays": [0.0, 0.0]})
        >>> [float(values[0]) for values in lines.series.values()]
        [0.0, 1.0]
    """
    x = np.linspace(0, 1, 41)
    series = {
        label: (np.asarray(values)[:, None] <= x + ROUNDING).mean(axis=0) for label, values in consistency.items()
    }
    return Lines(x, series, "point-wise consistency", "share of held-out images up to it")
