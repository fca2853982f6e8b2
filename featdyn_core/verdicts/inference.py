"""Inference at the level of training seeds.

The unit of replication is the seed: thousands of test images of one network are one observation. Intervals
are t-intervals over seeds, which keep their coverage at five seeds where the bootstrap does not. The one
exception are controls on planted samples, which no training has touched: there each draw is a replicate.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy  # its parts are imported when first used: what judges nothing need not wait for them

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

    Refused with a ``MeasurementError`` are: fewer than two seeds, a value that is not finite, or a confidence
    outside (0, 1).

    Args:
        values: one finite number for each of at least two seeds.
        confidence: coverage, in (0, 1).
    """
    _check_confidence(confidence)
    array = _finite(values)
    mean, error = _mean_and_error(array)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, len(array) - 1)) * error
    return Interval(mean, mean - half, mean + half, len(array), confidence)


def bound_p_value(values: Sequence[float], bound: float, *, above: bool) -> float:
    """One-sided p-value of the t-test of "the mean over seeds is on the wrong side of the bound".

    ``above``: the right side is above the bound. Values without any variation give the limits 0 or 1, and 1 at the
    bound itself.

    Raises:
        MeasurementError: fewer than two seeds, or a value or bound that is not finite.
    """
    if not math.isfinite(bound):
        raise MeasurementError(f"a mean cannot be tested against the bound {bound}")
    array = _finite(values)
    mean, error = _mean_and_error(array)
    distance = (mean - bound) * (1 if above else -1)
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(scipy.stats.t.sf(distance / error, len(array) - 1))


class Inferred(NamedTuple):
    """What the numbers of one criterion say, by one rule.

    Attributes:
        interval: of what is judged.
        p_value: one-sided, of its being on the wrong side of the bound; it grows by the factor by which a stricter
            interval errs less, so that 0.025 is its limit always.
    """

    interval: Interval
    p_value: float


def infer_mean(values: Sequence[float], bound: float, *, above: bool, confidence: float = CONFIDENCE) -> Inferred:
    """Judge the mean of one number per seed: the t-interval, and the t-test of the same law.

    ``above``: the right side is above the bound. Arguments and errors are those of ``seed_interval`` and
    ``bound_p_value``.
    """
    interval = seed_interval(values, confidence=confidence)
    return Inferred(interval, _stricter(bound_p_value(values, bound, above=above), confidence))


def infer_draws(
    successes: Sequence[int], draws: Sequence[int], bound: float, *, above: bool, confidence: float = CONFIDENCE
) -> Inferred:
    """Judge a probability from planted draws: Clopper and Pearson's interval, and the binomial test.

    ``above``: the right side is above the bound. Arguments and errors are those of ``pooled_interval`` and
    ``pooled_p_value``.
    """
    interval = pooled_interval(successes, draws, confidence=confidence)
    return Inferred(interval, _stricter(pooled_p_value(successes, draws, bound, above=above), confidence))


def infer_worst(values: Sequence[float], bound: float, *, above: bool, confidence: float = CONFIDENCE) -> Inferred:
    """Judge the least favourable of one number per seed, in which no chance is: its p-value is a limit, 0 or 1.

    ``above``: the right side is above the bound. Errors are those of ``least_favourable``.
    """
    interval = least_favourable(values, above=above, confidence=confidence)
    holds = interval.estimate > bound if above else interval.estimate < bound
    return Inferred(interval, 0.0 if holds else 1.0)


def _stricter(p_value: float, confidence: float) -> float:
    return min(1.0, p_value * ((1 - CONFIDENCE) / (1 - confidence)))


def least_favourable(values: Sequence[float], *, above: bool, confidence: float = CONFIDENCE) -> Interval:
    """Return the least favourable of one number per seed, from the smallest to the largest of them.

    For what is to hold in every world: no mean is taken, and there is no chance that an interval could cover.

    Errors are those of ``seed_interval``.

    Args:
        values: one finite number for each of at least two seeds.
        above: whether a large number is favourable.
        confidence: what intervals of the same claim cover.
    """
    _check_confidence(confidence)
    array = _finite(values)
    low, high = float(array.min()), float(array.max())
    return Interval(low if above else high, low, high, len(array), confidence)


def pooled_interval(successes: Sequence[int], draws: Sequence[int], *, confidence: float = CONFIDENCE) -> Interval:
    """Return the Clopper–Pearson interval (1934) of a probability, from independent planted draws.

    Refused with a ``MeasurementError`` are: fewer than two seeds, numbers that are no counts of so many draws,
    or a confidence outside (0, 1).

    Args:
        successes: for each of at least two seeds, how many of its draws had the property.
        draws: how many draws each seed made, at least one.
        confidence: coverage, in (0, 1).
    """
    _check_confidence(confidence)
    hits, total = _pooled(successes, draws)
    proportion = scipy.stats.binomtest(hits, total).proportion_ci(confidence)
    return Interval(hits / total, float(proportion.low), float(proportion.high), len(draws), confidence)


def pooled_p_value(successes: Sequence[int], draws: Sequence[int], bound: float, *, above: bool) -> float:
    """One-sided p-value of the binomial test of "the probability is on the wrong side of the bound".

    ``successes`` and ``draws`` are those of ``pooled_interval``; ``above``: the right side is above the bound.

    Raises:
        MeasurementError: as ``pooled_interval``, or a bound outside [0, 1].
    """
    if not 0 <= bound <= 1:
        raise MeasurementError(f"a probability cannot be tested against the bound {bound}")
    hits, total = _pooled(successes, draws)
    return float(scipy.stats.binomtest(hits, total, bound, "greater" if above else "less").pvalue)


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


def kendall_p_value(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Two-sided p-value of ``kendall``, exact where no two values are equal; 1 where one of the two is constant."""
    one, two = np.asarray(first, float), np.asarray(second, float)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 1.0
    return float(scipy.stats.kendalltau(one, two).pvalue)


def kendall_p_values(shuffles: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Two-sided p-value of ``kendall`` for each of several orders of the same numbers.

    Ties are the same in all orders, so that a p-value follows from the number of concordant pairs minus that of
    discordant ones alone, and is computed once for each that occurs.

    Args:
        shuffles: (draws, n), rows with the same numbers in different orders.
        second: (n,) numbers.

    Returns:
        (draws,) p-values.
    """
    ones, two = np.asarray(shuffles, float), np.asarray(second, float)
    pairs = np.triu_indices(len(two), 1)
    signs = np.sign(ones[:, pairs[0]] - ones[:, pairs[1]]) * np.sign(two[pairs[0]] - two[pairs[1]])
    _, first_of, which = np.unique(np.abs(signs.sum(axis=1)), return_index=True, return_inverse=True)
    return np.array([kendall_p_value(one, two) for one in ones[first_of]])[which]


def welch(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Two-sided p-value of Welch's t-test (App. E); 1 where neither sample varies and their means agree.

    The paper applies it to images of one network per arm, where it answers another question than whether
    trainings differ: images share their network.

    Raises:
        MeasurementError: a sample that is not at least two finite numbers.
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    for sample in (one, two):
        if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
            raise MeasurementError(f"Welch's test needs at least 2 finite numbers in each sample, found {sample}")
    if np.ptp(one) == 0 and np.ptp(two) == 0:
        return 1.0 if one[0] == two[0] else 0.0
    # from moments: given the samples, scipy warns of a loss of precision where one of them is constant
    moments = [moment for sample in (one, two) for moment in (sample.mean(), sample.std(ddof=1), len(sample))]
    return float(scipy.stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (1979), in the order given.

    Raises:
        MeasurementError: a number outside [0, 1].
    """
    if not all(0 <= p_value <= 1 for p_value in p_values):
        raise MeasurementError(f"p-values lie in [0, 1], found {list(p_values)}")
    order = np.argsort(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def _pooled(successes: Sequence[int], draws: Sequence[int]) -> tuple[int, int]:
    """Successes and draws of all seeds together.

    Raises:
        MeasurementError: fewer than two seeds, or numbers that are no counts of so many draws.
    """
    if len(successes) != len(draws) or len(draws) < 2:
        raise MeasurementError(
            f"planted draws need a pair of counts for each of at least 2 seeds, found {len(successes)} of successes "
            f"and {len(draws)} of draws"
        )
    try:
        pairs = [(operator.index(hits), operator.index(total)) for hits, total in zip(successes, draws, strict=True)]
    except TypeError:
        pairs = []
    if not pairs or not all(0 <= hits <= total and total > 0 for hits, total in pairs):
        raise MeasurementError(f"not counts of planted draws: {list(successes)} of {list(draws)}")
    return sum(hits for hits, _ in pairs), sum(total for _, total in pairs)


def _mean_and_error(array: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and its standard error; of equal values exactly their value and 0, which rounding would miss."""
    if np.ptp(array) == 0:
        return float(array[0]), 0.0
    return float(array.mean()), float(scipy.stats.sem(array))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise MeasurementError(f"confidence {confidence} is outside (0, 1); 0.95 is usual")


def _finite(values: Sequence[float]) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) < 2:
        raise MeasurementError(f"an inference over seeds needs one number for each of at least 2 seeds: {values}")
    if not all(map(math.isfinite, array)):
        raise MeasurementError(f"a value that is not finite cannot be judged: {array.tolist()}")
    return array
