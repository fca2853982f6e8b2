"""Intervals against their bounds, as positions on a horizontal line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from featdyn_core.verdicts.criterion import Finding

MARGIN = 8.0
"""Free space on either side of an interval strip, in per cent of its width."""


@dataclass(frozen=True)
class Strip:
    """Where a finding's numbers lie on a horizontal line, in per cent of its width, each in [0, 100].

    Attributes:
        bounds: the criterion's bound; two bounds if it holds within them.
        low: lower end of the interval.
        estimate: mean over seeds.
        high: upper end of the interval.
        values: one per seed.
        holds: (start, width) of the part of the line in which the criterion holds.
        ends: the smallest and the largest number on the line, which lie ``MARGIN`` from its edges.
    """

    bounds: tuple[float, ...]
    low: float
    estimate: float
    high: float
    values: tuple[float, ...]
    holds: tuple[float, float]
    ends: tuple[float, float]


def interval_strip(finding: Finding) -> Strip:
    """Lay a finding out on a line that just holds its values, its interval and its bound."""
    return strips([finding])[0]


def strips(findings: Sequence[Finding]) -> list[Strip]:
    """Lay findings out on lines of one scale, which just holds the values, intervals and bounds of all of them."""
    numbers = [number for finding in findings for number in _numbers(finding)]
    least, most = min(numbers), max(numbers)

    def place(number: float) -> float:
        share = (number - least) / (most - least) if most > least else 0.5
        return round(MARGIN + share * (100 - 2 * MARGIN), 2)

    def laid_out(finding: Finding) -> Strip:
        ends, found = finding.criterion.asked.ends, finding.interval
        start, stop = (place(end) if math.isfinite(end) else edge for end, edge in zip(ends, (0.0, 100.0), strict=True))
        return Strip(
            bounds=tuple(place(end) for end in ends if math.isfinite(end)),
            low=place(found.low),
            estimate=place(found.estimate),
            high=place(found.high),
            values=tuple(map(place, finding.values)),
            holds=(start, round(stop - start, 2)),
            ends=(least, most),
        )

    return [laid_out(finding) for finding in findings]


def _numbers(finding: Finding) -> list[float]:
    found = finding.interval
    ends = [end for end in finding.criterion.asked.ends if math.isfinite(end)]
    return [found.low, found.estimate, found.high, *ends, *finding.values]
