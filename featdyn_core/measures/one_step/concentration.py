"""How concentrated the changes of a feature are: the spectrum of their covariance, and what it shares out.

The covariance ``S`` of ``n`` changes in ``p`` features is taken about the sample mean, or about a known
``centre``, which leaves all ``n`` degrees of freedom; what a wrong centre is off by counts as variance along
one direction (see ``noise.full_batch_change``). Everything comes from the Gram matrix on the smaller side, so
no ``p × p`` matrix is formed where ``n < p``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featdyn_core.errors import MeasurementError

FloatArray = NDArray[np.float64]

MIN_ROWS = 3  # fewer leave at most one degree of freedom, where the statistic is a constant


def spectrum(changes: ArrayLike, *, centre: ArrayLike | None = None) -> FloatArray:
    """Return the eigenvalues of the sample covariance of (n, p) changes, largest first.

    Args:
        changes: (n, p) feature changes, one repetition a row.
        centre: (p,) known mean of the changes; without it the sample mean is taken off.

    Returns:
        (min(ν, p),) eigenvalues ≥ 0 in squared units of the changes, ``ν`` being ``n − 1``, or ``n`` with a
        known centre. The ``p − min(ν, p)`` others of the covariance are zero by rank and are left out.

    Raises:
        MeasurementError: fewer than 3 rows, no features, not a matrix, not finite, or no row off the centre.
    """
    rows, dof = deviations(changes, centre)
    scale = np.abs(rows).max()
    eigenvalues = np.linalg.eigvalsh(_gram(rows / scale))[::-1][: min(dof, rows.shape[1])]
    return np.maximum(eigenvalues, 0) / dof * scale**2


def participation_ratio(changes: ArrayLike, *, centre: ArrayLike | None = None) -> float:
    """Return ``tr(S)² / tr(S²)`` of (n, p) changes: about how many directions share the variance.

    It lies between 1 (one direction) and ``min(ν, p)``; ``centre`` and the errors are those of ``spectrum``.
    """
    return participation(deviations(changes, centre)[0])


def top_share(changes: ArrayLike, k: int, *, centre: ArrayLike | None = None) -> float:
    """Return the share of the variance of (n, p) changes in their ``k`` leading directions, in (0, 1].

    Raises:
        MeasurementError: ``k`` outside ``1 … p``, and as ``spectrum``.
    """
    p = change_matrix(changes).shape[1]
    if not 1 <= k <= p:
        raise MeasurementError(f"the top {k} directions of {p} features do not exist; take k from 1 to {p}")
    eigenvalues = spectrum(changes, centre=centre)
    return float(eigenvalues[:k].sum() / eigenvalues.sum())


def change_matrix(changes: ArrayLike) -> FloatArray:
    """Return the changes as a float64 (n, p) matrix.

    Raises:
        MeasurementError: fewer than 3 rows, no features, not a matrix, or not finite.
    """
    rows = np.asarray(changes, dtype=np.float64)
    if rows.ndim != 2:
        raise MeasurementError(f"changes have shape {rows.shape}; give a matrix (repetitions, features)")
    if len(rows) < MIN_ROWS:
        raise MeasurementError(f"{len(rows)} changes are too few; give at least {MIN_ROWS} rows")
    if rows.shape[1] == 0:
        raise MeasurementError("changes have no features; give a matrix (repetitions, features)")
    broken = int((~np.isfinite(rows)).any(axis=1).sum())
    if broken:
        raise MeasurementError(f"{broken} of {len(rows)} changes hold NaN or infinity; mend the updates")
    return rows


def known_centre(centre: ArrayLike, p: int) -> FloatArray:
    """Return a known centre as a float64 (p,) vector.

    Raises:
        MeasurementError: another shape, or not finite.
    """
    vector = np.asarray(centre, dtype=np.float64)
    if vector.shape != (p,) or not np.isfinite(vector).all():
        raise MeasurementError(f"centre of shape {vector.shape} must be {p} finite numbers, one a feature")
    return vector


def deviations(changes: ArrayLike, centre: ArrayLike | None) -> tuple[FloatArray, int]:
    """Return the (n, p) deviations from the centre, not all zero, and their degrees of freedom ``ν``.

    Raises:
        MeasurementError: as ``spectrum``.
    """
    rows = change_matrix(changes)
    if centre is None:
        rows = rows - rows[0]  # first, so that a constant feature becomes exactly 0 and not a rounding error
        rows -= rows.mean(axis=0)
    else:
        rows = rows - known_centre(centre, rows.shape[1])
    if not rows.any():
        where = "equal" if centre is None else "equal to the centre"
        raise MeasurementError(
            f"all {len(rows)} changes are {where}, without variance; is the layer frozen, or the rate 0?"
        )
    return rows, len(rows) - (centre is None)


def _gram(rows: FloatArray) -> FloatArray:
    """Return the Gram matrix on the smaller side: same non-zero eigenvalues, same traces."""
    return rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows


def gram_squares(rows: FloatArray) -> float:
    """Return the sum of all squared inner products of the rows, which is ``tr(G²)``."""
    gram = _gram(rows)
    return float(np.vdot(gram, gram))


def participation(rows: FloatArray) -> float:
    """Return the participation ratio ``tr(G)² / tr(G²)`` of deviations that are not all zero."""
    rows = rows / np.abs(rows).max()  # the ratio has no scale; tiny changes must not underflow when squared
    return float(np.vdot(rows, rows)) ** 2 / gram_squares(rows)
