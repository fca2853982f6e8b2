"""Criteria: one quantity with its bound, and the judgement of its numbers.

A criterion compares the unfavourable end of the interval over seeds with its bound, so noise never helps a claim.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.inference import (
    CONFIDENCE,
    LEVEL,
    Bound,
    Inferred,
    Interval,
    infer_count,
    infer_draws,
    infer_mean,
    infer_p_values,
    infer_worst,
)
from featdyn_core.verdicts.power import seeds_to_count, seeds_to_decide
from featdyn_core.verdicts.units import Counted, Number, Unit


class Role(enum.StrEnum):
    """The purpose of a criterion."""

    DECIDES = "decides"
    CONTROL = "control"
    REPORTED = "reported"


class Outcome(enum.StrEnum):
    """Where the interval lies: on the right side of the bound, on the wrong side, or across it."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


_BETWEEN = ", "
"""Separates a criterion's name, its item and its split (see ``register.Entry``)."""


class Parts(NamedTuple):
    """A criterion's name taken apart: name and quantity that its items share, and the item, which may be empty."""

    name: str
    quantity: str
    item: str


@dataclass(frozen=True)
class Criterion:
    """One quantity and its bound, fixed before the run.

    Attributes:
        name: key under which a measurement supplies one number per seed.
        quantity: what the number is, in words.
        direction: ``above`` or ``below`` the bound, or ``within`` that distance of ``around``.
        bound: the bound, in the unit of the quantity.
        role: whether it decides, controls or is reported.
        unit: unit of the numbers; it sets the scale on which their mean is taken.
        around: the middle of the range, for ``within``.
        margin: the smallest difference from the bound that matters; None if none is registered.
        discrete: whether the number takes few values; seeds are then counted, and no mean is taken.
        pilot: the numbers of the pilot seeds, which no test uses.
        paper: whether it is the paper's own number or test.
        universal: whether it must hold in every world, as in a theorem. Each seed's number is then the least
            favourable of its worlds; no mean is taken, and a single number on the wrong side fails.

    Examples:
        >>> criterion = Criterion("agreement", "agreement with f_t", "above", 0.9)
        >>> print(criterion.judge([0.95, 0.96, 0.97]))
        agreement (decides): 0.96 [0.9352, 0.9848] (95 %, 3 seeds; worst 0.95, 3 of 3 hold), must lie above 0.9: holds
    """

    name: str
    quantity: str
    direction: str
    bound: float
    role: Role = Role.DECIDES
    unit: Unit = Unit.DIFFERENCE
    around: float = 0.0
    margin: float | None = None
    discrete: bool = False
    pilot: str = ""
    paper: bool = False
    universal: bool = False

    def __post_init__(self) -> None:
        if fault := self._fault():
            raise RecipeError(f"criterion {self.name!r}: {fault}")

    def _fault(self) -> str:
        """Return what does not fit together; empty if all fits."""
        low, high = self.unit.range
        if self.direction not in ("above", "below", "within"):
            return f"direction {self.direction!r} is neither above, below nor within"
        if not (math.isfinite(self.bound) and math.isfinite(self.around)):
            return f"nothing can be compared with {self.bound:g} of {self.around:g}; give numbers"
        if self.direction == "within" and self.bound <= 0:
            return f"nothing lies within {self.bound:g} of {self.around:g}; give a bound above 0"
        if self.margin is not None and not 0 < self.margin < math.inf:
            return f"margin {self.margin:g}: give a smallest difference that matters, above 0, or leave it out"
        if self.margin is not None and (
            self.unit is not Unit.DIFFERENCE or self.counts_seeds or self.direction == "within"
        ):
            what = f"discrete {self.unit}" if self.discrete else str(self.unit)
            return f"it has a margin, and is a {what} {self.direction} a bound; only a mean difference has one"
        if outside := [end for end in self.asked.ends if math.isfinite(end) and not low < end < high]:
            return f"its bound {outside[0]:g} ({self.unit}) must lie between {low:g} and {high:g}"
        if self.unit is Unit.LOG_P and (self.direction != "below" or self.bound > math.log10(LEVEL)):
            most = f"{math.log10(LEVEL):.2f}"
            return f"{self.direction} {self.bound:g}: a log10 p must lie below a bound of at most {most}"
        if self.unit is Unit.DRAWS and self.role is not Role.CONTROL:
            return "it counts planted draws, which are not seeds; only a control may"
        return ""

    @property
    def parts(self) -> Parts:
        """Its parts: both name and quantity end in the item, before the split."""
        names, quantities = self.name.split(_BETWEEN), self.quantity.split(_BETWEEN)
        split = names[-1:] if quantities[-1] == f"{names[-1]} images" else []
        names, quantities = names[: len(names) - len(split)], quantities[: len(quantities) - len(split)]
        shared = 0
        while shared < min(len(names), len(quantities)) - 1 and names[-1 - shared] == quantities[-1 - shared]:
            shared += 1
        name, item = names[: len(names) - shared], names[len(names) - shared :]
        quantity = quantities[: len(quantities) - shared] + [f"{one} images" for one in split]
        return Parts(_BETWEEN.join(name + split), _BETWEEN.join(quantity), _BETWEEN.join(item))

    @property
    def asked(self) -> Bound:
        """Where its number must lie."""
        return Bound(self.direction, self.bound, self.around, self.margin)

    @property
    def counts_seeds(self) -> bool:
        """Whether seeds are counted, rather than averaged."""
        return self.universal or self.discrete or self.unit is Unit.LOG_P

    @property
    def averages_differences(self) -> bool:
        """Whether it averages plain differences, for which no scale evens out the spread."""
        return self.unit.plain and not self.counts_seeds

    @property
    def may_be_skewed(self) -> bool:
        """Whether its numbers may be skewed on their own scale: differences, and correlations far from -1 and 1."""
        return self.averages_differences or (self.unit is Unit.CORRELATION and not self.counts_seeds)

    def right(self, value: float) -> bool:
        """Whether a single number lies on the right side."""
        return self.asked.room(value) > 0

    def judge(self, values: Sequence[Number], *, confidence: float = CONFIDENCE, items: int = 1) -> "Finding":
        """Compare one number per seed with the bound.

        Args:
            values: one number per seed.
            confidence: coverage of the interval; the limits of p-values follow from it.
            items: number of deciding items; an item fails only at a level that all of them share.

        Numbers that cannot be judged are a ``MeasurementError``.
        """
        self._check(values)
        interval, *p_values = self._infer(values, confidence)
        p_value, p_against, p_margin = (
            None if one is None else min(1.0, one * ((1 - CONFIDENCE) / (1 - confidence))) for one in p_values
        )
        assert p_value is not None, "every rule tests the bound"
        assert p_against is not None, "every rule tests both sides of the bound"
        outcome = Outcome.UNDECIDED
        if p_value <= LEVEL:
            outcome = Outcome.HOLDS
        elif p_against <= LEVEL / items or self.universal:
            outcome = Outcome.FAILS
        counts = tuple(value.of for value in values if isinstance(value, Counted))
        negligible = p_margin is not None and p_margin <= LEVEL
        return Finding(
            self, tuple(map(float, values)), interval, outcome, p_value, p_against, negligible, counts, items
        )

    def _check(self, values: Sequence[Number]) -> None:
        """Refuse numbers without the count that their unit needs, and numbers outside the range of their unit.

        Raises:
            MeasurementError: counts are missing in some numbers or in all, or a number lies outside the range of its
                unit.
        """
        counted = [isinstance(value, Counted) for value in values]
        counts = {value.of for value in values if isinstance(value, Counted)}
        if self.unit in (Unit.SHARE, Unit.MEAN_SHARE, Unit.CORRELATION) and len(counts) > 1:
            raise MeasurementError(
                f"{self.name!r}: a {self.unit} must be counted from equally many in every seed, found "
                f"{sorted(counts)}; its bound would otherwise differ between seeds"
            )
        if any(counted) is not all(counted) or (self.unit.counted and not all(counted)):
            raise MeasurementError(
                f"{self.name!r}: a {self.unit} needs for every seed what it was counted from; give Counted(value, of)"
            )
        self.unit.check(*filter(math.isfinite, map(float, values)))  # the rule refuses the others

    def _infer(self, values: Sequence[Number], confidence: float) -> Inferred:
        """Infer by the rule for these numbers: worst world, planted draws, counted seeds, or mean."""
        if self.universal:
            return infer_worst(values, self.asked, confidence=confidence)
        if self.unit is Unit.DRAWS:
            return infer_draws(values, self.asked, confidence=confidence)
        if self.unit is Unit.LOG_P:
            return infer_p_values(values, self.asked, confidence=confidence)
        if self.discrete:
            return infer_count(values, self.asked, confidence=confidence)
        return infer_mean(values, self.asked, unit=self.unit, confidence=confidence)


@dataclass(frozen=True)
class Finding:
    """The result of one criterion.

    Attributes:
        criterion: the criterion.
        values: one number per seed.
        interval: their mean, *the typical seed*, and its interval (95 % at the first look); where seeds are counted,
            the interval runs from the smallest to the largest number.
        outcome: holds, fails or undecided.
        p_value: one-sided p-value of the hypothesis that the number lies on the wrong side. Its limit is 0.025.
        p_against: the same for the right side. Its limit is 0.025 divided by the number of items.
        negligible: whether the interval lies inside bound ± margin.
        counts: what each seed's number was counted from; empty if nothing was.
        items: number of deciding items, including this one.

    Examples:
        >>> finding = Criterion("agreement", "agreement with f_t", "above", 0.9).judge([0.95, 0.96, 0.97])
        >>> finding.outcome, finding.on_right_side, finding.worst
        (<Outcome.HOLDS: 'holds'>, 3, 0.95)
    """

    criterion: Criterion
    values: tuple[float, ...]
    interval: Interval
    outcome: Outcome
    p_value: float
    p_against: float = 1.0
    negligible: bool = False
    counts: tuple[int, ...] = ()
    items: int = 1

    @property
    def numbers(self) -> list[Number]:
        """The judged numbers, one for each seed."""
        if not self.counts:
            return list(self.values)
        return [Counted(value, of) for value, of in zip(self.values, self.counts, strict=True)]

    @property
    def on_right_side(self) -> int:
        """Number of seeds on the right side, the k in *k of n*."""
        return sum(map(self.criterion.right, self.values))

    @property
    def worst(self) -> float:
        """The number of the least favourable seed."""
        return min(self.values, key=self.criterion.asked.room)

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would decide the item, given the observed spread; None if more than anybody would train.

        An item whose estimate lies inside its margin is decided once either its side or its smallness is shown.
        """
        criterion, alone = self.criterion, (1 - self.interval.confidence) / 2
        counted, estimate = self.on_right_side > len(self.values) / 2, self.interval.estimate
        right = counted if criterion.counts_seeds else criterion.right(estimate)
        level = alone if right else alone / self.items  # an item that fails must do so at the shared level
        if criterion.discrete:
            return seeds_to_count(self.numbers, criterion.asked, level=level)
        if criterion.counts_seeds or criterion.unit is Unit.DRAWS:
            return None
        ways = [(criterion.asked, level)]
        if criterion.margin is not None and abs(estimate - criterion.bound) < criterion.margin:
            ways.append((Bound("within", criterion.margin, criterion.bound), alone))
        needed = [seeds_to_decide(self.numbers, asked, unit=criterion.unit, level=at) for asked, at in ways]
        return min(filter(None, needed), default=None)

    def __str__(self) -> str:
        item, found, seeds = self.criterion, self.interval, len(self.values)
        covers = f"{100 * found.confidence:g} %, {seeds} seeds"
        if item.counts_seeds:
            covers = f"smallest to largest of {seeds} seeds"
        if item.unit is Unit.DRAWS:
            covers = f"{100 * found.confidence:g} %, {sum(self.counts)} planted draws"
        where = (
            f"within {item.bound:g} of {item.around:g}"
            if item.direction == "within"
            else f"{item.direction} {item.bound:g}"
        )
        return (
            f"{item.name} ({item.role}): {found.estimate:.4g} [{found.low:.4g}, {found.high:.4g}] ({covers}; "
            f"worst {self.worst:.4g}, {self.on_right_side} of {seeds} hold), must lie {where}: {self.outcome}"
        )
