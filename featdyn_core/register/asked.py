"""One criterion in a claim's file, for all scales."""

from dataclasses import dataclass
from typing import Any

from featdyn_core.verdicts.units import Unit


@dataclass(frozen=True)
class Asked:
    """A criterion in a claim's file, for all scales.

    Attributes:
        quantity: what the number is, in words, with the names of the protocol's numbers in braces: ``W_{level}(t)``.
        unit: unit of the number; required except for theorems.
        above: the bound above which it holds, one number or a table; None if it holds elsewhere.
        below: the bound below which it holds.
        within: the distance from ``around`` within which it holds, on both sides.
        around: the middle of the range, for ``within``.
        margin: the smallest difference from the bound that matters.
        discrete: whether the number takes few values; seeds are then counted.
        on: the split that decides, if there is a number for each; the other split's number is reported.
        each: name of a list of the protocol; each of its items has its own number. Empty for a single number.
        reported: scales at which it is only reported.
        pilot: the numbers of the pilot seeds.
        paper: whether it is the paper's own number or test.
    """

    quantity: str
    unit: Unit | None = None
    above: Any = None
    below: Any = None
    within: Any = None
    around: float = 0.0
    margin: Any = None
    discrete: bool = False
    on: str = ""
    each: str = ""
    reported: tuple[str, ...] = ()
    pilot: str = ""
    paper: bool = False

    @property
    def bounds(self) -> dict[str, Any]:
        """Direction to the bound; a claim that was read has exactly one."""
        asked = {"above": self.above, "below": self.below, "within": self.within}
        return {direction: bound for direction, bound in asked.items() if bound is not None}
