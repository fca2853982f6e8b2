"""Gram matrices of changes: inner products about the mean, from which all one-step statistics follow.

The module also draws Gram matrices of isotropic changes directly, without drawing all features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featdyn_core.errors import MeasurementError

FloatArray = NDArray[np.float64]

MIN_ROWS = 3  # fewer rows leave at most one degree of freedom, where the statistic is a constant
OFF_MEAN = 1e-6
"""Largest sum of rows of a Gram matrix about the mean, over its trace; it leaves room for single precision."""
SAME = 1e-12
"""Squared length of a difference, over those of its two rows, that a Gram matrix cannot distinguish from 0."""


@dataclass(frozen=True, eq=False)
class ChangeGram:
    """Inner products of ``K`` changes about their sample mean, which all one-step statistics need.

    Attributes:
        products: (K, K) inner products of the mean-centred changes, in squared units of the changes.
        features: ``p``, the length of a change.

    Raises:
        MeasurementError: the products are not a square matrix of at least 3 rows, not finite, not symmetric or not
            about the mean, or there are no features.

    Examples:
        >>> gram = ChangeGram.of([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
        >>> gram.updates, gram.features
        (3, 2)
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
            raise MeasurementError("products hold NaN or infinity; correct the updates")
        room = OFF_MEAN * np.trace(products)
        if np.abs(products - products.T).max() > room or np.abs(products.sum(axis=1)).max() > room:
            raise MeasurementError("products are not a Gram matrix about the sample mean; make one with ChangeGram.of")

    @classmethod
    def of(cls, changes: ArrayLike) -> "ChangeGram":
        """Return the Gram matrix of (K, p) changes; it is zero, and has no statistics, if all changes are equal.

        A ``MeasurementError`` is raised if there are fewer than 3 rows or no features, if the changes are not a finite
        matrix, or if their squares leave the range of float64.
        """
        rows = change_matrix(changes)
        return cls._about_mean(rows, rows.shape[1])

    @classmethod
    def gaussian(cls, rows: int, features: int, rng: np.random.Generator) -> "ChangeGram":
        """Draw the Gram matrix of ``rows`` independent standard normal changes in ``features`` features.

        Fewer than 3 rows, or no features, are a ``MeasurementError``.
        """
        return cls._about_mean(_gaussian_rows(rows, features, rng), features)

    @classmethod
    def heavy_tailed(cls, rows: int, features: int, dof: float, rng: np.random.Generator) -> "ChangeGram":
        """Draw the Gram matrix of independent changes of the spherical multivariate t law.

        Args:
            rows: ``K``.
            features: ``p``.
            dof: degrees of freedom of the t law, above 0; each row is a standard normal row divided by
                ``√(χ²_dof / dof)``.
            rng: source of the draws.

        Raises:
            MeasurementError: there are fewer than 3 rows, no features, or no degrees of freedom.
        """
        if not dof > 0:
            raise MeasurementError(f"a t law of {dof} degrees of freedom does not exist; take more than 0")
        sample = _gaussian_rows(rows, features, rng)
        return cls._about_mean(sample / np.sqrt(rng.chisquare(dof, (rows, 1)) / dof), features)

    @property
    def updates(self) -> int:
        """``K``."""
        return len(self.products)

    @property
    def halves(self) -> tuple["ChangeGram", "ChangeGram"]:
        """Gram matrices of the first K // 2 changes and of the next K // 2, each about its own mean.

        Fewer than 3 changes in a half are a ``MeasurementError``.
        """
        half = self.updates // 2
        return self.part(slice(half)), self.part(slice(half, 2 * half))

    def part(self, rows: slice) -> "ChangeGram":
        """Return the Gram matrix of some of the changes, about their own mean."""
        products = self.products[rows, rows]
        products = products - products.mean(axis=0)
        return ChangeGram(products - products.mean(axis=1, keepdims=True), self.features)

    @classmethod
    def _about_mean(cls, rows: FloatArray, features: int) -> "ChangeGram":
        rows = change_matrix(rows)
        about = about_sample_mean(rows)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            products = about @ about.T
        if not np.isfinite(products).all() or (about.any() and not np.trace(products) > np.finfo(float).tiny):
            raise MeasurementError(beyond_floats(float(np.abs(about).max()), "squares"))
        return cls(products, features)


def change_matrix(changes: ArrayLike) -> FloatArray:
    """Return the changes as a float64 (n, p) matrix.

    Raises:
        MeasurementError: there are fewer than 3 rows or no features, or the changes are not a finite matrix.
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
        raise MeasurementError(f"{broken} of {len(rows)} changes hold NaN or infinity; correct the updates")
    return rows


def about_sample_mean(rows: FloatArray) -> FloatArray:
    """Return the rows minus their mean; the first row is subtracted first, so a constant feature becomes exactly 0.

    Rows that are too far apart are a ``MeasurementError``.
    """
    rows = differences(rows, rows[0])
    with np.errstate(over="ignore", invalid="ignore"):
        mean = rows.mean(axis=0)
    return differences(rows, mean)


def differences(rows: FloatArray, centre: FloatArray) -> FloatArray:
    """Return the rows minus a centre.

    Raises:
        MeasurementError: the rows are too far apart for a float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        about = rows - centre
    if not np.isfinite(about).all():
        raise MeasurementError(beyond_floats(float(np.abs(rows).max()), "differences"))
    return about


def beyond_floats(size: float, what: str) -> str:
    """Return the message for changes so large or small that a quantity of them leaves the range of float64."""
    return f"changes of size {size:.3g} have {what} beyond float64; use another unit"


def cosines_of_differences(products: FloatArray) -> FloatArray:
    """Return the cosines (K // 2, K // 2) between the differences of disjoint pairs of rows, from the rows' products.

    ``(x1 − x2)·(x3 − x4) = x1·x3 − x1·x4 − x2·x3 + x2·x4``, for any centre of the rows.

    A pair of equal rows is a ``MeasurementError``.
    """
    even, odd = slice(0, len(products) // 2 * 2, 2), slice(1, None, 2)
    between = products[even, even] - products[even, odd] - products[odd, even] + products[odd, odd]
    lengths = np.diagonal(products)
    squared = np.diagonal(between)
    require_directions(squared <= SAME * (lengths[even] + lengths[odd]), "their partner in a pair")
    norms = np.sqrt(squared)
    return between / norms / norms[:, np.newaxis]


def require_directions(undefined: NDArray[np.bool_], partner: str) -> None:
    """Refuse rows without direction.

    Raises:
        MeasurementError: some rows are ``undefined``, because they equal their ``partner``.
    """
    if undefined.any():
        raise MeasurementError(
            f"{undefined.sum()} of {len(undefined)} directions are undefined, their rows equal {partner};"
            " leave out updates that changed nothing"
        )


def _gaussian_rows(rows: int, features: int, rng: np.random.Generator) -> FloatArray:
    """Draw (rows, min(rows, features)) numbers whose Gram matrix is distributed as that of standard normal changes.

    With at least as many features as rows, the draw is Bartlett's factor of the Wishart matrix: lower triangular,
    ``χ_p, χ_{p−1}, …`` on the diagonal and standard normals below it, all independent (Bartlett 1933, Proc. R.
    Soc. Edinburgh 53:260).

    Raises:
        MeasurementError: there are fewer than 3 rows, or no features.
    """
    if rows < MIN_ROWS or features < 1:
        raise MeasurementError(
            f"no sample of {rows} changes in {features} features; use at least {MIN_ROWS} changes in 1 feature"
        )
    if features < rows:
        return rng.standard_normal((rows, features))
    factor = np.tril(rng.standard_normal((rows, rows)), -1)
    np.fill_diagonal(factor, np.sqrt(rng.chisquare(features - np.arange(rows))))
    return factor
