"""How concentrated the changes of a feature are: the spectrum of their covariance, and what it shares out.

The covariance ``S`` of ``n`` changes in ``p`` features is taken about the sample mean, or about a known
``centre``, which leaves all ``n`` degrees of freedom; what a wrong centre is off by counts as variance along
one direction (see ``protocol.full_batch_change``). Everything comes from the Gram matrix on the smaller side, so
no ``p × p`` matrix is formed where ``n < p``. A ``ChangeGram`` therefore serves as well as the changes about
their mean, and is what is kept of them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featdyn_core.errors import MeasurementError

FloatArray = NDArray[np.float64]

MIN_ROWS = 3  # fewer leave at most one degree of freedom, where the statistic is a constant
OFF_MEAN = 1e-6
"""Most that the rows of a Gram matrix about the mean may sum to, in its trace: room for single precision."""


@dataclass(frozen=True, eq=False)
class ChangeGram:
    """What the one-step statistics need of ``K`` changes: their inner products about their sample mean.

    Attributes:
        products: (K, K) inner products of the mean-centred changes, in squared units of the changes.
        features: ``p``, the length of a change.

    Raises:
        MeasurementError: not a square matrix of at least 3 rows, not finite, not symmetric, not about the mean,
            or no features.
    """

    products: FloatArray
    features: int

    def __post_init__(self) -> None:
        products = np.asarray(self.products, dtype=np.float64)
        object.__setattr__(self, "products", products)
        if products.ndim != 2 or products.shape[0] != products.shape[1] or len(products) < MIN_ROWS:
            raise MeasurementError(
                f"products have shape {products.shape}; give those of at least {MIN_ROWS} changes, (K, K)"
            )
        if self.features < 1:
            raise MeasurementError(f"{self.features} features: a change has at least 1")
        if not np.isfinite(products).all():
            raise MeasurementError("products hold NaN or infinity; mend the updates")
        room = OFF_MEAN * np.trace(products)
        if np.abs(products - products.T).max() > room or np.abs(products.sum(axis=1)).max() > room:
            raise MeasurementError("products are no Gram matrix about the sample mean; make it by ChangeGram.of")

    @classmethod
    def of(cls, changes: ArrayLike) -> "ChangeGram":
        """Return the Gram matrix of (K, p) changes; zero, and without statistics, where all are equal.

        A ``MeasurementError`` says that there are fewer than 3 rows or no features; that it is not a matrix, or not
        finite; or that changes are so small or large that their squares leave the range of float64.
        """
        rows = change_matrix(changes)
        return cls._about_mean(rows, rows.shape[1])

    @classmethod
    def gaussian(cls, rows: int, features: int, rng: np.random.Generator) -> "ChangeGram":
        """Draw the Gram matrix of ``rows`` independent standard normal changes in ``features`` features.

        Fewer than 3 rows and no features are a ``MeasurementError``.
        """
        return cls._about_mean(_gaussian_rows(rows, features, rng), features)

    @classmethod
    def heavy_tailed(cls, rows: int, features: int, dof: float, rng: np.random.Generator) -> "ChangeGram":
        """Draw the Gram matrix of independent changes of the spherical multivariate t law.

        Args:
            rows: ``K``.
            features: ``p``.
            dof: degrees of freedom of the t law, above 0; each row is a standard normal one divided by
                ``√(χ²_dof / dof)``.
            rng: source of the draws.

        Raises:
            MeasurementError: fewer than 3 rows, no features, or no degrees of freedom.
        """
        if not dof > 0:
            raise MeasurementError(f"a t law of {dof} degrees of freedom does not exist; take more than 0")
        sample = _gaussian_rows(rows, features, rng)
        return cls._about_mean(sample / np.sqrt(rng.chisquare(dof, (rows, 1)) / dof), features)

    def part(self, rows: slice) -> "ChangeGram":
        """Return the Gram matrix of some of the changes, about their own mean."""
        products = self.products[rows, rows]
        products = products - products.mean(axis=0)
        return ChangeGram(products - products.mean(axis=1, keepdims=True), self.features)

    @classmethod
    def _about_mean(cls, rows: FloatArray, features: int) -> "ChangeGram":
        rows = change_matrix(rows)
        about = _about_sample_mean(rows)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            products = about @ about.T
        if not np.isfinite(products).all() or (about.any() and not np.trace(products) > np.finfo(float).tiny):
            size = np.abs(about).max()
            raise MeasurementError(f"changes of size {size:.3g} have squares beyond float64; give them another unit")
        return cls(products, features)


Changes = ArrayLike | ChangeGram
"""(n, p) changes, one repetition a row, or their Gram matrix."""


class Scatter(NamedTuple):
    """Deviations of the changes from a centre, not all zero, as far as traces and eigenvalues need them.

    Attributes:
        gram: their Gram matrix in units of ``scale²``, on the smaller side or over the rows.
        scale: a size of the deviations, so that tiny ones do not underflow when squared.
        dof: degrees of freedom ``ν``.
        features: ``p``.
    """

    gram: FloatArray
    scale: float
    dof: int
    features: int

    @property
    def participation(self) -> float:
        """The participation ratio ``tr(G)² / tr(G²)``."""
        return float(np.trace(self.gram)) ** 2 / float(np.vdot(self.gram, self.gram))


def spectrum(changes: Changes, *, centre: ArrayLike | None = None) -> FloatArray:
    """Return the eigenvalues of the sample covariance of (n, p) changes, largest first.

    A ``MeasurementError`` says that there are fewer than 3 rows or no features; that it is not a matrix, or not finite;
    that no row is off the centre; or that a Gram matrix has a centre.

    Args:
        changes: (n, p) feature changes, one repetition a row, or their Gram matrix.
        centre: (p,) known mean of the changes; without it the sample mean is taken off. A Gram matrix is
            about the sample mean already.

    Returns:
        (min(ν, p),) eigenvalues ≥ 0 in squared units of the changes, ``ν`` being ``n − 1``, or ``n`` with a
        known centre. The ``p − min(ν, p)`` others of the covariance are zero by rank and are left out.
    """
    found = scatter(changes, centre)
    eigenvalues = np.linalg.eigvalsh(found.gram)[::-1][: min(found.dof, found.features)]
    return np.maximum(eigenvalues, 0) / found.dof * found.scale**2


def participation_ratio(changes: Changes, *, centre: ArrayLike | None = None) -> float:
    """Return ``tr(S)² / tr(S²)`` of (n, p) changes: about how many directions share the variance.

    It lies between 1 (one direction) and ``min(ν, p)``; ``centre`` and the errors are those of ``spectrum``.
    """
    return scatter(changes, centre).participation


def top_share(changes: Changes, k: int, *, centre: ArrayLike | None = None) -> float:
    """Return the share of the variance of (n, p) changes in their ``k`` leading directions, in (0, 1].

    Raises:
        MeasurementError: ``k`` outside ``1 … p``, and as ``spectrum``.
    """
    p = changes.features if isinstance(changes, ChangeGram) else change_matrix(changes).shape[1]
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


def scatter(changes: Changes, centre: ArrayLike | None) -> Scatter:
    """Return the deviations of the changes from the centre.

    Raises:
        MeasurementError: no row is off the centre, or what else ``spectrum`` refuses.
    """
    if isinstance(changes, ChangeGram):
        refuse_centre(centre)
        size = float(np.trace(changes.products))
        if not size:
            raise MeasurementError(_without_variance(len(changes.products), "equal"))
        return Scatter(changes.products / size, size**0.5, len(changes.products) - 1, changes.features)
    rows = change_matrix(changes)
    about = _about_sample_mean(rows) if centre is None else rows - known_centre(centre, rows.shape[1])
    scale = float(np.abs(about).max())
    if not scale:
        raise MeasurementError(_without_variance(len(rows), "equal" if centre is None else "equal to the centre"))
    return Scatter(smaller_gram(about / scale), scale, len(rows) - (centre is None), rows.shape[1])


def refuse_centre(centre: ArrayLike | None) -> None:
    """Refuse a centre for a Gram matrix.

    Raises:
        MeasurementError: there is one.
    """
    if centre is not None:
        raise MeasurementError("a Gram matrix is about the sample mean; give the changes for a known centre")


def smaller_gram(rows: FloatArray) -> FloatArray:
    """Return the Gram matrix on the smaller side: same non-zero eigenvalues, same traces."""
    return rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows


def _about_sample_mean(rows: FloatArray) -> FloatArray:
    """Return the rows less their mean; the first goes first, so that a constant feature becomes exactly 0."""
    rows = rows - rows[0]
    return rows - rows.mean(axis=0)


def _without_variance(count: int, where: str) -> str:
    return f"all {count} changes are {where}, without variance; is the layer frozen, or the rate 0?"


def _gaussian_rows(rows: int, features: int, rng: np.random.Generator) -> FloatArray:
    """Draw (rows, min(rows, features)) numbers whose Gram matrix has the law of that of standard normal changes.

    Where features are no fewer than rows that is Bartlett's factor of the Wishart matrix: lower triangular,
    ``χ_p, χ_{p−1}, …`` on the diagonal and standard normals below it, all independent (Bartlett 1933, Proc. R.
    Soc. Edinburgh 53:260).

    Raises:
        MeasurementError: fewer than 3 rows, or no features.
    """
    if rows < MIN_ROWS or features < 1:
        raise MeasurementError(f"no sample of {rows} changes in {features} features; take at least {MIN_ROWS} in 1")
    if features < rows:
        return rng.standard_normal((rows, features))
    factor = np.tril(rng.standard_normal((rows, rows)), -1)
    np.fill_diagonal(factor, np.sqrt(rng.chisquare(features - np.arange(rows))))
    return factor
