"""Are the changes of a feature isotropic? Two tests of sphericity, and the spectrum behind them.

Everything rests on one number, the participation ratio ``PR = tr(S)² / tr(S²)`` of the sample covariance
``S`` of ``n`` changes in ``p`` features. John's statistic is ``U = p / PR − 1`` and the paper's (App. E) is
``T = ‖p·S / tr S − I‖_F = √(p·U)``. Both traces come from the Gram matrix on the smaller side, so no ``p ×
p`` matrix is formed where ``n < p``.

``isotropy_test`` compares ``T`` with Gaussian samples, so it also rejects changes that are isotropic but
heavy-tailed. ``sign_test`` sees directions alone and keeps its size for every elliptical law: read the two
together.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from featdyn_core.errors import MeasurementError

FloatArray = NDArray[np.float64]

MIN_ROWS = 3  # fewer leave at most one degree of freedom, where the statistic is a constant


@dataclass(frozen=True)
class IsotropyResult:
    """The outcome of ``isotropy_test``.

    Attributes:
        statistic: ``T = ‖p·S / tr S − I‖_F``, in ``[0, √(p² − p)]``; 0 where the sample is exactly isotropic.
        p_value: ``(1 + #{T* ≥ T}) / (draws + 1)``, at least ``1 / (draws + 1)``.
        john_u: John's ``U = T² / p``.
        ledoit_wolf_z: ``(ν·U − p − 1) / 2``, standard normal under the null as ``ν`` and ``p`` grow together.
        ledoit_wolf_p: its right tail, a check of ``p_value`` that needs no draws.
        degrees_of_freedom: ``ν``, which is ``n − 1``, or ``n`` where the centre is known.
        draws: the number of null statistics.
    """

    statistic: float
    p_value: float
    john_u: float
    ledoit_wolf_z: float
    ledoit_wolf_p: float
    degrees_of_freedom: int
    draws: int


@dataclass(frozen=True)
class SignResult:
    """The outcome of ``sign_test``.

    Attributes:
        statistic: standardised sum of squared cosines, mean 0 and variance 1 under the null.
        p_value: its right tail.
        directions: the number of directions that entered, all rows or half of them.
    """

    statistic: float
    p_value: float
    directions: int


def isotropy_test(
    changes: ArrayLike,
    *,
    draws: int = 9999,
    rng: np.random.Generator | None = None,
    centre: ArrayLike | None = None,
) -> IsotropyResult:
    """Test by parametric bootstrap that Gaussian changes have a covariance proportional to the identity.

    Args:
        changes: (n, p) feature changes, one repetition a row; independent rows.
        draws: number of bootstrap draws, at least 1.
        rng: draws a null of this call's own. Without it the test uses the one null of its ``(ν, p, draws)``,
            drawn once a process from a generator that those three numbers seed: a deterministic result, and
            no further cost at the next epoch or sample. Tests that share a null share its Monte Carlo error.
        centre: (p,) known mean of the changes; without it the sample mean is taken off.

    Raises:
        MeasurementError: fewer than 3 rows, fewer than 2 features, not a matrix, not finite, or all rows
            equal.

    References:
        App. E of the paper; John (1971), Biometrika 58:123; Ledoit and Wolf (2002), Ann. Statist. 30:1081.
    """
    rows, dof = _deviations(changes, centre)
    p = rows.shape[1]
    if p < 2:
        raise MeasurementError("one feature alone is always isotropic; give changes of at least 2 features")
    if draws < 1:
        raise MeasurementError(f"draws is {draws}; the bootstrap needs at least 1 draw")
    u = _john_u(rows)
    statistic = float(np.sqrt(p * u))
    null = _shared_null(dof, p, draws) if rng is None else np.sort(null_statistics(dof, p, draws, rng))
    at_least = draws - int(np.searchsorted(null, statistic, side="left"))
    z = (dof * u - p - 1) / 2
    return IsotropyResult(
        statistic=statistic,
        p_value=(1 + at_least) / (draws + 1),
        john_u=u,
        ledoit_wolf_z=z,
        ledoit_wolf_p=float(stats.norm.sf(z)),
        degrees_of_freedom=dof,
        draws=draws,
    )


def null_statistics(dof: int, p: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """Draw the paper's statistic of isotropic Gaussian samples, exactly and without drawing the samples.

    A Wishart matrix of ``ν`` degrees of freedom has the non-zero eigenvalues of ``B·Bᵀ`` with ``B`` lower
    bidiagonal of order ``m = min(ν, p)`` and independent entries: ``χ_M, …, χ_{M−m+1}`` on the diagonal (``M
    = max(ν, p)``) and ``χ_{m−1}, …, χ_1`` below it. ``B·Bᵀ`` is tridiagonal, so both traces need only the
    squares of the entries: ``2m − 1`` chi-squares a draw, summed along the diagonal for all draws at once.
    Memory is a few numbers a draw, whatever ``ν`` and ``p``. The mean is known: ``E[T²/p] = p(ν + p + 1) /
    (νp + 2) − 1``.

    Args:
        dof: ``ν``, degrees of freedom: the rows, less one where the mean is estimated.
        p: number of features.
        draws: number of statistics.
        rng: source of the chi-squares.

    Returns:
        (draws,) statistics ``T``, unsorted.

    References:
        Silverstein (1985), Ann. Probab. 13:1364; Dumitriu and Edelman (2002), J. Math. Phys. 43:5830.
    """
    m, largest = min(dof, p), max(dof, p)
    trace, squares = np.zeros(draws), np.zeros(draws)
    below = np.zeros(draws)  # squared entry left of the diagonal in the current row of B; none in the first
    for i in range(m):
        # A chi-square is twice a gamma of half its degrees; T does not depend on scale, so the 2 is left out.
        diagonal = rng.standard_gamma((largest - i) / 2, draws)
        entry = diagonal + below
        trace += entry
        squares += entry * entry
        if i + 1 < m:
            below = rng.standard_gamma((m - 1 - i) / 2, draws)
            squares += 2 * diagonal * below
    return np.sqrt(np.maximum(p * (p * squares / trace**2 - 1), 0))


@lru_cache(maxsize=64)
def _shared_null(dof: int, p: int, draws: int) -> FloatArray:
    """Return the sorted null statistics that all tests of one size share; read-only, as it is shared."""
    null = np.sort(null_statistics(dof, p, draws, np.random.default_rng((dof, p, draws))))
    null.setflags(write=False)
    return null


def sign_test(changes: ArrayLike, *, centre: ArrayLike | None = None) -> SignResult:
    """Test that the directions of the changes are uniform on the sphere, whatever the law of their lengths.

    With unit vectors ``u_i = x_i / ‖x_i‖`` of ``N`` changes, ``Q = p / (N(N−1)) · Σ_{i≠j} (u_iᵀu_j)² − 1``
    has mean 0 and variance ``4(p−1) / (N(N−1)(p+2))`` under every spherical law. The standardised ``Q`` tends
    to a standardised chi-square of ``(p+2)(p−1)/2`` degrees of freedom as ``N`` grows, and that to N(0, 1) as
    ``p`` does; the tail is the chi-square's, because the normal tail is too light where ``p`` is small.

    A known ``centre`` lets all rows enter. Without one the directions are those of the differences of
    disjoint pairs of rows (1st − 2nd, 3rd − 4th, …), which any elliptical law centres at 0 exactly, with the
    same axes; this halves ``N``, and an odd last row is left out. Taking off the sample mean would make the
    directions dependent.

    Args:
        changes: (n, p) feature changes, one repetition a row; independent rows.
        centre: (p,) known centre of the law.

    Raises:
        MeasurementError: fewer than 3 rows (4 without a centre), fewer than 2 features, not a matrix, not
            finite, or a direction that is undefined because a row equals the centre or its partner.

    References:
        Hallin and Paindaveine (2006), Ann. Statist. 34:2707; Zou et al. (2014), Biometrika 101:229.
    """
    rows = _matrix(changes)
    if centre is not None:
        rows = rows - _centre(centre, rows.shape[1])
    elif len(rows) < 4:
        raise MeasurementError(f"{len(rows)} changes make one pair; give at least 4 rows, or a known centre")
    else:
        rows = rows[0 : len(rows) // 2 * 2 : 2] - rows[1::2]
    count, p = rows.shape
    if p < 2:
        raise MeasurementError("one feature alone has no directions; give changes of at least 2 features")
    units = _unit_rows(rows, "the centre" if centre is not None else "their partner in a pair")
    pairs = count * (count - 1)
    q = p / pairs * (_gram_squares(units) - count) - 1
    z = q / np.sqrt(4 * (p - 1) / (pairs * (p + 2)))
    dof = (p + 2) * (p - 1) / 2
    return SignResult(float(z), float(stats.chi2.sf(dof + z * np.sqrt(2 * dof), dof)), count)


def sphericity(changes: ArrayLike, *, centre: ArrayLike | None = None) -> float:
    """Return the paper's statistic ``‖p·S / tr S − I‖_F`` (App. E) of (n, p) changes, in ``[0, √(p² − p)]``.

    ``centre`` and the errors are those of ``isotropy_test``.
    """
    rows, _ = _deviations(changes, centre)
    return float(np.sqrt(rows.shape[1] * _john_u(rows)))


def participation_ratio(changes: ArrayLike, *, centre: ArrayLike | None = None) -> float:
    """Return ``tr(S)² / tr(S²)`` of (n, p) changes: about how many directions share the variance.

    It lies between 1 (one direction) and ``min(ν, p)``; ``centre`` and the errors are those of
    ``isotropy_test``.
    """
    return _participation(_deviations(changes, centre)[0])


def spectrum(changes: ArrayLike, *, centre: ArrayLike | None = None) -> FloatArray:
    """Return the eigenvalues of the sample covariance of (n, p) changes, largest first.

    Args:
        changes: (n, p) feature changes, one repetition a row.
        centre: (p,) known mean of the changes; without it the sample mean is taken off.

    Returns:
        (min(ν, p),) eigenvalues ≥ 0 in squared units of the changes, ``ν`` being ``n − 1``, or ``n`` with a
        known centre. The ``p − min(ν, p)`` others of the covariance are zero by rank and are left out.

    Raises:
        MeasurementError: as ``isotropy_test``.
    """
    rows, dof = _deviations(changes, centre)
    scale = np.abs(rows).max()
    eigenvalues = np.linalg.eigvalsh(_gram(rows / scale))[::-1][: min(dof, rows.shape[1])]
    return np.maximum(eigenvalues, 0) / dof * scale**2


def top_share(changes: ArrayLike, k: int, *, centre: ArrayLike | None = None) -> float:
    """Return the share of the variance of (n, p) changes in their ``k`` leading directions, in (0, 1].

    Raises:
        MeasurementError: ``k`` outside ``1 … p``, and as ``isotropy_test``.
    """
    p = _matrix(changes).shape[1]
    if not 1 <= k <= p:
        raise MeasurementError(f"the top {k} directions of {p} features do not exist; take k from 1 to {p}")
    eigenvalues = spectrum(changes, centre=centre)
    return float(eigenvalues[:k].sum() / eigenvalues.sum())


def _matrix(changes: ArrayLike) -> FloatArray:
    """Return the changes as a checked float64 (n, p) matrix."""
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


def _centre(centre: ArrayLike, p: int) -> FloatArray:
    """Return a known centre as a checked float64 (p,) vector."""
    vector = np.asarray(centre, dtype=np.float64)
    if vector.shape != (p,) or not np.isfinite(vector).all():
        raise MeasurementError(f"centre of shape {vector.shape} must be {p} finite numbers, one a feature")
    return vector


def _deviations(changes: ArrayLike, centre: ArrayLike | None) -> tuple[FloatArray, int]:
    """Return the (n, p) deviations from the centre, not all zero, and their degrees of freedom."""
    rows = _matrix(changes)
    if centre is None:
        rows = rows - rows[0]  # first, so that a constant feature becomes exactly 0 and not a rounding error
        rows -= rows.mean(axis=0)
    else:
        rows = rows - _centre(centre, rows.shape[1])
    if not rows.any():
        where = "equal" if centre is None else "equal to the centre"
        raise MeasurementError(
            f"all {len(rows)} changes are {where}, without variance; is the layer frozen, or the rate 0?"
        )
    return rows, len(rows) - (centre is None)


def _gram(rows: FloatArray) -> FloatArray:
    """Return the Gram matrix on the smaller side: same non-zero eigenvalues, same traces."""
    return rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows


def _gram_squares(rows: FloatArray) -> float:
    """Return the sum of all squared inner products of the rows."""
    gram = _gram(rows)
    return float(np.vdot(gram, gram))


def _participation(rows: FloatArray) -> float:
    """Return tr(G)² / ‖G‖_F² of the deviations."""
    rows = rows / np.abs(rows).max()  # the ratio has no scale; tiny changes must not underflow when squared
    return float(np.vdot(rows, rows)) ** 2 / _gram_squares(rows)


def _john_u(rows: FloatArray) -> float:
    """Return John's U of the deviations; at least 0 but for rounding, which is cut off."""
    return max(rows.shape[1] / _participation(rows) - 1, 0.0)


def _unit_rows(rows: FloatArray, partner: str) -> FloatArray:
    """Return the rows at length 1; a row of zeros has no direction."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    undefined = int((largest == 0).sum())
    if undefined:
        raise MeasurementError(
            f"{undefined} of {len(rows)} directions are undefined, their rows equal {partner};"
            " leave out updates that changed nothing"
        )
    rows = rows / largest  # before squaring, so that tiny rows do not underflow
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
