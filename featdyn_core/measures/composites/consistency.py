"""Temporal consistency and its windows (section 4.1, definition 2), computed from predictions.

**Reading:** agreement is with the reference network ``f_t``, as section 4.1 defines it at the data-set level. The
comparison with the label is called *correctness*. It is reported beside agreement and never replaces it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError

Floats = npt.NDArray[np.float64]

TIE = 1e-13
"""Rates of counts that differ by less than this are equal: only rounding separates them.

Two different fractions differ by at least one over the product of their denominators. So this holds as long as epochs
times images times the denominator of the tolerance is below 10¹³.
"""


def pointwise_consistency(predictions: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Point-wise consistency ``C_d(x; s, t)`` (4.1): share of composites that classify x as ``f_t`` does.

    Shapes that do not match, or an empty window, are a ``MeasurementError``.

    Args:
        predictions: classes (U, N) predicted by the composites (u, t), one row for each checkpoint u in the window.
        reference: classes (N,) predicted by ``f_t``.

    Returns:
        (N,) in [0, 1].

    Examples:
        >>> pointwise_consistency([[0, 1], [1, 1]], [1, 1]).tolist()
        [0.5, 1.0]
    """
    return _agreements(predictions, reference).mean(axis=0)


def _agreements(predictions: npt.ArrayLike, reference: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each prediction (U, N) equals that of the reference (N,); U and N are at least 1.

    Raises:
        MeasurementError: the shapes do not match, or one array is empty.
    """
    cube, row = np.asarray(predictions), np.asarray(reference)
    if cube.ndim != 2 or cube.shape[1:] != row.shape or not cube.size:
        raise MeasurementError(
            f"consistency needs predictions (U, N) and a reference (N,), found {cube.shape} and {row.shape}"
        )
    return cube == row


def share_at_one(consistency: npt.ArrayLike) -> float:
    """Share of samples whose consistency is exactly 1.

    Examples:
        >>> share_at_one([1.0, 0.5, 1.0, 0.0])
        0.5
    """
    return float(np.mean(np.asarray(consistency) == 1.0))


def tail_mass(consistency: npt.ArrayLike, level: float) -> float:
    """Share of samples whose consistency is below ``level``.

    Examples:
        >>> tail_mass([1.0, 0.5, 1.0, 0.0], level=0.5)
        0.25
    """
    return float(np.mean(np.asarray(consistency) < level))


def memory_window(agreement: npt.ArrayLike, epochs: npt.ArrayLike, level: float) -> int:
    """Memory window ``W_a(t)``: t minus the earliest s with ``C_d(u, t) ≥ a`` for all u in [s, t).

    Lengths that differ, epochs that do not ascend and values outside [0, 1] are a ``MeasurementError``.

    Args:
        agreement: ``C_d(u, t)`` for the epochs u ≤ t, in their order; the last entry is u = t.
        epochs: the ascending epochs u, the last being t.
        level: a, in [0, 1].

    Returns:
        The window in epochs; 0 if no earlier checkpoint qualifies.

    Examples:
        >>> memory_window([0.5, 0.9, 0.95, 1.0], epochs=[0, 10, 20, 30], level=0.8)
        20
    """
    column, times = _column(agreement, epochs, level)
    return int(times[-1] - times[_run_start(column, level)])


def transfer_window(agreement: npt.ArrayLike, epochs: npt.ArrayLike, level: float) -> int:
    """Transfer window: the latest s minus t such that ``C_d(u, t) ≥ a`` for every checkpoint u in (t, s].

    Arguments and errors are those of ``memory_window``, with epochs u ≥ t; the first entry is u = t.

    Examples:
        >>> transfer_window([1.0, 0.95, 0.7], epochs=[10, 20, 30], level=0.8)
        10
    """
    column, times = _column(agreement, epochs, level)
    return int(times[len(times) - 1 - _run_start(column[::-1], level)] - times[0])


def window_length(agreement: npt.ArrayLike, places: npt.ArrayLike, level: float) -> float:
    """Memory window along a path: like ``memory_window``, with an interpolated far end.

    The steps of a path have unequal lengths. A window that ended at a checkpoint would be shorter where steps are
    longer. So the window ends where agreement, interpolated linearly between checkpoints, crosses the level.

    The errors are those of ``memory_window``.

    Args:
        agreement: ``C_d(u, t)`` for the epochs u ≤ t, in their order; the last entry is u = t.
        places: the ascending lengths of the path up to each u.
        level: a, in [0, 1].

    Returns:
        The window in the units of the places. It reaches to the first place if all agreements reach the level.
    """
    column, along = _column(agreement, places, level)
    start = _run_start(column, level)
    if start == 0:
        return float(along[-1] - along[0])
    outside, inside = column[start - 1 : start + 1]
    beyond = max(0.0, inside - level) / (inside - outside) if inside > outside else 0.0
    return float(along[-1] - along[start] + beyond * (along[start] - along[start - 1]))


def _run_start(column: Floats, level: float) -> int:
    """First index of the run of values ≥ level that ends at the last entry."""
    below = np.flatnonzero(column[:-1] < level)
    return int(below[-1]) + 1 if len(below) else 0


def _column(agreement: npt.ArrayLike, epochs: npt.ArrayLike, level: float) -> tuple[Floats, npt.NDArray[Any]]:
    column, times = np.asarray(agreement, dtype=float), np.asarray(epochs)
    if column.ndim != 1 or column.shape != times.shape or not len(column):
        raise MeasurementError(f"a window needs as many agreements as epochs, found {column.shape}, {times.shape}")
    if (np.diff(times) <= 0).any():
        raise MeasurementError(f"a window needs ascending epochs, found {times.tolist()}")
    if not 0 <= level <= 1 or not ((column >= 0) & (column <= 1)).all():
        raise MeasurementError("a window needs agreements and a level in [0, 1]")
    return column, times


def window_consistency(predictions: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Point-wise consistency over every memory window at once, by prefix sums.

    For the transfer windows of epochs u ≥ t, give the rows in reverse order, u descending to t: row i then
    belongs to the window from t up to the i-th epoch from the end.

    Shapes that do not match and an empty window are a ``MeasurementError``.

    Args:
        predictions: classes (U, N) of the composites (u, t), u ascending up to t.
        reference: classes (N,) of ``f_t``.

    Returns:
        (U, N) in [0, 1]: row i is ``pointwise_consistency`` over the window of the epochs i and later.

    Examples:
        >>> window_consistency([[0, 1], [1, 1]], [1, 1]).tolist()
        [[0.5, 1.0], [1.0, 1.0]]
    """
    return _window_means(_agreements(predictions, reference))


def window_misses(predictions: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Empirical-level miss rate (definition 2) of every memory window at once, by prefix sums.

    For transfer windows, reverse the rows as in ``window_consistency``.

    Shapes that do not match and an empty window are a ``MeasurementError``.

    Args:
        predictions: classes (U, N) of the composites (u, t), u ascending up to t.
        reference: classes (N,) of ``f_t``.

    Returns:
        (U,): entry i is the mean over u ≥ epoch i and over samples of ``F_{u→t}(x) ≠ f_t(x)``.

    Examples:
        >>> window_misses([[0, 1], [1, 1]], [1, 1]).tolist()
        [0.25, 0.0]
    """
    missed = ~_agreements(predictions, reference)
    return _window_means(missed.sum(axis=1)) / missed.shape[1]


def epsilon_window(misses: npt.ArrayLike, epochs: npt.ArrayLike, epsilon: float) -> npt.NDArray[np.integer]:
    """Longest ``Δ`` for which ``(ε, Δ)`` holds at t (definition 2); it never falls as ``ε`` grows.

    A rate that equals ``ε`` as a fraction of counts stays within ``ε``, however the two are rounded (``TIE``).

    Args:
        misses: miss rate over the window from each epoch u to t. For the empirical level it is ``window_misses``, (U,);
            for the particle level it is one minus ``window_consistency``, (U, N).
        epochs: the U ascending epochs, the last being t.
        epsilon: ε, in [0, 1].

    Returns:
        The window in epochs, () or (N,); 0 where even ``f_t`` alone misses more than ``ε``.

    Raises:
        MeasurementError: lengths differ, or epochs do not ascend.

    Examples:
        >>> int(epsilon_window([0.25, 0.1, 0.0], epochs=[0, 10, 20], epsilon=0.1))
        10
    """
    rates, times = np.asarray(misses, float), np.asarray(epochs)
    if not rates.size or times.shape != rates.shape[:1] or (np.diff(times) <= 0).any():
        raise MeasurementError(
            f"a window needs a miss rate for each of its ascending epochs, found {rates.shape} for {times.tolist()}"
        )
    holds = rates <= epsilon + TIE
    return np.where(holds.any(axis=0), times[-1] - times[holds.argmax(axis=0)], 0)


def _window_means(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mean (U, ...) of the rows (U, ...) from each row to the last."""
    sizes = np.arange(len(rows), 0, -1)
    return np.cumsum(rows[::-1], axis=0)[::-1] / sizes.reshape(-1, *[1] * (rows.ndim - 1))
