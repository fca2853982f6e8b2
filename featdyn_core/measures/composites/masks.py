"""Masks of pairs (shallow epoch, deep epoch), for grids where all S · T composites are too many.

A mask is a table (S, T) over the ascending epochs. ``composite_grid`` takes it as ``pairs=``.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError

Mask = npt.NDArray[np.bool_]


def band(shallow_epochs: Sequence[int], deep_epochs: Sequence[int], width: int) -> Mask:
    """Choose the pairs at most ``width`` epochs apart, ``|s - t| ≤ width``.

    Args:
        shallow_epochs: S epochs of the part before the cut; order and repetition do not matter.
        deep_epochs: T epochs of the part after it.
        width: largest distance in epochs, at least 0.

    Returns:
        (S, T), over the ascending epochs.

    Raises:
        MeasurementError: the width is negative, or there are no epochs.

    Examples:
        >>> band([0, 1, 2], [2], width=1).tolist()
        [[False], [True], [True]]
    """
    if width < 0:
        raise MeasurementError(f"a band needs a width of at least 0 epochs, found {width}")
    return _gaps(shallow_epochs, deep_epochs) <= width


def geometric(shallow_epochs: Sequence[int], deep_epochs: Sequence[int], ratio: float = 2.0) -> Mask:
    """Choose, for each deep epoch, shallow epochs whose gaps to it grow geometrically on both sides.

    The mask chooses the deep epoch itself, if it is among the shallow ones. On either side it chooses the epochs
    nearest to the gaps 1, r, r², …; of two equally near epochs it takes the earlier. It always chooses the first and
    the last shallow epoch. So a column has of the order of log S pairs.

    Args:
        shallow_epochs: S epochs of the part before the cut; order and repetition do not matter.
        deep_epochs: T epochs of the part after it.
        ratio: r, the ratio of a gap to the one before, above 1.

    Returns:
        (S, T), over the ascending epochs.

    Raises:
        MeasurementError: the ratio is at most 1, or there are no epochs.

    Examples:
        >>> geometric(range(10), [9]).ravel().nonzero()[0].tolist()
        [0, 1, 5, 7, 8, 9]
    """
    if not ratio > 1:
        raise MeasurementError(f"a geometric mask needs a ratio above 1, found {ratio}")
    gaps = _gaps(shallow_epochs, deep_epochs)
    chosen = gaps == 0
    chosen[[0, -1]] = True
    shallow = np.unique(shallow_epochs)
    for column, epoch in enumerate(np.unique(deep_epochs)):
        for side in (np.flatnonzero(shallow < epoch), np.flatnonzero(shallow > epoch)):
            if side.size:
                present = gaps[side, column]
                wanted = ratio ** np.arange(math.floor(math.log(present.max(), ratio)) + 1)
                nearest = np.abs(np.subtract.outer(present, wanted)).argmin(axis=0)
                chosen[side[nearest], column] = True
    return chosen


def spread(evaluated: Mask, shallow_epochs: npt.ArrayLike, deep_epochs: npt.ArrayLike, count: int) -> Mask:
    """Choose ``count`` of the evaluated pairs, or all if there are fewer, evenly spaced in the order of s - t.

    So a sample has pairs of memory and of transfer, with short gaps and with long ones.

    Args:
        evaluated: (S, T), at least one pair.
        shallow_epochs: the S ascending epochs of the part before the cut.
        deep_epochs: the T ascending epochs of the part after it.
        count: at least 1.
    """
    rows, columns = np.nonzero(evaluated)
    order = np.argsort(np.subtract.outer(shallow_epochs, deep_epochs)[rows, columns], kind="stable")
    middles = (2 * np.arange(count) + 1) * len(order) // (2 * count)
    chosen = np.zeros_like(evaluated)
    chosen[rows[order[middles]], columns[order[middles]]] = True
    return chosen


def _gaps(shallow_epochs: Sequence[int], deep_epochs: Sequence[int]) -> npt.NDArray[np.int64]:
    """``|s - t|`` (S, T) in epochs, over the ascending epochs.

    Raises:
        MeasurementError: there is no shallow epoch, or no deep one.
    """
    if not len(shallow_epochs) or not len(deep_epochs):
        raise MeasurementError("a mask of pairs needs at least one shallow and one deep epoch")
    return np.abs(np.subtract.outer(np.unique(shallow_epochs), np.unique(deep_epochs)))
