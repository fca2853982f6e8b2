"""What a claim is and how it is decided: criteria fixed in advance, numbers per seed, a verdict.

What a claim says of several depths, epochs or corruptions is asked of each: every one is an item, judged alone. A
criterion compares the unfavourable end of the interval over seeds with its bound, so that noise never helps. Criteria
*decide* the claim, are *controls* that show that the measurement can fail, or are *reported* beside it.
"""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    seeds_to_count,
    seeds_to_decide,
)
from featdyn_core.verdicts.units import Counted, Number, Unit

MINIMUM_SEEDS = 3
"""Fewest seeds that a claim may be judged on."""

LEAST_DISCRETE = 6
"""Fewest seeds on which a discrete number can decide: six of six by chance are rarer than 2.5 %."""

EMPIRICAL, THEOREM = "empirical", "theorem"
"""Kinds of claim: measured on trainings, or to hold in every world."""


class Verdict(enum.StrEnum):
    """What is said of a claim; only SUPPORTED passes. The last three say that nothing was decided."""

    SUPPORTED = "SUPPORTED"
    EQUIVALENT = "EQUIVALENT"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"
    NOT_RUN = "NOT RUN"
    ERROR = "ERROR"
    DESELECTED = "DESELECTED"

    @property
    def decided(self) -> bool:
        """Whether numbers were judged."""
        return self not in (Verdict.NOT_RUN, Verdict.ERROR, Verdict.DESELECTED)


class Role(enum.StrEnum):
    """What a criterion is for."""

    DECIDES = "decides"
    CONTROL = "control"
    REPORTED = "reported"


class Outcome(enum.StrEnum):
    """Where the interval lies: on the right side of the bound, on the wrong side, or across it."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Criterion:
    """One quantity and its bound, fixed before the run.

    Attributes:
        name: key under which a measurement supplies one number per seed.
        quantity: what the number is, in words.
        direction: ``above`` or ``below`` the bound, or ``within`` it of ``around``.
        bound: in the unit of the quantity.
        role: whether it decides, controls or is reported.
        unit: of the numbers, and so the scale on which their mean is taken.
        around: the middle of what is ``within``.
        margin: the smallest difference from the bound that matters; None where none is registered.
        discrete: whether the number takes few values, so that seeds are counted and no mean is taken.
        pilot: what pilot seeds, which no test uses, gave for it.
        paper: whether it is the paper's own number or test.
        universal: whether it is to hold in every world, as in a theorem: each seed's number is then the least
            favourable of its worlds, no mean is taken, and a single one on the wrong side fails.
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
        """What does not fit together; else empty."""
        low, high = self.unit.range
        if self.direction not in ("above", "below", "within"):
            return f"direction {self.direction!r} is neither above, below nor within"
        if not (math.isfinite(self.bound) and math.isfinite(self.around)):
            return f"nothing can be compared with {self.bound:g} of {self.around:g}; give numbers"
        if self.direction == "within" and self.bound <= 0:
            return f"nothing lies within {self.bound:g} of {self.around:g}; give a bound above 0"
        if self.margin is not None and not 0 < self.margin < math.inf:
            return f"margin {self.margin:g} is no smallest difference that matters; give one above 0, or leave it out"
        if self.margin is not None and (not self.averages_differences or self.direction == "within"):
            what = f"discrete {self.unit}" if self.discrete else str(self.unit)
            return f"it has a margin, and is a {what} {self.direction} a bound; only a mean difference has one"
        if outside := [end for end in self.asked.ends if math.isfinite(end) and not low < end < high]:
            return f"its bound {outside[0]:g} is no {self.unit}: it is to lie between {low:g} and {high:g}"
        if self.unit is Unit.LOG_P and (self.direction != "below" or self.bound > math.log10(LEVEL)):
            return f"{self.direction} {self.bound:g}: a log10 p is to lie below at most {math.log10(LEVEL):.2f}"
        if self.unit is Unit.DRAWS and self.role is not Role.CONTROL:
            return "it counts planted draws, which only a control may: they are no seeds"
        return ""

    @property
    def asked(self) -> Bound:
        """Where its number is to lie."""
        return Bound(self.direction, self.bound, self.around, self.margin)

    @property
    def counts_seeds(self) -> bool:
        """Whether seeds are counted, and no mean over them is taken."""
        return self.universal or self.discrete or self.unit is Unit.LOG_P

    @property
    def averages_differences(self) -> bool:
        """Whether the mean of plain differences is taken, whose spread no scale makes even."""
        return self.unit.may_have_margin and not self.counts_seeds

    def right(self, value: float) -> bool:
        """Whether a single number lies on the right side."""
        return self.asked.room(value) > 0

    def judge(self, values: Sequence[Number], *, confidence: float = CONFIDENCE, items: int = 1) -> "Finding":
        """Compare one number per seed with the bound.

        Args:
            values: one number per seed.
            confidence: of the interval. Limits of p-values follow from it.
            items: of how many this is one; it fails only at a level that so many tests share.

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
        """Refuse numbers that do not say what they were counted from, and those that are none of their unit.

        Raises:
            MeasurementError: their unit needs it, or some say so and others do not; or a number outside the range of
                its unit.
        """
        counted = [isinstance(value, Counted) for value in values]
        if any(counted) is not all(counted) or (self.unit.counted and not all(counted)):
            raise MeasurementError(
                f"{self.name!r}: a {self.unit} says for every seed what it was counted from; give Counted(value, of)"
            )
        for value in map(float, values):
            if math.isfinite(value):  # of others the rule says what is wrong
                self.unit.check(value)

    def _infer(self, values: Sequence[Number], confidence: float) -> Inferred:
        """Infer by the rule of the numbers: worlds, planted draws, counted seeds, or their mean."""
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
    """What one criterion came to.

    Attributes:
        criterion: the criterion.
        values: one number per seed.
        interval: their mean, *the typical seed*, and its interval, 95 % where they are judged for the first time; where
            seeds are counted, from the smallest to the largest of them.
        outcome: holds, fails or undecided.
        p_value: one-sided, of what is judged lying on the wrong side. Its limit is 0.025.
        p_against: one-sided, of its lying on the right side. Its limit is 0.025 over the number of items.
        negligible: whether the interval lies inside bound ± margin.
        counts: what each seed's number was counted from; empty where nothing was.
        items: of how many deciding items this is one.
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
        """What was judged, one a seed."""
        return list(map(Counted, self.values, self.counts)) if self.counts else list(self.values)

    @property
    def on_right_side(self) -> int:
        """On how many seeds the number lies on the right side: k of n, which needs no law."""
        return sum(map(self.criterion.right, self.values))

    @property
    def worst(self) -> float:
        """The least favourable seed's number."""
        return min(self.values, key=self.criterion.asked.room)

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would decide it, by the spread that was seen; None if no number that anybody trains would."""
        criterion, level = self.criterion, (1 - self.interval.confidence) / 2
        counted = self.on_right_side > len(self.values) / 2
        if not (counted if criterion.counts_seeds else criterion.right(self.interval.estimate)):
            level /= self.items  # it is on the way to failing
        if criterion.discrete:
            return seeds_to_count(self.numbers, criterion.asked, level=level)
        if criterion.counts_seeds or criterion.unit is Unit.DRAWS:
            return None
        return seeds_to_decide(self.numbers, criterion.asked, unit=criterion.unit, level=level)

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
            f"worst {self.worst:.4g}, {self.on_right_side} of {seeds} hold), to lie {where}: {self.outcome}"
        )


@dataclass(frozen=True)
class Claim:
    """One claim of the paper with the criteria of one scale and subject.

    Attributes:
        id: name, as in the register.
        section: where the paper makes it.
        sentence: the paper's words.
        criteria: at least one that decides and one control; no two of one name.
    """

    id: str
    section: str
    sentence: str
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        for role in (Role.DECIDES, Role.CONTROL):
            if not any(item.role is role for item in self.criteria):
                raise RecipeError(f"claim {self.id!r} has no criterion with role {role}; it needs one")
        names = [item.name for item in self.criteria]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RecipeError(f"claim {self.id!r} has more than one criterion called {', '.join(map(repr, twice))}")
        without = [item.name for item in self.deciding if item.margin is None]
        if 0 < len(without) < len(self.deciding):
            raise RecipeError(
                f"claim {self.id!r}: {without[0]!r} decides and has no margin, and others that decide have one; "
                "give each a margin, or none"
            )

    @property
    def deciding(self) -> tuple[Criterion, ...]:
        """The criteria that decide: its items."""
        return tuple(item for item in self.criteria if item.role is Role.DECIDES)

    @property
    def least_seeds(self) -> int:
        """Fewest seeds on which every criterion that decides or controls can hold."""
        discrete = any(item.discrete and item.role is not Role.REPORTED for item in self.criteria)
        return LEAST_DISCRETE if discrete else MINIMUM_SEEDS

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse a measurement whose names are not those of the criteria.

        Raises:
            MeasurementError: a criterion without measurement, or a measurement without criterion.
        """
        expected = {item.name for item in self.criteria}
        if different := sorted(expected ^ set(names)):
            raise MeasurementError(f"claim {self.id!r}: criteria and measurements differ in {', '.join(different)}")

    def judge(
        self, measurements: Mapping[str, Sequence[Number]], *, confidence: float = CONFIDENCE
    ) -> tuple[Verdict, tuple[Finding, ...]]:
        """Decide the claim from one number per seed for each criterion.

        INVALID if a control does not hold; else SUPPORTED if every item that decides holds, EQUIVALENT if every one
        lies inside its margin, REFUTED if one fails at a level that all share, and else INCONCLUSIVE. ``confidence``
        is the coverage of the intervals.

        Raises:
            MeasurementError: names that are not those of the criteria, numbers of seeds that differ, or too few
                seeds.
        """
        self.check_names(list(measurements))
        counts = {name: len(values) for name, values in measurements.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name!r} {count}" for name, count in counts.items())
            raise MeasurementError(f"claim {self.id!r} needs as many seeds for each criterion: {listed}")
        if min(counts.values()) < MINIMUM_SEEDS:
            raise MeasurementError(
                f"claim {self.id!r} needs at least {MINIMUM_SEEDS} seeds, found {min(counts.values())}"
            )
        items = {Role.DECIDES: len(self.deciding)}
        findings = tuple(
            item.judge(measurements[item.name], confidence=confidence, items=items.get(item.role, 1))
            for item in self.criteria
        )
        return _verdict(findings), findings


def _verdict(findings: Sequence[Finding]) -> Verdict:
    controls, deciding = (
        [item for item in findings if item.criterion.role is role] for role in (Role.CONTROL, Role.DECIDES)
    )
    outcomes = {item.outcome for item in deciding}
    if {item.outcome for item in controls} != {Outcome.HOLDS}:
        return Verdict.INVALID
    if outcomes == {Outcome.HOLDS}:
        return Verdict.SUPPORTED
    if all(item.negligible for item in deciding):
        return Verdict.EQUIVALENT
    return Verdict.REFUTED if Outcome.FAILS in outcomes else Verdict.INCONCLUSIVE
