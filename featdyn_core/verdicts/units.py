"""Units of numbers, and the scale on which the numbers of several seeds are averaged.

An interval is computed on the scale of its unit and transformed back, so it never leaves the range of its numbers. The
resolution of a number is one of the things it was counted from, such as one image or one pair. A spread over seeds
below this resolution is set to it.
"""

import dataclasses
import enum
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral

from featdyn_core.errors import MeasurementError

ROUNDING = 1e-9
"""Resolution of a number that was not counted from anything: that of arithmetic."""


@dataclass(frozen=True)
class Counted:
    """One seed's number, and how many things it was counted from.

    Attributes:
        value: the number.
        of: number of images, pairs or planted draws; ``1 / of`` is the smallest step of the number.

    Examples:
        >>> Counted(0.75, of=4).hits
        3
    """

    value: float
    of: int

    def __post_init__(self) -> None:
        plain = type(self.of) is int  # the quick way first: rows have thousands
        if not (plain or isinstance(self.of, Integral)) or self.of < 1 or not math.isfinite(as_float(self.value)):
            raise MeasurementError(
                f"{self.value} counted from {self.of}: expected a number, counted from at least one thing"
            )
        if not plain:
            object.__setattr__(self, "of", int(self.of))  # evidence holds plain numbers, and numpy has its own

    def __float__(self) -> float:
        return float(self.value)

    @property
    def hits(self) -> int:
        """How many of the things had the property, if the number is a share.

        Raises:
            MeasurementError: the number is not a share of that many things.
        """
        hits = round(self.value * self.of)
        if not 0 <= hits <= self.of or not math.isclose(hits, self.value * self.of, abs_tol=ROUNDING * self.of):
            raise MeasurementError(f"{self.value} is not a share of {self.of}")
        return hits


Number = float | Counted
"""The number that a claim measures for one seed and criterion."""


def as_float(value: object) -> float:
    """Return a number as a float.

    Raises:
        MeasurementError: it is not a number, or an integer that is too large for a float.
    """
    if isinstance(value, str):
        raise MeasurementError(f"{value!r} is text, not a number")
    try:
        return float(value)  # type: ignore[arg-type]  # what has no float says so
    except OverflowError:
        raise MeasurementError("an integer is too large for a float; give the number in another unit") from None
    except (TypeError, ValueError):
        raise MeasurementError(f"{value!r} is not a number") from None


class Unit(enum.StrEnum):
    """What a number is; the unit sets the scale on which seeds are averaged.

    Shares are averaged as logits, rank correlations as Fisher's z, ratios as logarithms, and all others as they are.

    Examples:
        >>> Unit.SHARE.range, Unit.CORRELATION.range
        ((0.0, 1.0), (-1.0, 1.0))
    """

    SHARE = "share"  # of a number of images
    MEAN_SHARE = "mean share"  # mean of several shares of images, such as a mean consistency
    CORRELATION = "rank correlation"  # of a number of pairs
    RATIO = "ratio"
    DIFFERENCE = "difference"
    NATS = "nats"
    EPOCHS = "epochs"
    LOG_P = "log10 p"  # of a test for each seed, judged seed by seed
    DRAWS = "draws"  # a share of planted draws, pooled over seeds because no training is involved
    EXCESS = "excess"  # of a theorem, which involves no chance

    @property
    def counted(self) -> bool:
        """Whether numbers of this unit must say what they were counted from."""
        return self in (Unit.SHARE, Unit.MEAN_SHARE, Unit.CORRELATION, Unit.DRAWS)

    @property
    def plain(self) -> bool:
        """Whether the mean over seeds is that of the plain numbers, for which no scale evens out the spread."""
        return self in (Unit.DIFFERENCE, Unit.NATS, Unit.EPOCHS)

    @property
    def range(self) -> tuple[float, float]:
        """Ends of the range of bounds; neither end is included."""
        return _RANGES.get(self, (-math.inf, math.inf))

    def check(self, *values: float) -> None:
        """Refuse numbers outside the range of the unit.

        Raises:
            MeasurementError: a number lies outside.
        """
        low, high = self.range
        for value in values:
            if not low <= value <= high:
                raise MeasurementError(f"{self} {value} lies outside {low:g} to {high:g}")

    def at(self, value: float, of: float = math.inf) -> float:
        """Return a number on its scale.

        A share k of N things is taken as ``(k + ½) / (N + 1)``, and a bound b as ``(b·N + ½) / (N + 1)``, so a share
        that lies on its bound also lies on it on the scale. A mean share, a correlation or a ratio is kept half a step
        away from the ends of its range.

        Raises:
            MeasurementError: the number lies outside the range of its unit, or at an end that the scale maps to
                infinity.
        """
        self.check(value)
        if math.isfinite(of):
            value = self._inside(value, of)
        place = _SCALES[self][0](value) if self in _SCALES else value
        if not math.isfinite(place):
            raise MeasurementError(f"{value:g} has no place on the scale of a {self}; give what it was counted from")
        return place

    def back(self, place: float, of: float = math.inf) -> float:
        """Return the number at a place on the scale; ``of`` is what a share was counted from."""
        value = _SCALES[self][1](place) if self in _SCALES else place
        if self is Unit.SHARE and math.isfinite(of):
            return min(max((value * (of + 1) - 0.5) / of, 0.0), 1.0)
        return value

    def step(self, place: float, of: float | None) -> float:
        """Return the resolution of a number, as a length on its scale.

        Args:
            place: place of the number on the scale.
            of: what the number was counted from; None if nothing was.
        """
        step = self._finest if of is None else 1 / of
        if self not in _SCALES:
            return step
        many = of or math.inf
        value = self.back(place, many)
        if self is Unit.RATIO:
            return step if of is None else math.log1p(step / value)
        inwards = value - math.copysign(step, value - sum(self.range) / 2)
        if self is Unit.SHARE and of is not None:
            inwards = self._inside(inwards, of)
        return abs(place - _SCALES[self][0](inwards))

    @property
    def _finest(self) -> float:
        """Resolution of a number without a count; for epochs it is 1, since checkpoints lie whole epochs apart."""
        return 1.0 if self is Unit.EPOCHS else ROUNDING

    def _inside(self, value: float, of: float) -> float:
        if self is Unit.SHARE:
            return (value * of + 0.5) / (of + 1)
        if self in (Unit.MEAN_SHARE, Unit.CORRELATION):
            low, high = self.range
            return min(max(value, low + 0.5 / of), high - 0.5 / of)
        return max(value, 0.5 / of) if self is Unit.RATIO else value


def share_of(hits: float, of: int) -> Counted:
    """Return the share of things that have a property, with their number.

    Args:
        hits: how many have it; a whole number.
        of: how many there are.

    Raises:
        MeasurementError: ``of`` is 0, or ``hits`` is not a whole number from 0 to ``of``.

    Examples:
        >>> share_of(3, 4)
        Counted(value=0.75, of=4)
    """
    count = as_float(hits)
    if not (0 <= count <= of and count.is_integer()):
        raise MeasurementError(f"{hits} of {of} is not a share; count whole things, from 0 to {of}")
    return Counted(count / of if of else math.nan, of)


def mean_correlation(numbers: Iterable[Counted]) -> Counted:
    """Return the mean of several rank correlations, taken as Fisher's z.

    Raises:
        MeasurementError: there are none, or one is not a correlation.

    Examples:
        >>> mean_correlation([Counted(0.0, of=28), Counted(0.0, of=28)])
        Counted(value=0.0, of=56)
    """
    numbers = list(numbers)
    if not numbers:
        raise MeasurementError("the mean of no correlations does not exist; give at least one")
    places = [Unit.CORRELATION.at(number.value, number.of) for number in numbers]
    return dataclasses.replace(
        numbers[0],
        value=Unit.CORRELATION.back(math.fsum(places) / len(places)),
        of=sum(number.of for number in numbers),
    )


def _logit(share: float) -> float:
    """Log odds; infinite at an end of the range and beyond it."""
    return math.log(share / (1 - share)) if 0 < share < 1 else math.copysign(math.inf, share - 0.5)


def _expit(place: float) -> float:
    power = math.exp(-abs(place))
    return (1 if place >= 0 else power) / (1 + power)


def _atanh(value: float) -> float:
    """Fisher's z; infinite at an end of the range and beyond it."""
    return math.atanh(value) if abs(value) < 1 else math.copysign(math.inf, value)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _exp(place: float) -> float:
    """The inverse of ``_log``, at most the largest float."""
    return math.exp(min(place, _LARGEST_LOG))


_LARGEST_LOG = math.log(sys.float_info.max)


_SCALES: dict[Unit, tuple[Callable[[float], float], Callable[[float], float]]] = {
    Unit.SHARE: (_logit, _expit),
    Unit.MEAN_SHARE: (_logit, _expit),
    Unit.CORRELATION: (_atanh, math.tanh),
    Unit.RATIO: (_log, _exp),
}
"""Unit to its scale and back; a unit without an entry is averaged as it is."""

_RANGES = {
    Unit.SHARE: (0.0, 1.0),
    Unit.MEAN_SHARE: (0.0, 1.0),
    Unit.DRAWS: (0.0, 1.0),
    Unit.CORRELATION: (-1.0, 1.0),
    Unit.RATIO: (0.0, math.inf),
    Unit.LOG_P: (-math.inf, 0.0),
}
