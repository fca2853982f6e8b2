"""Distances between two samples of features, and their relation to total variation.

Theorem 3 of the paper (App. G) bounds a class's generalization gap by a total variation distance, which
samples of features do not give. Maximum mean discrepancy (kernels in [0, 1]) and Wasserstein distance
(bounded features) are at most a constant times total variation: they bound it from *below* only. The theorem needs a
bound from above, so none of them can replace total variation there. They are surrogates, to be correlated with the gap.
``total_variation`` has a lower bound on the scale of total variation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from featdyn_core.errors import MeasurementError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

MEDIAN_MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)  # default bandwidths, in units of the median pooled distance
ROUNDING = (
    1e-12  # difference between two orders of summation, relative to the terms: closer permuted statistics are ties
)
CLOSE = 1e-3  # squared distance over the squared lengths of its rows; below this, inner products lose too many digits


@dataclass(frozen=True)
class MMDResult:
    """The outcome of ``mmd``.

    Attributes:
        statistic: unbiased estimate of MMD²; negative values are possible and mean "no difference seen".
        p_value: ``(1 + #{permuted ≥ observed}) / (permutations + 1)``, or None without permutations.
        bandwidths: the Gaussian bandwidths over which the kernel is averaged, in units of the features.
    """

    statistic: float
    p_value: float | None
    bandwidths: tuple[float, ...]


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bandwidths: Sequence[float] | None = None,
    permutations: int = 0,
    groups: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> MMDResult:
    """Estimate the squared maximum mean discrepancy of two samples, and test that it is zero.

    The kernel is the mean of Gaussian kernels ``exp(−‖a − b‖² / (2h²))`` over the bandwidths ``h``. Rows of one group
    depend on each other, so their pairs are left out, as is the pair of a row with itself. The test permutes the
    assignment of groups to x. All permutations are one product of the (summed) kernel with the matrix of their sides,
    so memory grows by three numbers for each group and permutation.

    Args:
        x: (n, p) features, ``n ≥ 2``.
        y: (m, p) features, ``m ≥ 2``.
        bandwidths: positive ``h``; by default 1/4, 1/2, 1, 2 and 4 times the median pooled distance.
        permutations: number of permutations; 0 gives no p-value.
        groups: (n + m,) labels of the rows of x, then of y. Rows of one image, for example over epochs, depend on each
            other and must move together, so give them the same label. Each group lies in one sample, and all groups
            have the same number of rows; otherwise they are not exchangeable. Each sample has at least two groups.
            Without groups every row is a group of its own.
        rng: draws the permutations.

    Raises:
        MeasurementError: the samples do not match or are not finite, a bandwidth is not positive, the median distance
            is zero or beyond float64, permutations lack ``rng``, or the groups are not exchangeable.

    References:
        Gretton et al. (2012), JMLR 13:723, Eq. 3, with groups in place of single observations.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(20, 2))
        >>> mmd(x, x + 3, permutations=99, rng=np.random.default_rng(0)).p_value
        0.01
    """
    x, y = checked_samples(x, y)
    if permutations < 0 or (permutations and rng is None):
        raise MeasurementError(f"{permutations} permutations asked for; give 0, or a positive number and rng")
    distances = _distances(np.concatenate([x, y]))
    widths = _bandwidths(distances, bandwidths)
    kernel = _kernel(distances, widths)
    side = np.repeat([1.0, 0.0], [len(x), len(y)])
    size = 1
    if groups is not None:
        kernel, side, size = _by_group(kernel, side, group_index(groups, len(side)))
    if not permutations or rng is None:
        return MMDResult(float(_unbiased(kernel, side[:, None], size)[0]), None, widths)
    permuted = rng.permuted(np.tile(side, (permutations, 1)), axis=1)
    observed, *null = _unbiased(kernel, np.column_stack([side, permuted.T]), size)
    at_least = int((np.asarray(null) >= observed - ROUNDING).sum())
    return MMDResult(float(observed), (1 + at_least) / (permutations + 1), widths)


def energy_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Return the energy distance ``√(2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖)`` of two empirical laws.

    It is a metric, in the square root of the features' unit. In one dimension it equals
    ``scipy.stats.energy_distance``.

    Samples that do not match, are not finite, or are so far apart that the distance overflows are a
    ``MeasurementError``.

    Args:
        x: (n, p) features, ``n ≥ 2``.
        y: (m, p) features, ``m ≥ 2``.

    References:
        Székely and Rizzo (2013), J. Stat. Plan. Inference 143:1249.

    Examples:
        >>> round(energy_distance([[0.0], [0.0]], [[1.0], [1.0]]), 4)
        1.4142
    """
    x, y, unit = _in_units(*checked_samples(x, y))
    # Distances entry by entry: from inner products, equal rows would be √rounding apart and not 0.
    squared = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    return _finite(math.sqrt(max(squared, 0.0)) * math.sqrt(unit))


def sliced_wasserstein(
    x: ArrayLike, y: ArrayLike, *, projections: int = 128, rng: np.random.Generator, order: float = 2
) -> float:
    """Return the sliced Wasserstein distance ``(mean_θ W_q(θᵀx, θᵀy)^q)^{1/q}`` of two empirical laws.

    Args:
        x: (n, p) features, ``n ≥ 2``.
        y: (m, p) features, ``m ≥ 2``; the sizes may differ.
        projections: number of directions ``θ``, uniform on the sphere.
        rng: draws the directions; two calls with equal generators use the same ones.
        order: ``q``, finite and at least 1.

    Returns:
        The distance, in units of the features.

    Raises:
        MeasurementError: the samples do not match, are not finite, or are so far apart that the distance overflows;
            there is no projection; or the order is below 1 or infinite.

    References:
        Bonneel et al. (2015), J. Math. Imaging Vis. 51:22.

    Examples:
        >>> sliced_wasserstein([[0.0], [0.0]], [[1.0], [1.0]], rng=np.random.default_rng(0))
        1.0
    """
    x, y, unit = _in_units(*checked_samples(x, y))
    if not (projections >= 1 and 1 <= order < np.inf):
        raise MeasurementError(f"{projections} projections of order {order}; both must be at least 1, and finite")
    theta = _directions(x.shape[1], projections, rng)
    take_x, take_y, weight = _quantile_coupling(len(x), len(y))
    gaps = np.abs(np.sort(x @ theta, axis=0)[take_x] - np.sort(y @ theta, axis=0)[take_y])
    largest = float(gaps.max()) or 1.0  # powers of shares of the largest distance do not overflow
    return _finite(float((weight @ (gaps / largest) ** order).mean() ** (1 / order)) * largest * unit)


def checked_samples(x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return both samples as float64 matrices (n, p) and (m, p).

    Raises:
        MeasurementError: they are not matrices, have fewer than 2 rows or no features, are not finite, or differ in
            width.
    """
    samples = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    for name, rows in zip("xy", samples, strict=True):
        if rows.ndim != 2 or rows.shape[1] == 0:
            raise MeasurementError(f"{name} has shape {rows.shape}; give a matrix (rows, features)")
        if len(rows) < 2:
            raise MeasurementError(f"{name} has {len(rows)} rows; a distance of laws needs at least 2")
        if not np.isfinite(rows).all():
            raise MeasurementError(f"{name} holds NaN or infinity; correct the features first")
    widths = samples[0].shape[1], samples[1].shape[1]
    if widths[0] != widths[1]:
        raise MeasurementError(f"x has {widths[0]} features and y {widths[1]}; compare samples from one cut")
    return samples


def _in_units(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Return both samples in units of a power of two near their largest number, and that unit; no bit is lost."""
    exponent = int(np.frexp(max(np.abs(x).max(), np.abs(y).max()))[1]) - 1  # at most 1023, of which 2 has the power
    return np.ldexp(x, -exponent), np.ldexp(y, -exponent), math.ldexp(1.0, exponent)


def _finite(distance: float) -> float:
    if not math.isfinite(distance):
        raise MeasurementError("the samples are so far apart that their distance overflows; use another unit")
    return distance


def _distances(rows: FloatArray) -> FloatArray:
    """Return all distances of the rows, (n, n), from inner products, or from differences for close rows."""
    scaled, _, unit = _in_units(rows, rows)
    centred = scaled - scaled.mean(axis=0)  # a common offset would only add rounding
    squares = np.einsum("ij,ij->i", centred, centred)
    sums = squares[:, None] + squares
    squared = sums - 2 * (centred @ centred.T)
    close = squared <= CLOSE * sums
    with np.errstate(over="ignore"):
        distances = np.sqrt(np.maximum(squared, 0)) * unit
    for row in range(len(rows)):
        others = np.flatnonzero(close[row, : row + 1])
        distances[row, others] = distances[others, row] = _norms(rows[others] - rows[row])
    return distances


def _norms(rows: FloatArray) -> FloatArray:
    """Return the length of each row, without underflow or overflow."""
    largest = np.abs(rows).max(axis=1)
    return largest * np.linalg.norm(rows / np.where(largest > 0, largest, 1)[:, None], axis=1)


def _bandwidths(distances: FloatArray, bandwidths: Sequence[float] | None) -> tuple[float, ...]:
    """Return the checked bandwidths, or the default multiples of the median distance.

    Raises:
        MeasurementError: there is no bandwidth, one is not positive, or the default's median distance is 0.
    """
    if bandwidths is None:
        median = float(np.median(distances[np.triu_indices_from(distances, k=1)]))
        if median == 0:
            raise MeasurementError("the median distance is 0 because most rows are equal; give bandwidths")
        return tuple(_finite(median * multiple) for multiple in MEDIAN_MULTIPLES)
    if len(bandwidths) == 0 or not all(0 < h < np.inf for h in bandwidths):
        raise MeasurementError(f"bandwidths {list(bandwidths)} must be one or more positive numbers")
    return tuple(float(h) for h in bandwidths)


def _kernel(distances: FloatArray, bandwidths: tuple[float, ...]) -> FloatArray:
    """Return the mean Gaussian kernel of all pairs of rows; 0 for a row with itself."""
    kernel = np.zeros_like(distances)
    with np.errstate(over="ignore"):  # rows many bandwidths apart, whose kernel is 0
        for h in bandwidths:
            kernel += np.exp(-np.square(distances / h) / 2)
    np.fill_diagonal(kernel, 0)
    return kernel / len(bandwidths)


def _unbiased(kernel: FloatArray, sides: FloatArray, size: int) -> FloatArray:
    """Return the unbiased MMD² of every column of sides.

    Args:
        kernel: (G, G) kernel summed over the pairs of rows of two groups; 0 for a group with itself.
        sides: (G, P), 1 where the group belongs to x and 0 where it belongs to y.
        size: number of rows in a group.
    """
    n = size * sides[:, 0].sum()
    m = size * len(sides) - n
    within_x = np.einsum("gp,gp->p", sides, kernel @ sides)
    across = kernel.sum(axis=0) @ sides - within_x
    within_y = kernel.sum() - 2 * across - within_x
    return within_x / (n * (n - size)) + within_y / (m * (m - size)) - 2 * across / (n * m)


def group_index(groups: ArrayLike, rows: int) -> IntArray:
    """Return the number 0 … G−1 of each row's group.

    Raises:
        MeasurementError: there is not one label for each row.
    """
    labels = np.asarray(groups)
    if labels.shape != (rows,):
        raise MeasurementError(f"groups have shape {labels.shape}; give {rows} labels, the rows of x then of y")
    return np.unique(labels, return_inverse=True)[1]


def _by_group(kernel: FloatArray, side: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray, int]:
    """Return the kernel summed over pairs of groups, the groups' sides, and their common size.

    Raises:
        MeasurementError: groups differ in size, a group lies in both samples, or a sample has fewer than 2 groups.
    """
    sizes = np.bincount(index)
    if sizes.min() != sizes.max():
        raise MeasurementError(
            f"groups have {sizes.min()} to {sizes.max()} rows; only groups of one size are exchangeable"
        )
    count, size = len(sizes), int(sizes[0])
    order = np.argsort(index, kind="stable")
    by_group = side[order].reshape(count, size)
    mixed = int((by_group != by_group[:, :1]).any(axis=1).sum())
    if mixed:
        raise MeasurementError(f"{mixed} of {count} groups lie in both samples; give each image to one")
    in_x = int(by_group[:, 0].sum())
    for name, found in (("x", in_x), ("y", count - in_x)):
        if found < 2:
            raise MeasurementError(f"{name} has {found} group; an unbiased distance needs at least 2 in each sample")
    summed = kernel[np.ix_(order, order)].reshape(count, size, count, size).sum(axis=(1, 3))
    np.fill_diagonal(summed, 0)
    return summed, by_group[:, 0], size


def _directions(p: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Return (p, count) unit columns, uniform on the sphere."""
    directions = rng.standard_normal((p, count))
    return directions / np.linalg.norm(directions, axis=0)


def _quantile_coupling(n: int, m: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the optimal plan on a line: the indices of coupled sorted rows among n and m, and their mass."""
    steps = np.union1d(np.arange(n) * m, np.arange(m) * n)  # quantiles, in integer units of 1 / (n·m)
    return steps // m, steps // n, np.diff(steps, append=n * m) / (n * m)
