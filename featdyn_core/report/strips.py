"""Intervals against their bounds, as positions on a horizontal line."""

import math
from dataclasses import dataclass

from featdyn_core.verdicts.criterion import Finding

_MARGIN = 8.0
"""Free space on either side of an interval strip, in per cent of its width."""


@dataclass(frozen=True)
class Strip:
    """Where a finding's numbers lie on a horizontal line, in per cent of its width, each in [0, 100].

    Attributes:
        bounds: the criterion's bound; two of one that holds within them.
        low: lower end of the interval.
        estimate: mean over seeds.
        high: upper end of the interval.
        values: one a seed.
        holds: (start, width) of the part of the line in which the criterion holds.
    """

    bounds: tuple[float, ...]
    low: float
    estimate: float
    high: float
    values: tuple[float, ...]
    holds: tuple[float, float]


def interval_strip(finding: Finding) -> Strip:
    """Lay a finding out on a line that just holds its values, its interval and its bound."""
    ends = [end for end in finding.criterion.asked.ends if math.isfinite(end)]
    numbers = finding.interval.low, finding.interval.estimate, finding.interval.high
    least, most = min(*numbers, *ends, *finding.values), max(*numbers, *ends, *finding.values)

    def place(number: float) -> float:
        share = (number - least) / (most - least) if most > least else 0.5
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    low, estimate, high = map(place, numbers)
    start, stop = (
        place(end) if math.isfinite(end) else edge
        for end, edge in zip(finding.criterion.asked.ends, (0.0, 100.0), strict=True)
    )
    bounds = tuple(map(place, ends))
    return Strip(bounds, low, estimate, high, tuple(map(place, finding.values)), (start, round(stop - start, 2)))
