"""The multiverse of a row: its verdict by every specification, which stands beside the verdict and decides nothing."""

import itertools
import math
from dataclasses import dataclass

from featdyn_core.errors import RecipeError
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Finding

REGISTERED = "as registered"
"""The name of the choice that decides, the first one of every dimension."""

SHOWN = (Verdict.SUPPORTED, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.REFUTED, Verdict.INVALID)
"""The verdicts that judged numbers can come to, in the order in which shares of them are shown."""

FARTHEST = 10.0
"""No reach is told beyond this; numbers that do not vary would reach infinitely far."""


@dataclass(frozen=True)
class Multiverse:
    """What a row comes to by every specification, which is one choice of each dimension.

    Specifications stand in the order of ``itertools.product``: the first is the registered one, and the last
    dimension's choices alternate fastest.

    Attributes:
        dimensions: name to the names of its choices, the registered one first.
        verdicts: one a specification.
        reach: how far what the verdict hangs on lies from its bound, one number a specification (see ``reach``).
        hinges: name of the criterion that each verdict hangs on.
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
        """Names of the choices of each specification, one of each dimension."""
        return list(itertools.product(*self.dimensions.values()))

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict to the number of specifications that come to it, in the order in which they are shown."""
        return {verdict: self.verdicts.count(verdict) for verdict in SHOWN}

    @property
    def shares(self) -> dict[Verdict, float]:
        """Verdict to its share of the specifications in per cent."""
        return {verdict: 100 * count / len(self.verdicts) for verdict, count in self.counts.items()}


def reach(finding: Finding) -> float:
    """Return how far a number lies from its bound, in lengths of the arm of its interval that points to the bound.

    It has no unit, so that specifications of other units and bounds can be compared. Above 0 it lies on the right
    side; from 1 on, and down from -1, the whole interval lies on one side. A number within two ends is measured from
    the nearer one.
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
