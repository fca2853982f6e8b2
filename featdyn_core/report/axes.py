"""Axes of the panels of a page: places of numbers, ticks, and lines through numbers as short paths."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

FINE = 10
"""Units of a path in a pixel: no eye sees a tenth of a pixel."""

_ROOM = 0.04
"""Free space beyond the numbers at either end of an axis, as a share of their span."""

_STEPS = 1, 2, 5, 10

_LARGEST = 1e300
"""Larger numbers have no place on an axis; on a logarithmic axis, numbers below its inverse have none either."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        low: the number at its start.
        high: the number at its end.
        start: pixel of the lower end.
        stop: pixel of the upper end; below ``start`` where ordinates grow upwards.
        log: whether it is logarithmic.
        whole: whether its numbers, and therefore its ticks, are whole.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False
    whole: bool = False

    def place(self, number: float) -> float:
        """Return the pixel of a number; NaN where the number has none."""
        if not abs(number) < _LARGEST or (self.log and number <= 1 / _LARGEST):
            return math.nan
        low, high, at = (math.log(one) if self.log else one for one in (self.low, self.high, number))
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def ticks(self, most: int = 4) -> list[tuple[float, str]]:
        """Return place and text of up to ``most`` round numbers, or of one more."""
        powers = self.log and self.high / self.low >= 10
        texts = _powers(self.low, self.high, most) if powers else self._steps(most)
        placed = [(self.place(number), text) for number, text in texts.items()]
        return [(place, text) for place, text in placed if math.isfinite(place)]

    def _steps(self, most: int) -> dict[float, str]:
        """Return multiples of a round step, each with its text."""
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / most))
        step = next((power * part for part in _STEPS if span / (power * part) <= most), power * _STEPS[-1])
        step = max(step, 1.0) if self.whole else step
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        small = decimals <= 4 and max(abs(self.low), abs(self.high)) < 1e5
        numbers = [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return {number: f"{number:.{decimals}f}" if small else f"{number:.3g}" for number in numbers}


def fitted(numbers: Iterable[float], start: float, stop: float, *, log: bool = False) -> Axis:
    """Return the axis that just fits some numbers; numbers that have no place on an axis are left out.

    Args:
        numbers: to show.
        start: pixel of the lower end.
        stop: pixel of the upper end.
        log: whether it is logarithmic, if any of the numbers has a logarithm.
    """
    found = [float(number) for number in numbers if abs(number) < _LARGEST]
    whole = all(number.is_integer() for number in found)
    log = log and any(number > 1 / _LARGEST for number in found)
    shown = [math.log(one) if log else one for one in found if one > 1 / _LARGEST or not log] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    room = _ROOM * (high - low)
    if room <= 1e-9 * max(abs(low), abs(high), 1e-290):
        room = 0.05 * abs(low) or 0.5
    low, high = low - room, high + room
    return (
        Axis(math.exp(low), math.exp(high), start, stop, log=True) if log else Axis(low, high, start, stop, whole=whole)
    )


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return a line through points, given in pixels, as the path of an ``<svg>`` that is ``FINE`` times finer.

    The line is broken where a coordinate is NaN. Steps are relative, and points within a straight line are left out,
    which makes a path a third as long.
    """
    return "".join(_drawn(part) for part in _unbroken(points))


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Return points as lines without length, which round caps make dots."""
    return "".join(f"M{x} {y}h0" for part in _unbroken(points) for x, y in part)


def _powers(low: float, high: float, most: int) -> dict[float, str]:
    """Return powers of ten with their texts: not all if they are many, and twice and five times them if few."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        numbers = [10.0**power for power in range(first, last + 1, -(-(last - first + 1) // most))]
    else:
        parts = [part * 10.0**power for power in range(first - 1, last + 1) for part in (1, 2, 5)]
        numbers = [number for number in parts if low <= number <= high]
    return {number: f"{number:.3g}" for number in numbers}


def _unbroken(points: Iterable[tuple[float, float]]) -> Iterator[list[tuple[int, int]]]:
    part: list[tuple[int, int]] = []
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            part.append((round(FINE * x), round(FINE * y)))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _drawn(points: list[tuple[int, int]]) -> str:
    steps: list[tuple[int, int]] = []
    for (x, y), (to_x, to_y) in pairwise(points):
        step = to_x - x, to_y - y
        if steps and _goes_on(steps[-1], step):
            steps[-1] = steps[-1][0] + step[0], steps[-1][1] + step[1]
        else:
            steps.append(step)
    (x, y), line = points[0], " ".join(f"{x} {y}" for x, y in steps)
    return f"M{x} {y}{f'l{line}' if line else 'h0'}".replace(" -", "-")


def _goes_on(step: tuple[int, int], following: tuple[int, int]) -> bool:
    (x, y), (then_x, then_y) = step, following
    return x * then_y == y * then_x and x * then_x + y * then_y > 0
