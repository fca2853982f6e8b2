"""Masks of pairs (shallow epoch, deep epoch), for grids of which all S · T composites are too many.

A mask is a table (S, T) over the ascending epochs, to be passed to ``composite_grid`` as ``pairs=``.
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
        width: in epochs, at least 0.

    Returns:
        (S, T), over the ascending epochs.

    Raises:
        MeasurementError: a negative width, or no epochs.

    Examples:
        >>> band([0, 1, 2], [2], width=1).tolist()
        [[False], [True], [True]]
    """
    if width < 0:
        raise MeasurementError(f"a band needs a width of at least 0 epochs, found {width}")
    return _gaps(shallow_epochs, deep_epochs) <= width


def geometric(shallow_epochs: Sequence[int], deep_epochs: Sequence[int], ratio: float = 2.0) -> Mask:
    """Choose, for each deep epoch, shallow epochs whose gaps to it grow geometrically on both sides.

    These are the deep epoch itself where it is among the shallow ones; on either side those nearest to the gaps
    1, r, r², … (the earlier of two equally near ones); and the first and the last shallow epoch. So a column has
    of the order of log S pairs.

    Args:
        shallow_epochs: S epochs of the part before the cut; order and repetition do not matter.
        deep_epochs: T epochs of the part after it.
        ratio: r, of one gap to the next, above 1.

    Returns:
        (S, T), over the ascending epochs.

    Raises:
        MeasurementError: a ratio of at most 1, or no epochs.

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

    So a sample meets memory, transfer and what lies between, at short gaps and long ones.

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
        MeasurementError: no shallow epoch, or no deep one.
    """
    if not len(shallow_epochs) or not len(deep_epochs):
        raise MeasurementError("a mask of pairs needs at least one shallow and one deep epoch")
    return np.abs(np.subtract.outer(np.unique(shallow_epochs), np.unique(deep_epochs)))
