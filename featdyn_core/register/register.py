"""The register: what was fixed in advance, of each claim and of each scale.

A value may be a table by scale or by subject; what stands under the subject goes first. A criterion is only reported at
the scales that its ``reported`` lists, and asked of each item of the protocol's list that its ``each`` names.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.verdicts.claim import EMPIRICAL, MINIMUM_SEEDS, THEOREM, Claim, Criterion, Role, Verdict
from featdyn_core.verdicts.fields import check_fields, reading
from featdyn_core.verdicts.inference import confidence_at_look

SCALES = ("small", "reduced", "paper")
TIERS = ("fast", "full")
SPLITS = ("held-out", "training")

WORLDS = "worlds"
"""Subject of every theorem: finite worlds, drawn anew for each seed."""


@dataclass(frozen=True)
class Window:
    """Epochs from ``first`` to ``last``, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class Scale:
    """One scale of the harness.

    Attributes:
        name: small, reduced or paper.
        tier: fast or full.
        recipes: subject to the name of its plain recipe, in the order in which they are run.
        seeds: training seeds of the tests.
        images: largest number of images of each split that claims are measured on.
        looks: how many times claims have been judged at this scale, this time included, with seeds added each time.
    """

    name: str
    tier: str
    recipes: dict[str, str]
    seeds: tuple[int, ...]
    images: int
    looks: int = 1

    @property
    def confidence(self) -> float:
        """Coverage of the intervals by which claims are judged at this scale."""
        return confidence_at_look(self.looks)


@dataclass(frozen=True)
class Entry:
    """One claim of the register, for all scales.

    Attributes:
        id: its name, that of its file.
        title: in a few words.
        section: where the paper makes it.
        sentence: the paper's words.
        subjects: the data sets it is about.
        records: name to what is to be measured (see ``harness.plan``).
        arms: name of each arm of the comparison to the suffix of its recipe's name ("" for the plain one), or to a
            table of suffixes.
        windows: scale or subject to window name to its epochs.
        protocol: every other number that the measurement uses.
        criteria: raw tables of its criteria, by role.
        found: "scale/subject" to the verdict that published evidence has shown, where it is not SUPPORTED.
        rival_of: the claim that this one explains otherwise or asks more sharply; empty for a claim of the paper.
        kind: ``empirical``, or ``theorem``: that is to hold in every world, is read from no training, and has nothing
            but a protocol and criteria, all of which are universal.
    """

    id: str
    title: str
    section: str
    sentence: str
    subjects: tuple[str, ...] = ()
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    arms: dict[str, Any] = field(default_factory=lambda: {"clean": ""})
    windows: dict[str, dict[str, Window]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    criteria: dict[Role, dict[str, dict[str, Any]]] = field(default_factory=dict)
    found: dict[str, Verdict] = field(default_factory=dict)
    rival_of: str = ""
    kind: str = EMPIRICAL

    def claim(self, scale: str, subject: str) -> Claim:
        """Return the claim with the criteria and bounds of one scale and subject."""
        chosen = [
            criterion
            for role, tables in self.criteria.items()
            for name, table in _each(tables, self.protocol_of(scale, subject))
            for criterion in _criteria(f"claim {self.id!r}, criterion {name!r}", name, table, role, scale, subject)
        ]
        if self.kind == THEOREM:
            chosen = [dataclasses.replace(criterion, universal=True) for criterion in chosen]
        return Claim(self.id, self.section, self.sentence, tuple(chosen))

    def subjects_at(self, scale: Scale) -> tuple[str, ...]:
        """Subjects of its rows at a scale, in the scale's order; a theorem has one row, in the fast tier."""
        if self.kind == THEOREM:
            return (WORLDS,) if scale.tier == "fast" else ()
        return tuple(subject for subject in scale.recipes if subject in self.subjects)

    def windows_of(self, scale: str, subject: str) -> dict[str, Window]:
        """Return the windows for a subject at a scale."""
        return self.windows.get(subject) or self.windows.get(scale, {})

    def arms_of(self, scale: str, subject: str) -> dict[str, str]:
        """Return the arms for a subject at a scale."""
        return {name: _at(value, scale, subject) for name, value in self.arms.items()}

    def protocol_of(self, scale: str, subject: str) -> dict[str, Any]:
        """Return the numbers of the measurement for a subject at a scale."""
        return {name: _at(value, scale, subject) for name, value in self.protocol.items()}


@dataclass(frozen=True)
class Register:
    """Everything in the register.

    Attributes:
        paper: title and arXiv id.
        scales: by name.
        entries: by the claims' ids, in the order of the paper's sections.
        pilot_seeds: those that bounds came from; no test uses them.
        digest: hex sha256 over all of its files.
    """

    paper: dict[str, str]
    scales: dict[str, Scale]
    entries: dict[str, Entry]
    pilot_seeds: tuple[int, ...]
    digest: str

    def entry(self, claim: str) -> Entry:
        """Return one claim's entry.

        Raises:
            RecipeError: unknown claim.
        """
        if claim not in self.entries:
            raise RecipeError(f"unknown claim {claim!r}; the register has {', '.join(self.entries)}")
        return self.entries[claim]

    def check_seeds(self, seeds: tuple[int, ...]) -> None:
        """Refuse training seeds on which no claim can be judged.

        Raises:
            RecipeError: seeds repeated, seeds that bounds came from, or too few.
        """
        shown = ",".join(map(str, seeds))
        if len(set(seeds)) < len(seeds):
            raise RecipeError(f"seeds {shown}: a seed stands there twice, and one training is no two observations")
        if pilots := sorted(set(seeds) & set(self.pilot_seeds)):
            raise RecipeError(f"seeds {shown}: bounds came from {', '.join(map(str, pilots))}; take others")
        if len(seeds) < MINIMUM_SEEDS:
            raise RecipeError(f"seeds {shown}: a claim is judged on at least {MINIMUM_SEEDS}")


def _each(tables: Mapping[str, dict[str, Any]], protocol: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of criteria by name, and in the place of one with ``each`` one for each item of that list."""
    for name, table in tables.items():
        fields = dict(table)
        each = fields.pop("each", None)
        if each is None:
            yield name, fields
        else:
            for item in protocol[each]:
                yield f"{name}, {item}", fields | {"quantity": f"{table['quantity']}, {item}"}


def _criteria(
    where: str, name: str, table: dict[str, Any], role: Role, scale: str, subject: str
) -> Iterator[Criterion]:
    """Yield what one table asks at a scale: with ``on``, one criterion decides and the other split's is reported."""
    with reading(where):
        fields = dict(table)
        directions = [direction for direction in ("above", "below") if direction in fields]
        if len(directions) != 1:
            raise ValueError("it needs a bound, either above or below")
        bound, on = _at(fields.pop(directions[0]), scale, subject), fields.pop("on", "")
        if type(bound) not in (int, float) or not math.isfinite(bound):
            raise ValueError(f"its bound for {scale}/{subject} is {bound!r}, which is no finite number")
        if scale in fields.pop("reported", ()):
            role = Role.REPORTED
        if on and on not in SPLITS:
            raise ValueError(f"on = {on!r} is none of {', '.join(SPLITS)}")
        quantity, paper = fields.pop("quantity"), fields.pop("paper", False)
        for split in SPLITS if on else ("",):
            title = f"{name}, {split}" if split else name
            words = f"{quantity}, {split} images" if split else quantity
            here = role if split == on else Role.REPORTED
            own = paper and split in ("", on)
            criterion = Criterion(title, words, directions[0], float(bound), here, paper=own, **fields)
            check_fields(criterion)
            yield criterion


def _at(value: Any, scale: str, subject: str) -> Any:
    """Return what a value is for a subject at a scale; None where a table does not say."""
    if not isinstance(value, dict):
        return value
    return value.get(subject, value.get(scale))
