"""The register: everything that was fixed in advance, for each claim and each scale.

A value may be a table by scale or by subject. The entry of the subject takes precedence over that of the scale, and
``otherwise`` comes last.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import RecipeError
from featdyn_core.register.asked import Asked
from featdyn_core.tables import read, shown, unknown
from featdyn_core.verdicts.claim import EMPIRICAL, MINIMUM_SEEDS, THEOREM, Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.inference import confidence_at_look
from featdyn_core.verdicts.units import Unit

AUTO = "auto"
"""Stands for the usual scale of a tier (see ``harness.tiers``)."""

OTHERWISE = "otherwise"
"""Key of a table by scale or subject for everything that it does not name."""

FAST, FULL = TIERS = ("fast", "full")

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
        name: name of its table in ``scales.toml``.
        tier: fast or full.
        recipes: subject to the name of its plain recipe, in the order in which they are run.
        seeds: subject to the training seeds of the tests.
        images: subject to the largest number of images of each split that claims are measured on.
        here: training seeds that a run trains again, while published records are judged on all ``seeds``; if empty, all
            seeds are trained.
        seen: subject to the seeds whose numbers were known before their criteria were written.
        looks: how many times claims have been judged at this scale, this time included, with seeds added each time.
        found_on: subject to the first digits of the digest of the plain recipe to which known findings belong; another
            recipe under the same name has none.
        like: "scale/subject" of the row whose bounds, arms and numbers its subjects take if a claim's file does not
            name them (see ``register.likeness``); empty if all files name them.
        windows: subject to window name to its first and last epoch, for a scale that is like a row.
        claims: the claims of a scale that is like a row; all claims about that row if left out.
    """

    name: str
    tier: str
    recipes: dict[str, str]
    seeds: dict[str, tuple[int, ...]]
    images: dict[str, int]
    here: tuple[int, ...] = ()
    seen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    looks: int = 1
    found_on: dict[str, str] = field(default_factory=dict)
    like: str = ""
    windows: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    claims: tuple[str, ...] = ()

    @property
    def model(self) -> tuple[str, str]:
        """Scale and subject of the row that it is like; two empty texts if there is none."""
        scale, _, subject = self.like.partition("/")
        return scale, subject

    @property
    def confidence(self) -> float:
        """Coverage of the intervals by which claims are judged at this scale."""
        return confidence_at_look(self.looks)


@dataclass(frozen=True)
class Entry:
    """One claim of the register, for all scales.

    Attributes:
        id: its name, which is also that of its file.
        title: the claim in a few words.
        section: section of the paper that makes the claim.
        sentence: the paper's words.
        subjects: the data sets it is about.
        scales: the scales at which it is tested; empty for all.
        records: name to the measurement (see ``harness.plan``).
        arms: name of each arm of the comparison to the suffix of its recipe's name ("" for the plain one), or to a
            table of suffixes; false says that a row has no such arm.
        windows: scale or subject to window name to its epochs.
        shared: names of numbers that ``scales.toml`` holds for several claims.
        protocol: every other number that the measurement uses; after reading, also the shared ones.
        criteria: role to the criteria by name.
        seeds: "scale/subject" to training seeds that replace those of the scale.
        published: scales at which only published records decide it, while other claims are also trained again.
        multiverse: dimension to the other reasonable choices, by name (see ``register.multiverse``).
        found: "scale/subject" to the known finding, if it is not SUPPORTED.
        rival_of: the claim that this rival explains otherwise or tests more strictly; empty for a claim of the paper.
        extension: whether it goes beyond the paper; verdict counts then leave it out.
        kind: ``empirical`` or ``theorem``. A theorem must hold in every world and involves no training. It has only a
            protocol and criteria, all of which are universal.
    """

    id: str
    title: str
    section: str
    sentence: str
    subjects: tuple[str, ...] = ()
    scales: tuple[str, ...] = ()
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    arms: dict[str, Any] = field(default_factory=lambda: {"clean": ""})
    windows: dict[str, dict[str, Window]] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    protocol: dict[str, Any] = field(default_factory=dict)
    criteria: dict[Role, dict[str, Asked]] = field(default_factory=dict)
    seeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    multiverse: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    found: dict[str, Verdict] = field(default_factory=dict)
    rival_of: str = ""
    extension: bool = False
    kind: str = EMPIRICAL

    def claim(self, scale: str, subject: str) -> Claim:
        """Return the claim with the criteria and bounds of one scale and subject.

        A missing bound or list is a ``RecipeError``, and so is a claim in which nothing decides or controls.
        """
        chosen = [
            criterion
            for role, criteria in self.criteria.items()
            for name, asked in criteria.items()
            for item in self._items(name, asked, scale, subject)
            for criterion in self._criteria(name, asked, role, scale, subject, item)
        ]
        return Claim(self.id, self.section, self.sentence, tuple(chosen))

    def unasked(self, protocol: Mapping[str, Any]) -> str:
        """Return the name of a deciding list that is empty in a protocol; an empty text if there is none.

        The claim would then have no item to judge.
        """
        lists = (asked.each for asked in self.criteria[Role.DECIDES].values())
        return next((name for name in lists if name in protocol and not protocol[name]), "")

    def _items(self, name: str, asked: Asked, scale: str, subject: str) -> list[str]:
        """Return the items of a criterion; one empty item if it is a single number.

        Raises:
            RecipeError: the protocol has no such list.
        """
        if not asked.each:
            return [""]
        where, protocol = f"claim {self.id!r}, criterion {name!r}, each", self.protocol_of(scale, subject)
        if asked.each not in protocol:
            raise RecipeError(f"{where}: {unknown('list', asked.each, protocol, 'its protocol has')}")
        items: list[str] = read(list[str], protocol[asked.each], f"{where} of {asked.each}")
        if not items and asked in self.criteria[Role.DECIDES].values():
            raise RecipeError(f"{where}: the list {asked.each!r} is empty, so nothing would be judged")
        return items

    def _criteria(
        self, name: str, asked: Asked, role: Role, scale: str, subject: str, item: str
    ) -> Iterator[Criterion]:
        """Yield the criteria at a scale; with ``on``, one split's criterion decides and the other's is reported.

        Raises:
            RecipeError: there is no bound.
        """
        ((direction, bounds),) = asked.bounds.items()
        bound, margin = (self._number(name, value, scale, subject) for value in (bounds, asked.margin))
        if bound is None:
            raise RecipeError(f"claim {self.id!r}, criterion {name!r}: it has no bound for {scale}/{subject}")
        if asked.margin is not None and margin is None and scale not in asked.reported:
            raise RecipeError(f"claim {self.id!r}, criterion {name!r}: it has no margin for {scale}/{subject}; add one")
        quantity = self._said(name, asked.quantity, self.protocol_of(scale, subject))
        for split in SPLITS if asked.on else ("",):
            decides = split == asked.on
            now = role if decides and scale not in asked.reported else Role.REPORTED
            yield self._criterion(
                name=", ".join(filter(None, [name, item, split])),
                quantity=", ".join(filter(None, [quantity, item, split and f"{split} images"])),
                direction=direction,
                bound=bound,
                role=now,
                unit=asked.unit or Unit.EXCESS,
                around=asked.around,
                margin=margin,
                discrete=asked.discrete,
                pilot=asked.pilot,
                paper=asked.paper and decides,
                universal=self.kind == THEOREM,
            )

    def _criterion(self, **fields: Any) -> Criterion:
        """Return a criterion of this claim.

        Raises:
            RecipeError: its fields do not fit together.
        """
        try:
            found = Criterion(**fields)  # its margin is checked, although only a deciding one is used
            return found if found.role is Role.DECIDES else dataclasses.replace(found, margin=None)
        except RecipeError as error:
            raise RecipeError(f"claim {self.id!r}, {error}") from error

    def _number(self, name: str, value: Any, scale: str, subject: str) -> float | None:
        """Return a bound or a margin at a scale; None if there is none.

        Raises:
            RecipeError: it is not a finite number.
        """
        number = at(value, scale, subject)
        if number is not None and (type(number) not in (int, float) or not abs(number) <= sys.float_info.max):
            fault = f"{shown(number)} for {scale}/{subject} is not a finite number"
            raise RecipeError(f"claim {self.id!r}, criterion {name!r}: {fault}")
        return None if number is None else float(number)

    def _said(self, name: str, quantity: str, protocol: dict[str, Any]) -> str:
        """Return the words of a quantity with the protocol's numbers in them.

        Raises:
            RecipeError: there are braces around something that is not a number of the protocol.
        """
        try:
            return quantity.format_map(protocol)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            fault = f"{quantity!r} has braces around something that is not a number of the protocol ({error})"
            raise RecipeError(f"claim {self.id!r}, criterion {name!r}, quantity: {fault}") from error

    def subjects_at(self, scale: Scale) -> tuple[str, ...]:
        """Subjects of its rows at a scale, in the scale's order; a theorem has one row, in the fast tier."""
        if self.kind == THEOREM:
            return (WORLDS,) if scale.tier == FAST else ()
        if self.scales and scale.name not in self.scales:
            return ()
        return tuple(subject for subject in scale.recipes if subject in self.subjects)

    def seeds_at(self, scale: Scale, subject: str) -> tuple[int, ...]:
        """Return the training seeds of its row on a subject."""
        if self.kind == THEOREM:
            return scale.here or next(iter(scale.seeds.values()))
        return self.seeds.get(f"{scale.name}/{subject}") or scale.seeds[subject]

    def windows_of(self, scale: str, subject: str) -> dict[str, Window]:
        """Return the windows for a subject at a scale."""
        return self.windows.get(subject) or self.windows.get(scale, {})

    def arms_of(self, scale: str, subject: str) -> dict[str, str]:
        """Return the arms that the row of a subject at a scale has."""
        arms = {name: at(value, scale, subject) for name, value in self.arms.items()}
        return {name: suffix for name, suffix in arms.items() if suffix is not False}

    def protocol_of(self, scale: str, subject: str) -> dict[str, Any]:
        """Return the numbers of the measurement for a subject at a scale."""
        return {name: at(value, scale, subject) for name, value in self.protocol.items()}


@dataclass(frozen=True)
class Register:
    """Everything in the register.

    Attributes:
        paper: title and arXiv id.
        scales: by name, from the smallest to the largest.
        entries: by the claims' ids, in the order of the paper's sections.
        pilot_seeds: the seeds that bounds came from; no test uses them.
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
            raise RecipeError(unknown("claim", claim, self.entries, "the register has"))
        return self.entries[claim]

    def scale(self, name: str) -> Scale:
        """Return one scale.

        Raises:
            RecipeError: unknown scale.
        """
        if name not in self.scales:
            raise RecipeError(unknown("scale", name, self.scales, "the register has"))
        return self.scales[name]

    def family(self, scale: Scale) -> int:
        """Return how many rows are registered together at a scale, without theorems and extensions."""
        claims = (entry for entry in self.entries.values() if entry.kind == EMPIRICAL and not entry.extension)
        return sum(len(entry.subjects_at(scale)) for entry in claims)

    def check_seeds(self, seeds: tuple[int, ...], *, least: int = MINIMUM_SEEDS) -> None:
        """Refuse training seeds on which a claim cannot be judged; ``least`` is the smallest number of seeds.

        Raises:
            RecipeError: seeds are below 0, repeated, pilot seeds, or too few.
        """
        shown = ",".join(map(str, seeds))
        if min(seeds, default=0) < 0:
            raise RecipeError(f"seeds {shown}: seeds are integers from 0 on")
        if len(set(seeds)) < len(seeds):
            raise RecipeError(f"seeds {shown}: a seed occurs twice, and one training is not two observations")
        if pilots := sorted(set(seeds) & set(self.pilot_seeds)):
            raise RecipeError(
                f"seeds {shown}: bounds came from the pilot seeds {', '.join(map(str, pilots))}; take others"
            )
        if len(seeds) < least:
            why = "" if least == MINIMUM_SEEDS else ", since one of its numbers is discrete"
            raise RecipeError(f"seeds {shown}: a claim is judged on at least {least}{why}")


def at(value: Any, scale: str, subject: str) -> Any:
    """Return a value for a subject at a scale; None if a table has none."""
    if not isinstance(value, dict):
        return value
    return value.get(subject, value.get(scale, value.get(OTHERWISE)))
