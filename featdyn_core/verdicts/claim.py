"""Claims and their decision: criteria fixed in advance, numbers per seed, a verdict.

If a claim speaks of several depths, epochs or corruptions, each of them is an item that is judged alone. A criterion
*decides* the claim, is a *control* that shows that the measurement can fail, or is *reported* only.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.criterion import Criterion, Finding, Outcome, Role
from featdyn_core.verdicts.inference import CONFIDENCE
from featdyn_core.verdicts.units import Number

MINIMUM_SEEDS = 3
"""Fewest seeds on which a claim may be judged."""

LEAST_DISCRETE = 6
"""Fewest seeds on which a discrete number can decide: six of six have a chance below 2.5 %."""

EMPIRICAL, THEOREM = "empirical", "theorem"
"""Kinds of claim: one is measured on trainings, the other must hold in every world."""


class Verdict(enum.StrEnum):
    """The verdict on a claim. Only SUPPORTED passes. The last three say that nothing was decided.

    Examples:
        >>> [str(verdict) for verdict in Verdict if verdict.decided]
        ['SUPPORTED', 'EQUIVALENT', 'REFUTED', 'INCONCLUSIVE', 'INVALID']
    """

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


@dataclass(frozen=True)
class Claim:
    """One claim of the paper with the criteria of one scale and subject.

    Attributes:
        id: its name in the register.
        section: section of the paper that makes the claim.
        sentence: the paper's words.
        criteria: at least one that decides and one control; their names differ.

    Examples:
        >>> agreement = Criterion("agreement", "agreement with f_t", "above", 0.9)
        >>> stranger = Criterion("stranger", "agreement of another seed", "below", 0.5, Role.CONTROL)
        >>> claim = Claim("memory", "4.2", "Old halves still work.", (agreement, stranger))
        >>> verdict, _ = claim.judge({"agreement": [0.95, 0.96, 0.97], "stranger": [0.1, 0.2, 0.1]})
        >>> print(verdict)
        SUPPORTED
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
        """Fewest seeds on which every deciding criterion and every control can hold."""
        discrete = any(item.discrete and item.role is not Role.REPORTED for item in self.criteria)
        return LEAST_DISCRETE if discrete else MINIMUM_SEEDS

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse a measurement whose names differ from those of the criteria.

        Raises:
            MeasurementError: a criterion has no measurement, or a measurement has no criterion.
        """
        expected, given = {item.name for item in self.criteria}, set(names)
        faults = []
        if lacking := sorted(expected - given):
            faults.append(f"measure returns no {', '.join(map(repr, lacking))}, which the register asks for; return it")
        if added := sorted(given - expected):
            faults.append(f"the register has no {', '.join(map(repr, added))}, which measure returns; register it")
        if faults:
            raise MeasurementError(f"claim {self.id!r}: {'; '.join(faults)}")

    def judge(
        self, measurements: Mapping[str, Sequence[Number]], *, confidence: float = CONFIDENCE
    ) -> tuple[Verdict, tuple[Finding, ...]]:
        """Decide the claim from one number per seed for each criterion.

        The verdict is the first that applies: INVALID if a control does not hold, SUPPORTED if every deciding item
        holds, EQUIVALENT if every deciding item lies inside its margin, REFUTED if one fails at the level that all
        share, and INCONCLUSIVE otherwise. ``confidence`` is the coverage of the intervals.

        Raises:
            MeasurementError: names differ from those of the criteria, criteria differ in their number of seeds, or
                there are too few seeds.
        """
        self.check_names(list(measurements))
        counts = {name: len(values) for name, values in measurements.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name!r} {count}" for name, count in counts.items())
            raise MeasurementError(f"claim {self.id!r} needs equally many seeds for each criterion: {listed}")
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
