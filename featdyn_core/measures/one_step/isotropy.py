"""Are the changes of a feature isotropic? Two tests of sphericity.

Both rest on the participation ratio ``PR = tr(S)² / tr(S²)`` of the covariance ``S`` of ``n`` changes in ``p``
features. John's statistic is ``U = p / PR − 1`` and the paper's (App. E) is ``T = ‖p·S / tr S − I‖_F =
√(p·U)``.

``isotropy_test`` compares ``T`` with Gaussian samples, so it also rejects changes that are isotropic but
heavy-tailed. ``sign_test`` uses directions only, and keeps its size for every elliptical law. Read the two together.
Both take the changes or their kept form, with the same result.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import (
    Changes,
    Kept,
    Scatter,
    known_centre,
    refuse_centre,
    scatter,
    smaller_gram,
)
from featdyn_core.measures.one_step.gram import (
    ChangeGram,
    FloatArray,
    change_matrix,
    cosines_of_differences,
    differences,
    require_directions,
)
from featdyn_core.measures.one_step.sign_law import sign_tail


@dataclass(frozen=True)
class IsotropyResult:
    """The outcome of ``isotropy_test``.

    Attributes:
        statistic: ``T = ‖p·S / tr S − I‖_F``, in ``[0, √(p² − p)]``; 0 if the sample is exactly isotropic.
        p_value: ``(1 + #{T* ≥ T}) / (draws + 1)``, at least ``1 / (draws + 1)``.
        john_u: John's ``U = T² / p``.
        john_p: right tail of the chi-square of ``f = (p + 2)(p − 1) / 2`` degrees of freedom, John's limit as
            ``ν`` grows, at ``(νp + 2)·U / 2``, whose mean under the null is exactly ``f``.
        ledoit_wolf_z: ``(ν·U − p − 1) / 2``, standard normal under the null as ``ν`` and ``p`` grow together.
        ledoit_wolf_p: its right tail. Both tails are checks of ``p_value`` that need no draws.
        degrees_of_freedom: ``ν``, which is ``n − 1``, or ``n`` with a known centre.
        draws: the number of null statistics.
    """

    statistic: float
    p_value: float
    john_u: float
    john_p: float
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
        directions: the number of directions in the test: all rows, or half of them.
    """

    statistic: float
    p_value: float
    directions: int


def isotropy_test(
    changes: Changes,
    *,
    draws: int = 9999,
    rng: np.random.Generator | None = None,
    centre: ArrayLike | None = None,
) -> IsotropyResult:
    """Test by parametric bootstrap that Gaussian changes have a covariance proportional to the identity.

    Args:
        changes: (n, p) feature changes, one repetition a row, or the kept form of the changes; independent rows.
        draws: number of bootstrap draws, at least 1.
        rng: draws a null sample for this call. Without it, the test uses one null sample for each ``(ν, p, draws)``.
            These three numbers seed it, and a process draws it once, so the result is deterministic and later calls
            cost nothing more. Tests that share a null sample share its Monte Carlo error.
        centre: (p,) known mean of the changes, which leaves all ``n`` degrees of freedom; by default the sample mean. A
            wrong centre is a departure from the null, and the test rejects it. The centre of
            ``protocol.full_batch_change`` is the mean of features to first order only.

    Raises:
        MeasurementError: there are fewer than 3 rows or fewer than 2 features, the changes are not a finite matrix, all
            rows are equal, kept changes are given a centre, or draws is not a number of at least 1.

    References:
        App. E of the paper; John (1971), Biometrika 58:123; Ledoit and Wolf (2002), Ann. Statist. 30:1081.

    Examples:
        >>> changes = np.random.default_rng(0).normal(size=(12, 5)) * [9, 1, 1, 1, 1]
        >>> isotropy_test(changes, draws=99, rng=np.random.default_rng(0)).p_value
        0.01
    """
    found = scatter(changes, centre)
    dof, p = found.dof, found.features
    if p < 2:
        raise MeasurementError("one feature alone is always isotropic; give changes of at least 2 features")
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < 1:
        raise MeasurementError(f"draws is {draws}; the bootstrap needs at least 1 draw, a whole number")
    u = _john_u(found)
    statistic = float(np.sqrt(p * u))
    null = _shared_null(dof, p, draws) if rng is None else np.sort(null_statistics(dof, p, draws, rng))
    at_least = draws - int(np.searchsorted(null, statistic, side="left"))
    z = (dof * u - p - 1) / 2
    return IsotropyResult(
        statistic=statistic,
        p_value=(1 + at_least) / (draws + 1),
        john_u=u,
        john_p=float(special.chdtrc((p + 2) * (p - 1) / 2, (dof * p + 2) * u / 2)),
        ledoit_wolf_z=z,
        ledoit_wolf_p=float(special.ndtr(-z)),
        degrees_of_freedom=dof,
        draws=draws,
    )


def null_statistics(dof: int, p: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """Draw the paper's statistic of isotropic Gaussian samples exactly, without drawing the samples.

    A Wishart matrix of ``ν`` degrees of freedom has the non-zero eigenvalues of ``B·Bᵀ`` with ``B`` lower
    bidiagonal of order ``m = min(ν, p)`` and independent entries: ``χ_M, …, χ_{M−m+1}`` on the diagonal (``M
    = max(ν, p)``) and ``χ_{m−1}, …, χ_1`` below it. ``B·Bᵀ`` is tridiagonal, so both traces need only the
    squares of the entries: ``2m − 1`` chi-squares a draw, summed along the diagonal for all draws at once.
    Memory is a few numbers a draw, for any ``ν`` and ``p``. The mean is known: ``E[T²/p] = p(ν + p + 1) /
    (νp + 2) − 1``.

    Args:
        dof: ``ν``, degrees of freedom: the number of rows, minus one if the mean is estimated.
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
    """Return the sorted null statistics that all tests of one size share; the array is read-only."""
    null = np.sort(null_statistics(dof, p, draws, np.random.default_rng((dof, p, draws))))
    null.setflags(write=False)
    return null


def sign_test(changes: Changes, *, centre: ArrayLike | None = None) -> SignResult:
    """Test that the directions of the changes are uniform on the sphere, for any law of their lengths.

    With unit vectors ``u_i = x_i / ‖x_i‖`` of ``N`` changes, ``Q = p / (N(N−1)) · Σ_{i≠j} (u_iᵀu_j)² − 1``
    has mean 0 and variance ``4(p−1) / (N(N−1)(p+2))`` under every spherical law. Its tail is that of a
    chi-square with the same skewness, ``sign_tail``.

    With a known ``centre`` the test uses all rows. Without one it uses the differences of disjoint pairs of rows (1st −
    2nd, 3rd − 4th, …). For any elliptical law they are centred at 0 exactly, with the same axes. This halves ``N``, and
    an odd last row is left out. Subtracting the sample mean would make the directions dependent.

    A ``MeasurementError`` is raised if there are fewer than 3 rows (4 without a centre) or fewer than 2 features, if
    the changes are not a finite matrix, if a direction is undefined because a row equals the centre or its partner, or
    if kept changes are given a centre.

    Args:
        changes: (n, p) feature changes, one repetition a row, or the kept form of the changes; independent rows.
        centre: (p,) known centre of the law; kept changes take none.

    References:
        Hallin and Paindaveine (2006), Ann. Statist. 34:2707; Zou et al. (2014), Biometrika 101:229.

    Examples:
        >>> changes = np.random.default_rng(0).normal(size=(48, 5)) * [9, 1, 1, 1, 1]  # one axis leads
        >>> sign_test(changes).p_value < 0.001
        True
    """
    squares, count, p = _cosine_squares(changes, centre)
    pairs = count * (count - 1)
    q = p / pairs * (squares - count) - 1
    z = q / np.sqrt(4 * (p - 1) / (pairs * (p + 2)))
    return SignResult(float(z), float(sign_tail(z, count, p)), count)


def sphericity(changes: Changes, *, centre: ArrayLike | None = None) -> float:
    """Return the paper's statistic ``‖p·S / tr S − I‖_F`` (App. E) of (n, p) changes, in ``[0, √(p² − p)]``.

    ``centre`` and the errors are those of ``isotropy_test``.
    """
    found = scatter(changes, centre)
    return float(np.sqrt(found.features * _john_u(found)))


def _john_u(found: Scatter) -> float:
    """Return John's U of the deviations; negative values from rounding are cut off at 0."""
    return max(found.features / found.participation - 1, 0.0)


def _cosine_squares(changes: Changes, centre: ArrayLike | None) -> tuple[float, int, int]:
    """Return the sum of squared cosines over all N² pairs of directions, N, and the number of features."""
    if isinstance(changes, Kept):
        refuse_centre(centre)
        _require_pairs(changes.updates, changes.features)
        cosines = directions_kept(changes)
        return float(np.vdot(cosines, cosines)), len(cosines), changes.features
    rows = change_matrix(changes)
    _require_pairs(len(rows) if centre is None else 4, rows.shape[1])
    if centre is None:
        units = _unit_rows(differences(rows[0 : len(rows) // 2 * 2 : 2], rows[1::2]), "their partner in a pair")
    else:
        units = _unit_rows(differences(rows, known_centre(centre, rows.shape[1])), "the centre")
    cosines = smaller_gram(units)
    return float(np.vdot(cosines, cosines)), *units.shape


def directions_kept(changes: Kept) -> FloatArray:
    """Return the cosines between the directions of changes, or the eigenvalues of the cosines if those are kept.

    The squares of both have the same sum.

    Raises:
        MeasurementError: a direction is undefined, or directions are not kept.
    """
    if isinstance(changes, ChangeGram):
        return cosines_of_differences(changes.products)
    if not len(changes.directions):
        raise MeasurementError("no directions are kept of these changes; does one equal its partner in a pair?")
    return changes.directions


def _require_pairs(count: int, features: int) -> None:
    if count < 4:
        raise MeasurementError(f"{count} changes make one pair; give at least 4 rows, or a known centre")
    if features < 2:
        raise MeasurementError("one feature alone has no directions; give changes of at least 2 features")


def _unit_rows(rows: FloatArray, partner: str) -> FloatArray:
    """Return the rows at length 1; a row of zeros has no direction."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    require_directions(largest == 0, partner)
    rows = rows / largest  # before squaring, so that tiny rows do not underflow
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
