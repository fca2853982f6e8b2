"""How many seeds would decide an open item, given the observed spread."""

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy  # its submodules are imported on first use, so that commands that judge nothing start quickly

from featdyn_core.verdicts.inference import Bound, mean_of, numbers_of_seeds, quantile
from featdyn_core.verdicts.units import Number, Unit

POWER = 0.8
"""Power with which the reported number of seeds would decide an open item."""

MOST_SEEDS = 10_000
"""Largest number of seeds that is reported; nobody trains more."""


def seeds_to_decide(values: Sequence[Number], bound: Bound, *, unit: Unit, level: float) -> int | None:
    """Return how many seeds would decide a mean, on the side where it lies now, with a power of 80 %.

    It follows from the noncentral t distribution, with the distance from the nearest end and the spread of these seeds.

    Args:
        values: one number for each seed.
        bound: where the mean must lie.
        unit: unit of the numbers.
        level: level of the one-sided test.

    Returns:
        The number; None if more than ``MOST_SEEDS`` would be needed. Errors are those of ``infer_mean``.
    """
    mean = mean_of(values, unit)
    spread = mean.error * math.sqrt(len(values))
    distances = sorted(abs(mean.beyond(end)) / spread for end in bound.ends if math.isfinite(end))
    if bound.room(mean.value) <= 0:
        del distances[1:]  # outside, being beyond one end is enough; inside, both ends must be ruled out

    def decides(seeds: int) -> bool:
        return sum(1 - power_of_mean(distance, seeds, level) for distance in distances) <= 1 - POWER

    return smallest(decides, len(values))


def power_of_mean(distance: float, seeds: int, level: float) -> float:
    """How often the one-sided t-test finds a mean on its side of a bound, by the noncentral t distribution.

    Args:
        distance: distance of the mean from the bound, in units of the spread over seeds.
        seeds: number of seeds.
        level: level of the test.
    """
    return float(scipy.stats.nct.sf(quantile(1 - level, seeds - 1), seeds - 1, distance * math.sqrt(seeds)))


def seeds_to_count(values: Sequence[Number], bound: Bound, *, level: float) -> int | None:
    """Return how many seeds would decide a discrete number with a power of 80 %, if the share on its side stays.

    ``level`` is that of the one-sided binomial test. The result and the errors are those of ``seeds_to_decide``.
    """
    share = (max(numbers_of_seeds(values, bound)) + 0.5) / (len(values) + 1)
    seeds = np.arange(len(values) + 1, MOST_SEEDS + 1)  # all of them, because the power of a count does not always rise
    enough = scipy.stats.binom.sf(scipy.stats.binom.isf(level, seeds, 0.5), seeds, share) >= POWER
    return int(seeds[enough][0]) if share > 0.5 and enough.any() else None


def smallest(decides: Callable[[int], bool], above: int) -> int | None:
    """Return the smallest sufficient number of seeds above ``above``; None if it exceeds ``MOST_SEEDS``.

    ``decides`` says whether a number is enough; then all larger ones are, too.
    """
    enough = above + 1
    while not decides(enough):
        if enough >= MOST_SEEDS:
            return None
        enough = min(2 * enough, MOST_SEEDS)
    found = range(above + 1, enough + 1)
    return found[bisect.bisect_left(found, True, key=decides)]
