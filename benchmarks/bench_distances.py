"""The permutation test of the maximum mean discrepancy: one matrix product against a loop over permutations.

Both baselines have the same kernel matrix, computed once from inner products in float64 numpy. "Loop over blocks" is
the textbook's test: for each permutation it takes the three blocks of the re-ordered kernel and their means. "Loop over
vectors" needs one matrix-vector product for each permutation, which is the best that one permutation at a time allows.
All sides use the same permutations, so the gate requires equal statistics and equal p-values.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.ratio import ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.measures.distances.discrepancies import mmd

FEATURES = 64
BANDWIDTH = 8.0  # near the distance of the samples' rows, which is about √(2·64)
TOLERANCE = 1e-12  # of MMD², absolute; the kernel lies in [0, 1]

Result = tuple[float, float | None]  # MMD² and its p-value
Test = Callable[[np.ndarray, np.ndarray, int, int], Result]
Statistic = Callable[[np.ndarray], float]


def blocks(kernel: np.ndarray) -> Statistic:
    """Return the unbiased MMD² as a function of the sides, from the three blocks of the kernel."""

    def statistic(side: np.ndarray) -> float:
        in_x, in_y = np.flatnonzero(side == 1), np.flatnonzero(side == 0)
        n, m = len(in_x), len(in_y)
        within_x = kernel[np.ix_(in_x, in_x)].sum() / (n * (n - 1))
        within_y = kernel[np.ix_(in_y, in_y)].sum() / (m * (m - 1))
        return within_x + within_y - 2 * kernel[np.ix_(in_x, in_y)].mean()

    return statistic


def vectors(kernel: np.ndarray) -> Statistic:
    """Return the unbiased MMD² as a function of the sides, from the kernel times the sides."""
    total = kernel.sum()

    def statistic(side: np.ndarray) -> float:
        to_x, other = kernel @ side, 1 - side
        n, m = side.sum(), other.sum()
        within_x, across = side @ to_x, other @ to_x
        within_y = total - within_x - 2 * across
        return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)

    return statistic


def loop(
    prepare: Callable[[np.ndarray], Statistic], x: np.ndarray, y: np.ndarray, permutations: int, seed: int
) -> Result:
    """Return MMD² and its permutation p-value, one permutation at a time."""
    rows = np.concatenate([x, y])
    squares = np.einsum("ij,ij->i", rows, rows)
    distances = np.maximum(squares[:, None] + squares - 2 * (rows @ rows.T), 0)
    kernel = np.exp(distances / (-2 * BANDWIDTH**2))
    np.fill_diagonal(kernel, 0)
    side = np.repeat([1.0, 0.0], [len(x), len(y)])
    statistic = prepare(kernel)
    observed = statistic(side)
    sides = np.random.default_rng(seed).permuted(np.tile(side, (permutations, 1)), axis=1)
    at_least = sum(statistic(permuted) >= observed - TOLERANCE for permuted in sides)
    return observed, (1 + at_least) / (permutations + 1)


def product(x: np.ndarray, y: np.ndarray, permutations: int, seed: int) -> Result:
    """Return MMD² and its permutation p-value, all permutations at once."""
    rng = np.random.default_rng(seed)
    result = mmd(x, y, bandwidths=[BANDWIDTH], permutations=permutations, rng=rng)
    return result.statistic, result.p_value


def run(quick: bool) -> list[Row]:
    """Compare on two samples of 200 rows and of 500 rows, after the gate: equal statistics and p-values."""
    permutations = 99 if quick else 999
    rows = []
    for count in (200, 500):
        x, y = samples(count)
        for name, prepare in (("blocks", blocks), ("vectors", vectors)):
            baseline = partial(loop, prepare)
            require_equal(*(test(x, y, permutations, 0) for test in (baseline, product)))
            rows.append(
                paired_ratio(
                    f"MMD permutations, loop over {name}",
                    f"2×{count} rows, {FEATURES} features, {permutations} permutations, float64",
                    partial(baseline, x, y, permutations, 0),
                    partial(product, x, y, permutations, 0),
                    pairs=1 if quick else 5,
                )
            )
    return rows


def scaling(quick: bool) -> Scaling:
    """Return seconds over rows and permutations."""
    tests: tuple[Test, ...] = (partial(loop, blocks), partial(loop, vectors), product)
    rows = []
    for count, permutations in ((100, 99), (100, 999), (400, 99)) + ((400, 999), (800, 999)) * (not quick):
        x, y = samples(count)
        cost = [seconds(partial(test, x, y, permutations, 0)) for test in tests]
        rows.append((count, permutations, *cost, cost[0] / cost[-1]))
    columns = ("rows a sample", "permutations", "blocks s", "vectors s", "product s", "blocks / product")
    return Scaling("Permutation test of MMD, one timing each", columns, tuple(rows))


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two samples of (count, FEATURES) whose means differ a little."""
    rng = np.random.default_rng(count)
    return rng.standard_normal((count, FEATURES)), rng.standard_normal((count, FEATURES)) + 0.05


def require_equal(expected: Result, found: Result) -> None:
    """Raise unless statistics and p-values are equal."""
    if not abs(expected[0] - found[0]) <= TOLERANCE or expected[1] != found[1]:
        raise ResultsDifferError("loop gives {}, p {}; product {}, p {}".format(*expected, *found))
