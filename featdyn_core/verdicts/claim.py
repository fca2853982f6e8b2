"""What a claim is and how it is decided: criteria fixed in advance, numbers per seed, a verdict.

A criterion compares the unfavourable end of the interval over seeds with its bound, so that noise never
helps. Criteria *decide* the claim, are *controls* that show that the measurement can fail, or are *reported*
beside it.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.inference import CONFIDENCE, Inferred, Interval, infer_draws, infer_mean, infer_worst

MINIMUM_SEEDS = 3
"""Fewest seeds that a claim may be judged on."""

EMPIRICAL, THEOREM = "empirical", "theorem"
"""Kinds of claim: measured on trainings, or to hold in every world."""


class Verdict(enum.StrEnum):
    """What is said of a claim; only SUPPORTED passes. The last three say that nothing was decided."""

    SUPPORTED = "SUPPORTED"
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
class Draws:
    """One seed's number where the draw is the unit of replication: how many of its planted samples had a property.

    Attributes:
        successes: samples that had it.
        draws: samples that were drawn.
    """

    successes: int
    draws: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.draws or self.draws < 1:
            raise MeasurementError(f"{self.successes} of {self.draws} draws is no share")

    def __float__(self) -> float:
        return self.successes / self.draws


Number = float | Draws
"""What a claim measures for one seed and criterion."""


@dataclass(frozen=True)
class Criterion:
    """One quantity and its bound, fixed before the run.

    Attributes:
        name: key under which a measurement supplies one number per seed.
        quantity: what the number is, in words.
        direction: ``above`` or ``below``: the side of the bound on which the criterion holds.
        bound: in the units of the quantity.
        role: whether it decides, controls or is reported.
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
    pilot: str = ""
    paper: bool = False
    universal: bool = False

    def __post_init__(self) -> None:
        if self.direction not in ("above", "below"):
            raise RecipeError(f"criterion {self.name!r}: direction {self.direction!r} is neither above nor below")

    @property
    def above(self) -> bool:
        """Whether it holds above its bound."""
        return self.direction == "above"

    def judge(self, values: Sequence[Number], *, confidence: float = CONFIDENCE) -> "Finding":
        """Compare one number per seed with the bound, by an interval of this coverage.

        Where the numbers are ``Draws``, which only a control may give, the interval is over all draws together.

        Raises:
            MeasurementError: numbers that cannot be judged, or draws where seeds must be counted.
        """
        draws = tuple(item.draws for item in values if isinstance(item, Draws))
        if draws and (len(draws) != len(values) or self.role is not Role.CONTROL or self.universal):
            raise MeasurementError(f"{self.name!r} counts draws: only a control may, and then for every seed")
        interval, p_value = self._infer(values, confidence)
        right, wrong = (interval.low, interval.high) if self.above else (interval.high, interval.low)
        if right > self.bound if self.above else right < self.bound:
            outcome = Outcome.HOLDS
        elif self.universal or (wrong <= self.bound if self.above else wrong >= self.bound):
            outcome = Outcome.FAILS
        else:
            outcome = Outcome.UNDECIDED
        return Finding(self, tuple(map(float, values)), interval, outcome, p_value, draws)

    def _infer(self, values: Sequence[Number], confidence: float) -> Inferred:
        """Infer by the rule that the numbers are of: worlds, planted draws, or seeds."""
        counted = [item for item in values if isinstance(item, Draws)]
        options: dict[str, Any] = {"above": self.above, "confidence": confidence}
        if counted and not self.universal:
            successes, draws = [item.successes for item in counted], [item.draws for item in counted]
            return infer_draws(successes, draws, self.bound, **options)
        infer = infer_worst if self.universal else infer_mean
        return infer([float(item) for item in values], self.bound, **options)


@dataclass(frozen=True)
class Finding:
    """What one criterion came to.

    Attributes:
        criterion: the criterion.
        values: one number per seed.
        interval: their mean and its interval, 95 % where they are judged for the first time; of a universal criterion
            the least favourable of them, from the smallest to the largest.
        outcome: holds, fails or undecided.
        p_value: one-sided, of the mean being on the wrong side.
        draws: how many draws each seed's number is a share of; empty where the seed is the unit of replication.
    """

    criterion: Criterion
    values: tuple[float, ...]
    interval: Interval
    outcome: Outcome
    p_value: float
    draws: tuple[int, ...] = ()

    @property
    def numbers(self) -> list[Number]:
        """What was judged, one a seed."""
        if not self.draws:
            return list(self.values)
        return [Draws(round(value * count), count) for value, count in zip(self.values, self.draws, strict=True)]

    def __str__(self) -> str:
        item, found = self.criterion, self.interval
        units = f"{sum(self.draws)} planted draws" if self.draws else f"{found.seeds} seeds"
        covers = "least favourable" if item.universal else f"{100 * found.confidence:g} %"
        return (
            f"{item.name} ({item.role}): {found.estimate:.4g} [{found.low:.4g}, {found.high:.4g}] "
            f"({covers}, {units}), to lie {item.direction} {item.bound:g}: {self.outcome}"
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

        INVALID if a control does not hold; else REFUTED if a deciding criterion fails, INCONCLUSIVE if one is
        undecided, and SUPPORTED if all hold. ``confidence`` is the coverage of the intervals.

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
        findings = tuple(item.judge(measurements[item.name], confidence=confidence) for item in self.criteria)
        return _verdict(findings), findings


def _verdict(findings: Sequence[Finding]) -> Verdict:
    outcomes = {role: {finding.outcome for finding in findings if finding.criterion.role is role} for role in Role}
    if outcomes[Role.CONTROL] != {Outcome.HOLDS}:
        return Verdict.INVALID
    if Outcome.FAILS in outcomes[Role.DECIDES]:
        return Verdict.REFUTED
    if Outcome.UNDECIDED in outcomes[Role.DECIDES]:
        return Verdict.INCONCLUSIVE
    return Verdict.SUPPORTED
