"""Means of ratios, rank correlations, and the paper's own test between images."""

import numpy as np
import numpy.typing as npt
import scipy  # its submodules are imported on first use, so that commands that judge nothing start quickly

from featdyn_core.errors import MeasurementError

MANY = 500
"""From this many numbers on, all pairs at once take too much memory."""


def geometric_mean(values: npt.ArrayLike) -> float:
    """Geometric mean of (n,) numbers above 0: the mean on the scale of ratios.

    Raises:
        MeasurementError: there are no numbers, or one is not above 0.

    Examples:
        >>> geometric_mean([1, 4])
        2.0
    """
    array = np.asarray(values, float)
    if not array.size or not (array > 0).all():
        raise MeasurementError(f"a geometric mean needs numbers above 0, found {array.tolist()}")
    return float(np.exp(np.log(array).mean()))


def kendall(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's rank correlation tau-b in [-1, 1]; 0 if one of the two is constant (no trend).

    Claims compute it thousands of times from tens of numbers. ``scipy.stats.kendalltau`` gives the same statistic, but
    takes twenty times as long, because it also computes a p-value. It is used only for ``MANY`` numbers or more.

    Args:
        first: (n,) numbers.
        second: (n,) numbers.

    Examples:
        >>> kendall([1, 2, 3], [10, 20, 30])
        1.0
        >>> kendall([1, 2, 3], [7, 7, 7])
        0.0
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 0.0
    if len(one) >= MANY:
        return float(scipy.stats.kendalltau(one, two).statistic)
    order, other = (np.sign(values[:, None] - values) for values in (one, two))  # every pair occurs twice
    agreeing, untied, other_untied = (pairs.sum() / 2 for pairs in (order * other, np.abs(order), np.abs(other)))
    return float(np.clip(agreeing / np.sqrt(untied) / np.sqrt(other_untied), -1.0, 1.0))


def welch(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Two-sided p-value of Welch's t-test (App. E); 1 if neither sample varies and their means agree.

    The paper applies it to images of one network per arm. Images of one network are not independent trainings, so the
    test does not show whether trainings differ.

    Raises:
        MeasurementError: a sample is not a list of at least two finite numbers.

    Examples:
        >>> round(welch([1.0, 2.0, 3.0], [11.0, 12.0, 13.0]), 4)
        0.0003
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    for sample in (one, two):
        if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
            raise MeasurementError(f"Welch's test needs at least 2 finite numbers in each sample, found {sample}")
    if np.ptp(one) == 0 and np.ptp(two) == 0:
        return 1.0 if one[0] == two[0] else 0.0
    # From moments, because given the samples scipy warns of a loss of precision if one of them is constant.
    moments = [moment for sample in (one, two) for moment in (sample.mean(), sample.std(ddof=1), len(sample))]
    return float(scipy.stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
