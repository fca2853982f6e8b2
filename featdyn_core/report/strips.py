"""Intervals against their bounds, as positions on a horizontal line."""

from dataclasses import dataclass

from featdyn_core.verdicts.claim import Finding

_MARGIN = 8.0
"""Free space on either side of an interval strip, in per cent of its width."""


@dataclass(frozen=True)
class Strip:
    """Where a finding's numbers lie on a horizontal line, in per cent of its width, each in [0, 100].

    Attributes:
        bound: the criterion's bound.
        low: lower end of the interval.
        estimate: mean over seeds.
        high: upper end of the interval.
        values: one a seed.
        holds: (start, width) of the part of the line in which the criterion holds.
    """

    bound: float
    low: float
    estimate: float
    high: float
    values: tuple[float, ...]
    holds: tuple[float, float]


def interval_strip(finding: Finding) -> Strip:
    """Lay a finding out on a line that just holds its values, its interval and its bound."""
    numbers = finding.criterion.bound, finding.interval.low, finding.interval.estimate, finding.interval.high
    least, most = min(*numbers, *finding.values), max(*numbers, *finding.values)

    def place(number: float) -> float:
        share = (number - least) / (most - least) if most > least else 0.5
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    bound, low, estimate, high = map(place, numbers)
    holds = (bound, round(100 - bound, 2)) if finding.criterion.above else (0.0, bound)
    return Strip(bound, low, estimate, high, tuple(map(place, finding.values)), holds)
