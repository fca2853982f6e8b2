"""Inference at the level of training seeds.

The unit of replication is the seed: thousands of test images of one network are one observation. Intervals are
t-intervals over seeds on the scale of their unit; they keep their coverage at five seeds, and the bootstrap does not.
For p-values and discrete numbers, seeds are counted, which assumes no distribution over seeds. Controls on planted
samples are the one exception: no training is involved, so each draw is a replicate.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import scipy  # its submodules are imported on first use, so that commands that judge nothing start quickly

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.units import Counted, Number, Unit, as_float

CONFIDENCE = 0.95

LEVEL = (1 - CONFIDENCE) / 2
"""Level of a one-sided test: what the interval leaves out on one side."""


def confidence_at_look(look: int) -> float:
    """Coverage of the intervals when claims are judged for the ``look``-th time, with seeds added each time.

    Adding seeds until a claim passes errs more often than the interval says. The error is therefore halved with
    each look: the coverage is ``1 − 0.05 / 2^(look − 1)``. All looks together then err on one side in less than
    5 %, however many there are.

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

    Examples:
        >>> Interval(estimate=0.5, low=0.4, high=0.6, seeds=5)
        Interval(estimate=0.5, low=0.4, high=0.6, seeds=5, confidence=0.95)
    """

    estimate: float
    low: float
    high: float
    seeds: int
    confidence: float = CONFIDENCE


class Inferred(NamedTuple):
    """The inference from the numbers of one criterion, by one rule.

    Attributes:
        interval: interval of the judged quantity.
        p_value: one-sided p-value of the hypothesis that it lies on the wrong side of the bound, or on it.
        p_against: the same for the right side of the bound.
        p_margin: p-value of the hypothesis that it lies outside bound ± margin; None without a margin.
    """

    interval: Interval
    p_value: float
    p_against: float
    p_margin: float | None = None


@dataclass(frozen=True)
class Bound:
    """Where a number must lie.

    Attributes:
        direction: ``above`` or ``below`` the bound, or ``within`` that distance of ``around``.
        value: the bound, in the unit of the number.
        around: the middle of the range, for ``within``.
        margin: the smallest difference from the bound that matters; None if none is registered.
    """

    direction: str
    value: float
    around: float = 0.0
    margin: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the range in which it holds."""
        if self.direction == "within":
            return self.around - self.value, self.around + self.value
        return (self.value, math.inf) if self.direction == "above" else (-math.inf, self.value)

    def room(self, value: float) -> float:
        """How far inside the nearest end a number lies; negative outside."""
        low, high = self.ends
        return min(value - low, high - value)


def seed_interval(
    values: Sequence[Number], *, unit: Unit = Unit.DIFFERENCE, confidence: float = CONFIDENCE
) -> Interval:
    """Return the t-interval of the mean of one number per seed.

    It is computed on the scale of the unit and transformed back. These are a ``MeasurementError``: fewer than two
    seeds, a value that is not finite or lies outside the range of its unit, and a confidence outside (0, 1).

    Args:
        values: one number for each of at least two seeds.
        unit: unit of the numbers.
        confidence: coverage, in (0, 1).

    Examples:
        >>> found = seed_interval([0.1, 0.2, 0.3])
        >>> round(found.estimate, 4), round(found.low, 4), round(found.high, 4)
        (0.2, -0.0484, 0.4484)
    """
    return mean_of(values, unit).interval(confidence)


def infer_mean(
    values: Sequence[Number], bound: Bound, *, unit: Unit = Unit.DIFFERENCE, confidence: float = CONFIDENCE
) -> Inferred:
    """Judge the mean of one number per seed by the t-interval and t-tests, on the scale of the unit.

    A number with two ends is tested against both. Errors are those of ``seed_interval``; a bound outside the range of
    the unit is a ``MeasurementError`` too.
    """
    mean = mean_of(values, unit)
    above, below = map(mean.sides, bound.ends)
    p_value, p_against = max(above[0], below[1]), min(above[1], below[0])
    p_margin = None
    if bound.margin is not None:
        ends = (bound.value - bound.margin, bound.value + bound.margin)
        low, high = map(mean.sides, ends)
        p_margin = max(low[0], high[1])
    return Inferred(mean.interval(confidence), p_value, p_against, p_margin)


def infer_count(values: Sequence[Number], bound: Bound, *, confidence: float = CONFIDENCE) -> Inferred:
    """Judge how many seeds lie on the right side, by the exact binomial test that more than half of all seeds do.

    The test assumes no distribution over seeds. A seed exactly on the bound counts for neither side. The interval runs
    from the smallest to the largest number. Errors are those of ``seed_interval``.
    """
    interval, (right, wrong) = _seen(values, confidence), numbers_of_seeds(values, bound)
    return Inferred(interval, _more_than_half(right, len(values)), _more_than_half(wrong, len(values)))


def infer_p_values(values: Sequence[Number], bound: Bound, *, confidence: float = CONFIDENCE) -> Inferred:
    """Judge log10 p-values, one for each seed; each is of a test at the level ten to the power of the bound.

    All seeds must lie below the bound. If the null hypothesis is true, even one seed lies there with at most that
    probability, whatever the distribution over seeds. The claim fails if more than half of all seeds lie above (see
    ``infer_count``). Errors are those of ``seed_interval``.
    """
    interval, (right, wrong) = _seen(values, confidence), numbers_of_seeds(values, bound)
    p_value = 10.0**interval.high if right == len(values) else 1.0
    return Inferred(interval, min(1.0, p_value), _more_than_half(wrong, len(values)))


def infer_draws(values: Sequence[Number], bound: Bound, *, confidence: float = CONFIDENCE) -> Inferred:
    """Judge a probability from the planted draws of all seeds together.

    The interval is Clopper and Pearson's (1934), and the tests are binomial.

    Raises:
        MeasurementError: there are fewer than two seeds, or numbers that are not counts of planted draws.
    """
    counted = [value for value in values if isinstance(value, Counted)]
    if len(counted) < max(2, len(values)):
        raise MeasurementError(f"planted draws are counts for each of at least 2 seeds, found {list(values)}")
    _check_confidence(confidence)
    hits, total = sum(value.hits for value in counted), sum(value.of for value in counted)
    interval = Interval(hits / total, *_clopper_pearson(hits, total, confidence), len(counted), confidence)
    (low, high), above, below = bound.ends, (0.0, 1.0), (1.0, 0.0)
    if math.isfinite(low):
        above = _binomial(hits, total, low)
    if math.isfinite(high):
        below = _binomial(hits, total, high)
    return Inferred(interval, max(above[0], below[1]), min(above[1], below[0]))


def infer_worst(values: Sequence[Number], bound: Bound, *, confidence: float = CONFIDENCE) -> Inferred:
    """Judge the least favourable of one number per seed. No chance is involved, so p-values are 0 or 1.

    The interval runs from the smallest to the largest number. Errors are those of ``seed_interval``.
    """
    seen = _seen(values, confidence)
    worst = min(map(float, values), key=bound.room)
    holds = bound.room(worst) > 0
    interval = Interval(worst, seen.low, seen.high, seen.seeds, confidence)
    return Inferred(interval, float(not holds), float(holds))


@dataclass(frozen=True)
class Mean:
    """Mean over seeds on the scale of its unit.

    Attributes:
        place: place of the mean.
        error: its standard error.
        seeds: number of seeds.
        unit: unit of the numbers.
        of: what each number was counted from, on average; infinity if nothing was.
    """

    place: float
    error: float
    seeds: int
    unit: Unit
    of: float

    @property
    def value(self) -> float:
        """The mean, transformed back from the scale."""
        return self.unit.back(self.place, self.of)

    def interval(self, confidence: float) -> Interval:
        """Return the t-interval, transformed back from the scale.

        A confidence outside (0, 1) is a ``MeasurementError``.
        """
        _check_confidence(confidence)
        half = quantile((1 + confidence) / 2, self.seeds - 1) * self.error
        low, high = (self.unit.back(self.place + end, self.of) for end in (-half, half))
        return Interval(self.value, low, high, self.seeds, confidence)

    def beyond(self, end: float) -> float:
        """How far it lies above an end, on the scale."""
        return self.place - self.unit.at(end, self.of)

    def sides(self, end: float) -> tuple[float, float]:
        """One-sided p-values of the hypotheses that it lies below an end, and above it."""
        if math.isinf(end):
            return (0.0, 1.0) if end < 0 else (1.0, 0.0)
        distance = self.beyond(end) / self.error
        below, above = (scipy.special.stdtr(self.seeds - 1, place) for place in (-distance, distance))
        return float(below), float(above)


def mean_of(values: Sequence[Number], unit: Unit) -> Mean:
    """Return the mean over seeds, on the scale of the unit.

    The spread is at least the resolution of the numbers, even if they do not vary. Errors are those of
    ``seed_interval``.

    Raises:
        MeasurementError: the numbers are so large that their spread overflows.
    """
    numbers, counts = _finite(values), [value.of for value in values if isinstance(value, Counted)]
    of = sum(counts) / len(counts) if counts else math.inf
    places = [unit.at(number, number_of(value)) for number, value in zip(numbers, values, strict=True)]
    try:
        mean = places[0] if min(places) == max(places) else math.fsum(places) / len(places)
        spread = math.hypot(*[place - mean for place in places]) / math.sqrt(len(places) - 1)
    except OverflowError:
        spread = math.inf
    if math.isinf(spread):
        raise MeasurementError(f"numbers as large as {max(map(abs, numbers)):g} have no mean and spread")
    error = max(spread, unit.step(mean, of if counts else None)) / math.sqrt(len(places))
    return Mean(mean, error, len(places), unit, of)


def number_of(value: Number) -> float:
    """What a number was counted from; infinity if nothing was."""
    return value.of if isinstance(value, Counted) else math.inf


@functools.cache
def quantile(probability: float, freedom: int) -> float:
    """Quantile of the t distribution."""
    return float(scipy.stats.t.ppf(probability, freedom))


@functools.cache  # rows share their planted draws
def _clopper_pearson(hits: int, total: int, confidence: float) -> tuple[float, float]:
    """Ends of Clopper and Pearson's interval of a probability."""
    low, high = scipy.stats.binomtest(hits, total).proportion_ci(confidence)
    return float(low), float(high)


@functools.cache
def _binomial(hits: int, total: int, end: float) -> tuple[float, float]:
    """One-sided p-values of the hypotheses that a probability lies below an end, and above it."""
    greater, less = (float(scipy.stats.binomtest(hits, total, end, side).pvalue) for side in ("greater", "less"))
    return greater, less


def _seen(values: Sequence[Number], confidence: float) -> Interval:
    """The mean, with the smallest and the largest number as ends."""
    _check_confidence(confidence)
    numbers = _finite(values)
    return Interval(math.fsum(numbers) / len(numbers), min(numbers), max(numbers), len(numbers), confidence)


def numbers_of_seeds(values: Sequence[Number], bound: Bound) -> tuple[int, int]:
    """How many seeds lie on the right side, and how many on the wrong one."""
    rooms = list(map(bound.room, _finite(values)))
    return sum(room > 0 for room in rooms), sum(room < 0 for room in rooms)


@functools.cache
def _more_than_half(count: int, seeds: int) -> float:
    """One-sided p-value of the hypothesis that at most half of all seeds lie on this side."""
    return float(scipy.stats.binomtest(count, seeds, 0.5, "greater").pvalue)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise MeasurementError(f"confidence {confidence} is outside (0, 1); 0.95 is usual")


def _finite(values: Sequence[Number]) -> list[float]:
    numbers = list(map(as_float, values))
    if len(numbers) < 2:
        raise MeasurementError(f"an inference over seeds needs one number for each of at least 2 seeds: {values}")
    if not all(map(math.isfinite, numbers)):
        raise MeasurementError(f"values must be finite, found: {numbers}")
    return numbers
