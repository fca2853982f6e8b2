"""What several claims look at in columns of composites: quantities over the shallow epoch, trends, distributions."""

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
"""Of a point-wise consistency, a share of checkpoints."""


WHOLE = "whole network f_s"
"""The line of churn in a figure of composites."""


def across(column: Column) -> dict[str, dict[str, Number]]:
    """Return what the composites of the shallow epoch that is furthest from t come to.

    An ``f_t`` that classifies no image as its label is a ``MeasurementError``.

    Returns:
        ``agreement``, ``accuracy`` and ``accuracy kept`` of that epoch, ``cross-entropy`` (nats), and ``mean
        consistency``, that of all shallow epochs of the column over the images, to the number at each depth.

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
    """Return the mean over images of point-wise consistency over all shallow epochs of a column, at each depth.

    Examples:
        >>> mean_consistency(Column.planted(range(3), [0.2, 0.1, 0.0]))["depth 1"]
        Counted(value=0.9, of=1000)
    """
    return by_depth(column.consistency.mean(axis=1), of=column.images)


def gained_over_churn(column: Column, churn: Column) -> dict[str, Number]:
    """Return, at each depth, the agreement of the composite furthest from t minus that of the whole network there.

    Churn that lacks the epoch is a ``MeasurementError`` (see ``Column.at``), and so is that of another t or of other
    images.

    Args:
        column: the composites.
        churn: what a record of churn holds: the networks with the same t, on the same images.

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
        MeasurementError: names what differs.
    """
    if column.deep != churn.deep:
        raise MeasurementError(f"composites under f_t at epoch {column.deep} have no churn at epoch {churn.deep}")
    if not np.array_equal(column.labels, churn.labels):
        raise MeasurementError("churn is of other images than the composites; take the same split and corruption")


def over_shallow_epochs(
    column: Column, quantity: str, label: str, *, churn: Column | None = None, bound: str = "", window: str = ""
) -> Lines:
    """Return the figure of a column's quantity over the shallow epoch, one line a depth.

    Churn that lacks one of the epochs is a ``MeasurementError`` (see ``Column.at``), and so is that of another t or of
    other images.

    Args:
        column: the composites.
        quantity: name of a property of theirs. Cross-entropy is drawn on a logarithmic scale.
        label: of the ordinates, with unit.
        churn: the whole networks, a line of their own.
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

    The deep epoch t, the column's last, is left out: ``f_t`` is better than any composite, however far away that is.

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
    """Return the distributions of point-wise consistency (N,), by label, as the share of images with up to x.

    No smoothing: the pile at 1 stays visible.

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
