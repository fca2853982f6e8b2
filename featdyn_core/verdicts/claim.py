"""What a claim is and how it is decided: criteria fixed in advance, numbers per seed, a verdict.

A criterion compares the unfavourable end of the interval over seeds with its bound, so that noise never
helps. Criteria *decide* the claim, are *controls* that show that the measurement can fail, or are *reported*
beside it.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.inference import (
    CONFIDENCE,
    Interval,
    bound_p_value,
    pooled_interval,
    pooled_p_value,
    seed_interval,
)


class Verdict(enum.StrEnum):
    """What is said of a claim; only SUPPORTED passes."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"
    NOT_RUN = "NOT RUN"


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
        direction: ``above`` or ``below``: the side of the bound on which the criterion holds.
        bound: in the units of the quantity.
        role: whether it decides, controls or is reported.
        pilot: what pilot seeds, which no test uses, gave for it.
        draws: for a control on planted samples, how many independent draws each seed's number is a share of;
            its interval is then over all draws. 0 where the seed is the unit of replication.
    """

    name: str
    quantity: str
    direction: str
    bound: float
    role: Role = Role.DECIDES
    pilot: str = ""
    draws: int = 0

    def __post_init__(self) -> None:
        if self.draws and self.role is not Role.CONTROL:
            raise RecipeError(f"criterion {self.name!r}: only a control may count draws; a finding counts seeds")
        if self.direction not in ("above", "below"):
            raise RecipeError(f"criterion {self.name!r}: direction {self.direction!r} is neither above nor below")

    @property
    def above(self) -> bool:
        """Whether it holds above its bound."""
        return self.direction == "above"

    def judge(self, values: Sequence[float], *, confidence: float = CONFIDENCE) -> "Finding":
        """Compare one number per seed with the bound, by an interval of this coverage."""
        interval, p_value = self._infer(values, confidence)
        right, wrong = (interval.low, interval.high) if self.above else (interval.high, interval.low)
        if right > self.bound if self.above else right < self.bound:
            outcome = Outcome.HOLDS
        elif wrong <= self.bound if self.above else wrong >= self.bound:
            outcome = Outcome.FAILS
        else:
            outcome = Outcome.UNDECIDED
        return Finding(self, tuple(map(float, values)), interval, outcome, p_value)

    def _infer(self, values: Sequence[float], confidence: float) -> tuple[Interval, float]:
        """Interval of the mean, and p-value of its being on the wrong side of the bound.

        A p-value grows by the factor by which a stricter interval errs less, so that 0.025 is its limit always.
        """
        if self.draws:
            successes, draws = [round(value * self.draws) for value in values], [self.draws] * len(values)
            interval = pooled_interval(successes, draws, confidence=confidence)
            p_value = pooled_p_value(successes, draws, self.bound, above=self.above)
        else:
            interval = seed_interval(values, confidence=confidence)
            p_value = bound_p_value(values, self.bound, above=self.above)
        return interval, min(1.0, p_value * ((1 - CONFIDENCE) / (1 - confidence)))


@dataclass(frozen=True)
class Finding:
    """What one criterion came to.

    Attributes:
        criterion: the criterion.
        values: one number per seed.
        interval: their mean and its interval, 95 % where they are judged for the first time.
        outcome: holds, fails or undecided.
        p_value: one-sided, of the mean being on the wrong side.
    """

    criterion: Criterion
    values: tuple[float, ...]
    interval: Interval
    outcome: Outcome
    p_value: float

    def __str__(self) -> str:
        item, found = self.criterion, self.interval
        units = f"{item.draws * found.seeds} planted draws" if item.draws else f"{found.seeds} seeds"
        return (
            f"{item.name} ({item.role}): {found.estimate:.4g} [{found.low:.4g}, {found.high:.4g}] "
            f"({100 * found.confidence:g} %, {units}), to lie {item.direction} {item.bound:g}: {self.outcome}"
        )


@dataclass(frozen=True)
class Claim:
    """One claim of the paper with the criteria of one tier.

    Attributes:
        id: name, as in the register.
        section: where the paper makes it.
        sentence: the paper's words.
        criteria: at least one that decides and one control.
        minimum_seeds: fewest seeds it may be judged on.
    """

    id: str
    section: str
    sentence: str
    criteria: tuple[Criterion, ...]
    minimum_seeds: int = 3

    def __post_init__(self) -> None:
        for role in (Role.DECIDES, Role.CONTROL):
            if not any(item.role is role for item in self.criteria):
                raise RecipeError(f"claim {self.id!r} has no criterion with role {role}; it needs one")

    def judge(
        self, measurements: Mapping[str, Sequence[float]], *, confidence: float = CONFIDENCE
    ) -> tuple[Verdict, tuple[Finding, ...]]:
        """Decide the claim from one number per seed for each criterion.

        INVALID if a control does not hold; else REFUTED if a deciding criterion fails, INCONCLUSIVE if one is
        undecided, and SUPPORTED if all hold. ``confidence`` is the coverage of the intervals.

        Raises:
            MeasurementError: a criterion without measurement, a measurement without criterion, or too few
                seeds.
        """
        names = {item.name for item in self.criteria}
        if missing := sorted(names ^ set(measurements)):
            raise MeasurementError(f"claim {self.id!r}: criteria and measurements differ in {', '.join(missing)}")
        for name, values in measurements.items():
            if len(values) < self.minimum_seeds:
                raise MeasurementError(
                    f"claim {self.id!r} needs at least {self.minimum_seeds} seeds, {name!r} has {len(values)}"
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


@dataclass(frozen=True)
class Curve:
    """Numbers for a figure of the report.

    Attributes:
        x: (points,) abscissae.
        series: label to one list of (points,) ordinates per seed.
        x_label: axis with unit.
        y_label: axis with unit.
    """

    x: list[float]
    series: dict[str, list[list[float]]]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Evidence:
    """One claim's numbers and verdict on one subject.

    Attributes:
        claim: the claim's id.
        section: where the paper makes it.
        subject: what it was measured on, such as ``digits`` or ``cifar10``.
        tier: fast or full.
        scale: small, reduced or paper.
        verdict: see ``Verdict``.
        findings: one a criterion; empty if not run.
        reason: why it was not run; empty otherwise.
        seeds: the training seeds.
        recipes: recipe name to its digest.
        checkpoints: "<recipe>/<seed>" to the trajectory's key and one digest over its checkpoints' digests.
        data: data set description to its digest.
        images: split to the number of its images, the first ones, that claims may look at.
        curves: figure title to its numbers.
        environment: commit, versions, device, machine.
        seconds: duration of training (if any) and measurement.
    """

    claim: str
    section: str
    subject: str
    tier: str
    scale: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    seeds: tuple[int, ...] = ()
    recipes: dict[str, str] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def p_value(self) -> float | None:
        """Largest p-value of the deciding criteria (all must hold: intersection-union); None if none is valid."""
        if self.verdict is Verdict.INVALID:
            return None
        deciding = [item.p_value for item in self.findings if item.criterion.role is Role.DECIDES]
        return max(deciding, default=None)

    def of(self, role: Role) -> tuple[Finding, ...]:
        """Return the findings of one role."""
        return tuple(item for item in self.findings if item.criterion.role is role)

    def message(self) -> str:
        """Return verdict and all findings, one a line."""
        head = f"{self.claim} on {self.subject} (section {self.section}): {self.verdict}"
        return "\n".join([head + (f": {self.reason}" if self.reason else ""), *(f"  {item}" for item in self.findings)])
