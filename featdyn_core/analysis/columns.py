"""What several claims look at in columns of composites: quantities over the shallow epoch, trends, distributions."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError
from featdyn_core.records.column import Column
from featdyn_core.verdicts.inference import kendall
from featdyn_core.verdicts.measured import Lines

T = TypeVar("T")

ROUNDING = 1e-9
"""Of a point-wise consistency, a share of checkpoints."""


WHOLE = "whole network f_s"
"""The line of churn in a figure of composites."""


def by_depth(values: Iterable[float]) -> dict[str, float]:
    """Return one value a depth by the depth's label, ``depth 1`` being the shallowest."""
    return {f"depth {depth}": float(value) for depth, value in enumerate(values, start=1)}


def inner(found: Mapping[str, T]) -> dict[str, T]:
    """Return what was found at each depth, without the last.

    **Reading:** behind the last depth of a ResNet and of a perceptron follow no more than pooling and a linear head, so
    that a composite there is nearly ``f_s``. A convolutional network of the paper has groups behind its third depth; it
    is left out of them too, so that one rule holds for all.
    """
    return dict(list(found.items())[:-1])


def at_end(column: Column, epoch: int) -> dict[str, dict[str, float]]:
    """Return what the composites of one shallow epoch come to at each depth, such as the first epoch of a window.

    An epoch that the column does not have is a ``MeasurementError`` (see ``Column.at``), and so is an ``f_t`` that
    classifies no image as its label.

    Returns:
        Label of the depth to ``agreement``, ``accuracy`` and ``accuracy kept`` of that epoch, and to ``mean
        consistency``, that of all shallow epochs of the column over the images.
    """
    end = column.at([epoch])
    quantities = {
        "agreement": end.agreement[:, 0],
        "accuracy": end.accuracy[:, 0],
        "accuracy kept": end.accuracy_kept[:, 0],
        "mean consistency": column.consistency.mean(axis=1),
    }
    rows = {name: by_depth(values) for name, values in quantities.items()}
    return {label: {name: row[label] for name, row in rows.items()} for label in by_depth(end.agreement[:, 0])}


def gained_over_churn(column: Column, churn: Column, epoch: int) -> dict[str, float]:
    """Return agreement of the composites (epoch, t) minus that of the whole network at the epoch, at each depth.

    An epoch that one of them does not have is a ``MeasurementError`` (see ``Column.at``), and so is churn of another t
    or of other images.

    Args:
        column: the composites.
        churn: what a record of churn holds: the networks with the same t, on the same images.
        epoch: s.
    """
    _check_alike(column, churn)
    return by_depth(column.at([epoch]).agreement[:, 0] - churn.at([epoch]).agreement[0, 0])


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
        bound: name of the criterion whose bound is drawn.
        window: name of the window of the register that is shaded.
    """
    series = dict(zip(by_depth(column.agreement[:, 0]), getattr(column, quantity), strict=True))
    if churn is not None:
        _check_alike(column, churn)
        series[WHOLE] = getattr(churn.at(column.epochs.tolist()), quantity)[0]
    log = quantity == "cross_entropy"
    return Lines(column.epochs, series, "shallow epoch s", label, bound, window, over_epochs=True, log=log)


def trends(column: Column, quantity: str) -> list[float]:
    """Return Kendall's tau of a column's quantity with the shallow epoch, at each depth.

    The deep epoch t, the column's last, is left out: ``f_t`` is better than any composite, however far away that is.
    """
    return [kendall(column.epochs[:-1], row[:-1]) for row in getattr(column, quantity)]


def cumulative(consistency: Mapping[str, npt.ArrayLike]) -> Lines:
    """Return the distributions of point-wise consistency (N,), by label, as the share of images with up to x.

    No smoothing: the pile at 1 stays visible.
    """
    x = np.linspace(0, 1, 41)
    series = {
        label: (np.asarray(values)[:, None] <= x + ROUNDING).mean(axis=0) for label, values in consistency.items()
    }
    return Lines(x, series, "point-wise consistency", "share of held-out images up to it")
