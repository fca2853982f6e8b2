"""Inference at the level of training seeds.

The unit of replication is the seed: thousands of test images of one network are one observation. Intervals
are t-intervals over seeds, which keep their coverage at five seeds where the bootstrap does not. The one
exception are controls on planted samples, which no training has touched: there each draw is a replicate.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from featdyn_core.errors import MeasurementError

CONFIDENCE = 0.95


def confidence_at_look(look: int) -> float:
    """Coverage of the intervals when claims are judged for the ``look``-th time, with seeds added each time.

    Who adds seeds until a claim passes is wrong more often than the interval says. The error is therefore
    halved with each look, ``1 − 0.05 / 2^(look − 1)``: all looks together err on one side in less than 5 %,
    however many there are.

    Args:
        look: 1 for seeds judged once.

    Raises:
        MeasurementError: ``look`` is less than 1.
    """
    if look < 1:
        raise MeasurementError(f"look {look}: claims are judged at least once")
    return 1 - (1 - CONFIDENCE) / 2 ** (look - 1)


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval of a mean over seeds.

    Attributes:
        estimate: mean over seeds.
        low: lower end.
        high: upper end.
        seeds: number of seeds.
        confidence: coverage, in (0, 1).
    """

    estimate: float
    low: float
    high: float
    seeds: int
    confidence: float = CONFIDENCE


def seed_interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> Interval:
    """Return the t-interval of the mean of one number per seed.

    Args:
        values: one finite number for each of at least two seeds.
        confidence: coverage, in (0, 1).

    Raises:
        MeasurementError: fewer than two seeds, or a value that is not finite.
    """
    array = _finite(values)
    half = scipy.stats.t.ppf((1 + confidence) / 2, len(array) - 1) * scipy.stats.sem(array)
    mean = float(array.mean())
    return Interval(mean, mean - float(half), mean + float(half), len(array), confidence)


def bound_p_value(values: Sequence[float], bound: float, *, above: bool) -> float:
    """One-sided p-value of the t-test of "the mean over seeds is on the wrong side of the bound".

    ``above``: the right side is above the bound. Values without any variation give the limits 0 or 1.
    """
    array = _finite(values)
    distance = (array.mean() - bound) * (1 if above else -1)
    error = scipy.stats.sem(array)
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(scipy.stats.t.sf(distance / error, len(array) - 1))


def pooled_interval(shares: Sequence[float], draws: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the Clopper–Pearson interval (1934) of a probability, from shares of independent planted draws.

    Args:
        shares: for each of at least two seeds the share, in [0, 1], of its draws that had the property.
        draws: number of draws of each seed.
        confidence: coverage, in (0, 1).

    Raises:
        MeasurementError: fewer than two seeds, or a value that is no share of so many draws.
    """
    proportion = _pooled(shares, draws).proportion_ci(confidence)
    estimate = float(np.mean(shares))
    return Interval(estimate, float(proportion.low), float(proportion.high), len(shares), confidence)


def pooled_p_value(shares: Sequence[float], draws: int, bound: float, *, above: bool) -> float:
    """One-sided p-value of the binomial test of "the probability is on the wrong side of the bound"."""
    return float(_pooled(shares, draws, bound, "greater" if above else "less").pvalue)


def exact_permutation(first: Sequence[float], second: Sequence[float]) -> float:
    """One-sided p-value that ``first`` has the larger mean, over every relabelling of the seeds of both arms.

    The least possible value is 1 / C(k + k', k): 0.05 for three against three seeds, 0.004 for five against
    five.
    """
    pooled = np.concatenate([_finite(first), _finite(second)])
    size, total = len(first), pooled.sum()
    sums = np.array([pooled[list(chosen)].sum() for chosen in itertools.combinations(range(len(pooled)), size)])
    means = sums / size - (total - sums) / (len(pooled) - size)
    rounding = 1e-12 * np.abs(pooled).max()  # relabellings that tie but for rounding count as ties
    return float(np.mean(means >= means[0] - rounding))


def kendall(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's rank correlation tau-b in [-1, 1]; 0 where one of the two is constant (no trend).

    Args:
        first: (n,) numbers.
        second: (n,) numbers.
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 0.0
    return float(scipy.stats.kendalltau(one, two).statistic)


def page_trend(table: npt.ArrayLike) -> float:
    """P-value of Page's test (1963) that the columns increase, over seeds.

    Args:
        table: (seeds, conditions), at least three conditions, in the order predicted to increase.
    """
    array = np.asarray(table, float)
    if array.ndim != 2 or array.shape[1] < 3 or not np.isfinite(array).all():
        raise MeasurementError(f"Page's test needs finite numbers (seeds, ≥ 3 conditions), found {array.shape}")
    return float(scipy.stats.page_trend_test(array).pvalue)


def welch(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Two-sided p-value of Welch's t-test (App. E); 1 where neither sample varies and their means agree.

    The paper applies it to images of one network per arm, where it answers another question than whether
    trainings differ: images share their network.
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    if np.ptp(one) == 0 and np.ptp(two) == 0:
        return 1.0 if one[0] == two[0] else 0.0
    # from moments: given the samples, scipy warns of a loss of precision where one of them is constant
    moments = [moment for sample in (one, two) for moment in (sample.mean(), sample.std(ddof=1), len(sample))]
    return float(scipy.stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (1979), in the order given."""
    order = np.argsort(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def _pooled(shares: Sequence[float], draws: int, bound: float = 0.5, alternative: str = "two-sided") -> Any:
    """Binomial test of all seeds' draws together."""
    counts = _finite(shares) * draws
    if not np.allclose(counts, counts.round()) or (counts < 0).any() or (counts > draws).any():
        raise MeasurementError(f"not shares of {draws} draws each: {list(shares)}")
    return scipy.stats.binomtest(int(counts.round().sum()), draws * len(counts), bound, alternative)


def _finite(values: Sequence[float]) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) < 2:
        raise MeasurementError(f"an inference over seeds needs one number for each of at least 2 seeds: {values}")
    if not all(map(math.isfinite, array)):
        raise MeasurementError(f"a value that is not finite cannot be judged: {array.tolist()}")
    return array
