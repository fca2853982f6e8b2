"""What a claim's file says of one criterion, for all scales."""

from dataclasses import dataclass
from typing import Any

from featdyn_core.verdicts.units import Unit


@dataclass(frozen=True)
class Asked:
    """What a claim's file says of a criterion, for all scales.

    Attributes:
        quantity: what the number is, in words, with the names of the protocol's numbers in braces: ``W_{level}(t)``.
        unit: of the number; needed of all but theorems.
        above: the bound above which it holds, one number or a table; None if it holds elsewhere.
        below: the bound below which it holds.
        within: the bound within which of ``around`` it holds, on both sides.
        around: the middle of what is ``within``.
        margin: the smallest difference from the bound that matters.
        discrete: whether the number takes few values, so that seeds are counted.
        on: the split that decides, where there is a number for each; the other split's is reported.
        each: a list of the protocol, of each item of which it is asked; empty for one number.
        reported: scales at which it is only reported.
        pilot: what pilot seeds gave for it.
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
        """Direction to the bound; one, in a claim that was read."""
        asked = {"above": self.above, "below": self.below, "within": self.within}
        return {direction: bound for direction, bound in asked.items() if bound is not None}
