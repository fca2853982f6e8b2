"""What several claims look at in columns of composites: quantities over the shallow epoch, trends, distributions."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from featdyn_core.analysis.statistics import kendall
from featdyn_core.records.column import Column
from featdyn_core.verdicts.measured import Lines

ROUNDING = 1e-9
"""Of a point-wise consistency, a share of checkpoints."""


def over_shallow_epochs(column: Column, quantity: str, label: str, *, bound: str = "", window: str = "") -> Lines:
    """Return the figure of a column's quantity over the shallow epoch, one line a depth.

    Args:
        column: the composites.
        quantity: name of a property of theirs. Cross-entropy is drawn on a logarithmic scale.
        label: of the ordinates, with unit.
        bound: name of the criterion whose bound is drawn.
        window: name of the window of the register that is shaded.
    """
    series = {f"depth {depth}": row for depth, row in enumerate(getattr(column, quantity), start=1)}
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
