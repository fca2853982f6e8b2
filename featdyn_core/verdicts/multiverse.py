"""The multiverse of a row: its verdict under every specification. It is shown with the verdict and decides nothing."""

import itertools
import math
from dataclasses import dataclass

from featdyn_core.errors import RecipeError
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Finding

REGISTERED = "as registered"
"""The name of the registered choice, which decides; it is the first of every dimension."""

SHOWN = (Verdict.SUPPORTED, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.REFUTED, Verdict.INVALID)
"""The verdicts of judged numbers, in the order in which their shares are shown."""

FARTHEST = 10.0
"""Largest reach; for numbers that do not vary it would be infinite."""


@dataclass(frozen=True)
class Multiverse:
    """The verdict of a row under every specification, which is one choice in each dimension.

    Specifications stand in the order of ``itertools.product``: the first is the registered one, and the last
    dimension's choices alternate fastest.

    Attributes:
        dimensions: name to the names of its choices, the registered one first.
        verdicts: one for each specification.
        reach: for each specification, how far the number that decides it lies from its bound (see ``reach``).
        hinges: for each specification, the name of the criterion that decides it.
    """

    dimensions: dict[str, tuple[str, ...]]
    verdicts: tuple[Verdict, ...]
    reach: tuple[float, ...]
    hinges: tuple[str, ...]

    def __post_init__(self) -> None:
        count = math.prod(map(len, self.dimensions.values()))
        if {count} != {len(self.verdicts), len(self.reach), len(self.hinges)} or not count:
            raise RecipeError(f"a multiverse of {count} specifications has {len(self.verdicts)} verdicts")
        if not all(map(math.isfinite, self.reach)):
            raise RecipeError("how far a specification lies from its bound must be a finite number")
        if strange := [verdict for verdict in self.verdicts if verdict not in SHOWN]:
            raise RecipeError(f"{strange[0]} is not a verdict of a specification; they are {', '.join(SHOWN)}")

    @property
    def specifications(self) -> list[tuple[str, ...]]:
        """Names of the choices of each specification, one in each dimension."""
        return list(itertools.product(*self.dimensions.values()))

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict to the number of specifications with it, in the order in which they are shown."""
        return {verdict: self.verdicts.count(verdict) for verdict in SHOWN}

    @property
    def shares(self) -> dict[Verdict, float]:
        """Verdict to its share of the specifications in per cent."""
        return {verdict: 100 * count / len(self.verdicts) for verdict, count in self.counts.items()}


def reach(finding: Finding) -> float:
    """Return how far a number lies from its bound, divided by the length of its interval on the side of the bound.

    The reach has no unit, so specifications with different units and bounds can be compared. Above 0 the number lies on
    the right side. From 1 upwards, and from -1 downwards, the whole interval lies on one side. For a range with two
    ends, the nearer end counts.
    """
    found = finding.interval
    low, high = finding.criterion.asked.ends
    below, above = found.estimate - found.low, found.high - found.estimate
    distances = [
        (found.estimate - low, (above, below)),
        (high - found.estimate, (below, above)),
    ]
    distance, (out, back) = min(distances, key=lambda one: one[0])
    arm = back if distance > 0 else out
    if not distance:
        return 0.0
    return max(-FARTHEST, min(FARTHEST, distance / arm)) if arm else math.copysign(FARTHEST, distance)
