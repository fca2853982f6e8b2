"""The register: what was fixed in advance, read from the folder ``claims/register``.

``scales.toml`` has the paper, the scales and the pilot seeds; every other file is one claim, called after it, with
its sentence, the epochs and numbers that its measurement uses, the records it is measured from, and its criteria. A
value may be a table by scale or by subject; what stands under the subject goes first. A criterion is only reported at
the scales that its ``reported`` lists, and asked of each item of the protocol's list that its ``each`` names.
"""

import contextlib
import dataclasses
import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.verdicts.claim import MINIMUM_SEEDS, Claim, Criterion, Role, Verdict
from featdyn_core.verdicts.fields import check_fields
from featdyn_core.verdicts.inference import confidence_at_look

SCHEMA = 2
SCALES = ("small", "reduced", "paper")
TIERS = ("fast", "full")
SPLITS = ("held-out", "training")

EMPIRICAL, THEOREM = "empirical", "theorem"
WORLDS = "worlds"
"""Subject of every theorem: finite worlds, drawn anew for each seed."""

_ROLES = {"decides": Role.DECIDES, "controls": Role.CONTROL, "reported": Role.REPORTED}


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


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Read training seeds such as ``0,1,2`` or ``0-4,7``; none of an empty text or None.

    Raises:
        RecipeError: not integers from 0 on, or ranges of them, with commas between.
    """
    seeds: list[int] = []
    for part in text.split(",") if text else ():
        found = re.fullmatch(r"\s*(\d{1,15})\s*(?:-\s*(\d{1,15})\s*)?", part, flags=re.ASCII)
        if not found or int(found[2] or found[1]) - int(found[1]) not in range(10_000):
            raise RecipeError(f"--seeds {text!r}: expected seeds from 0 on, such as 0,1,2 or 0-4,7")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(seeds)


def load_register(folder: Path) -> Register:
    """Read the register.

    Raises:
        RecipeError: not TOML, another schema version, a missing or unknown field or one of the wrong kind, unusable
            seeds, a claim that lacks a bound, a window or a number that one of its scales needs.
    """
    contents = {path: _read(path) for path in sorted(folder.glob("*.toml"))}
    if folder / "scales.toml" not in contents:
        raise RecipeError(f"there is no register at {folder}: it needs scales.toml and a file for each claim")
    digest = hashlib.sha256(b"".join(b"%s\0%s\0" % (path.name.encode(), text) for path, text in contents.items()))
    documents = {path.stem: _parse(path, text) for path, text in contents.items()}
    general = documents.pop("scales")
    if general.get("schema") != SCHEMA:
        raise RecipeError(f"{folder} has schema {general.get('schema')!r}; this version reads schema = {SCHEMA}")
    with _reading(f"{folder}/scales.toml"):
        if unknown := set(general) - {"schema", "paper", "pilot_seeds", "scales"}:
            raise ValueError(f"unknown field {unknown.pop()!r}")
        scales = {name: _scale(name, table) for name, table in general["scales"].items()}
    entries = [_entry(name, table, scales) for name, table in documents.items()]
    ordered = {entry.id: entry for entry in sorted(entries, key=lambda entry: (_section(entry), entry.id))}
    for entry in entries:
        if entry.rival_of and (entry.rival_of not in ordered or ordered[entry.rival_of].rival_of):
            raise RecipeError(f"claim {entry.id!r} is a rival of {entry.rival_of!r}, which is no claim of the paper")
    with _reading(f"{folder}/scales.toml"):
        register = Register(general["paper"], scales, ordered, tuple(general["pilot_seeds"]), digest.hexdigest())
        check_fields(register)
    for scale in scales.values():
        register.check_seeds(scale.seeds)
    return register


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} of the register cannot be read: {error}") from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} of the register cannot be read: {error}") from error


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Say where in the register a table is not of the form that the code inside expects."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecipeError(f"{where}: a field is missing, unknown or of the wrong kind: {error}") from error


def _scale(name: str, table: dict[str, Any]) -> Scale:
    with _reading(f"scale {name!r}"):
        fields = dict(table)
        scale = Scale(name, seeds=tuple(fields.pop("seeds")), **fields)
        check_fields(scale)
        if name not in SCALES or scale.tier not in TIERS:
            raise ValueError(f"scales are {', '.join(SCALES)}, and tiers {', '.join(TIERS)}")
        if min(scale.seeds, default=0) < 0 or scale.images < 1 or scale.looks < 1:
            raise ValueError("seeds are integers from 0 on, images and looks from 1 on")
        return scale


def _entry(name: str, table: dict[str, Any], scales: Mapping[str, Scale]) -> Entry:
    with _reading(f"claim {name!r}"):
        fields = dict(table)
        windows = {
            place: {window: Window(*ends) for window, ends in named.items()}
            for place, named in fields.pop("windows", {}).items()
        }
        criteria = {role: fields.pop(title, {}) for title, role in _ROLES.items()}
        found = {place: Verdict(verdict) for place, verdict in fields.pop("found", {}).items()}
        _check_kind(table)
        if table.get("kind") == THEOREM:
            fields |= {"subjects": [WORLDS], "arms": {}}
        subjects = tuple(fields.pop("subjects"))
        entry = Entry(name, windows=windows, criteria=criteria, found=found, subjects=subjects, **fields)
        check_fields(entry)
        _check_entry(entry, list(scales.values()))
    return entry


def _check_kind(table: Mapping[str, Any]) -> None:
    kind, idle = table.get("kind", EMPIRICAL), {"subjects", "arms", "records", "windows"} & set(table)
    if kind not in (EMPIRICAL, THEOREM):
        raise ValueError(f"its kind is {kind!r}; a claim is {EMPIRICAL} or a {THEOREM}")
    if kind == THEOREM and idle:
        raise ValueError(f"a theorem has no {idle.pop()}: no training is behind it")
    if kind == EMPIRICAL and not table.get("records"):
        raise ValueError("it has no records")


def _check_entry(entry: Entry, scales: Sequence[Scale]) -> None:
    """Refuse a claim that names what is not there, or lacks what one of its scales needs.

    Raises:
        ValueError: what is wrong with it.
        RecipeError: a criterion that is wrong, or a claim that nothing decides or controls.
    """
    cells = [(scale.name, subject) for scale in scales for subject in entry.subjects_at(scale)]
    if unknown := set(entry.subjects) - {subject for _, subject in cells}:
        raise ValueError(f"subject {unknown.pop()!r} is in no scale")
    if not cells:
        raise ValueError("it has no subject")
    names = {name for windows in entry.windows.values() for name in windows}
    for scale, subject in cells:
        entry.claim(scale, subject)
        if lacking := names - set(entry.windows_of(scale, subject)):
            raise ValueError(f"it has no window {lacking.pop()!r} for {scale}/{subject}")
        if wrong := [arm for arm, suffix in entry.arms_of(scale, subject).items() if not isinstance(suffix, str)]:
            raise ValueError(f"arms: {wrong[0]!r} has no suffix for {scale}/{subject}")
        if None in entry.protocol_of(scale, subject).values():
            raise ValueError(f"the protocol says nothing for {scale}/{subject}")
    for window in (window for windows in entry.windows.values() for window in windows.values()):
        if not 0 <= window.first < window.last:
            raise ValueError(f"the window [{window.first}, {window.last}] is no span of epochs")
    tables = [entry.windows, *entry.arms.values(), *entry.protocol.values()]
    tables += [value for table in _tables(entry) for value in (table.get("above"), table.get("below"))]
    used = {place for table in tables if isinstance(table, dict) for place in table}
    used |= {scale for table in _tables(entry) for scale in table.get("reported", ())}
    if unknown := used - {*SCALES, *(subject for scale in scales for subject in scale.recipes)}:
        raise ValueError(f"{unknown.pop()!r} is neither a scale nor a subject")
    if unknown := set(entry.found) - {"/".join(cell) for cell in cells}:
        raise ValueError(f"found {unknown.pop()!r} is no scale/subject of this claim")
    if idle := {verdict for verdict in entry.found.values() if verdict is Verdict.SUPPORTED or not verdict.decided}:
        raise ValueError(f"found {idle.pop()}, which is no finding against the claim")


def _tables(entry: Entry) -> list[dict[str, Any]]:
    return [table for tables in entry.criteria.values() for table in tables.values()]


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
    with _reading(where):
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


def _section(entry: Entry) -> list[int]:
    """First section number of an entry, to sort by."""
    found = re.search(r"\d+(?:\.\d+)*", entry.section)
    return [int(part) for part in found[0].split(".")] if found else [99]
