"""Read and check the register, the folder ``claims/register``.

``scales.toml`` holds the paper, the scales and the pilot seeds. Every other file is one claim and has its name. It
holds the claim's sentence, the epochs and numbers of its measurement, its records and its criteria.
"""

import dataclasses
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, visible
from featdyn_core.register import multiverse
from featdyn_core.register.likeness import check_likeness, completed, completed_numbers
from featdyn_core.register.parts import ROLES, read_criteria, read_windows
from featdyn_core.register.register import AUTO, OTHERWISE, TIERS, WORLDS, Entry, Register, Scale
from featdyn_core.tables import build, check_names, fields, shown, unknown
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Verdict
from featdyn_core.verdicts.units import Unit

SCHEMA = 3

MOST_LOOKS = 20
"""Most looks at a scale; at the last, an interval must cover all but one in ten million."""

_UNITS = [str(unit) for unit in Unit if unit is not Unit.EXCESS]


@dataclass(frozen=True)
class _General:
    """The content of ``scales.toml`` besides its schema (see ``Register``).

    ``elsewhere`` lists scales, subjects and claims that claims' files may name although they are not here. Files of
    another project can then be used unedited.
    """

    paper: dict[str, str]
    pilot_seeds: tuple[int, ...]
    scales: dict[str, dict[str, Any]]
    shared: dict[str, Any] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Read training seeds such as ``0,1,2`` or ``0-4,7``; an empty text or None gives none.

    Raises:
        RecipeError: the text is not a list of integers from 0 on, or of ranges, with commas between.
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
        RecipeError: a file is not TOML or has another schema version; a field is missing, unknown or ill-typed; seeds
            are unusable; or a claim lacks a bound, a window or a number that one of its scales needs.
    """
    contents = {path: _read(path) for path in visible(folder, "*.toml")}
    if folder / "scales.toml" not in contents:
        raise RecipeError(f"there is no register at {folder}: it needs scales.toml and a file for each claim")
    digest = hashlib.sha256(b"".join(b"%s\0%s\0" % (path.name.encode(), text) for path, text in contents.items()))
    documents = {path.stem: _parse(path, text) for path, text in contents.items()}
    content = documents.pop("scales")
    if (schema := content.pop("schema", None)) != SCHEMA:
        raise RecipeError(f"{folder} has schema {shown(schema)}; this version reads schema = {SCHEMA}")
    general = build(_General, content, f"{folder}/scales.toml")
    scales = {name: _scale(name, table) for name, table in general.scales.items()}
    if twice := set(scales) & {subject for scale in scales.values() for subject in scale.recipes}:
        raise RecipeError(f"scale {min(twice)!r} has the name of a subject, and tables use both; give it another name")
    shared = general.shared
    for scale in scales.values():
        shared = completed_numbers(shared, scale)
    documents = {name: _completed(name, table, scales, shared) for name, table in documents.items()}
    entries = [_entry(name, table, scales, shared, general.elsewhere) for name, table in documents.items()]
    ordered = {entry.id: entry for entry in sorted(entries, key=lambda entry: (_section(entry), entry.id))}
    for entry in entries:
        here = entry.rival_of in ordered and not ordered[entry.rival_of].rival_of
        if entry.rival_of and not here and entry.rival_of not in general.elsewhere:
            raise RecipeError(f"claim {entry.id!r} is a rival of {entry.rival_of!r}, which is not a claim of the paper")
    register = Register(general.paper, scales, ordered, general.pilot_seeds, digest.hexdigest())
    for scale in scales.values():
        for seeds in filter(None, (*scale.seeds.values(), scale.here)):
            register.check_seeds(seeds)
        for entry in entries:
            _check_seeds(register, entry, scale)
    return register


def _completed(
    name: str, table: dict[str, Any], scales: Mapping[str, Scale], shared: Mapping[str, Any]
) -> dict[str, Any]:
    for scale in scales.values():
        table = completed(table, scale, shared, f"claim {name!r}")
    return table


def _check_seeds(register: Register, entry: Entry, scale: Scale) -> None:
    """Refuse a row whose seeds are too few for one of its numbers.

    Raises:
        RecipeError: they are.
    """
    for subject in entry.subjects_at(scale):
        least = entry.claim(scale.name, subject).least_seeds
        try:
            register.check_seeds(entry.seeds_at(scale, subject), least=least)
            if scale.here and scale.name not in entry.published:
                register.check_seeds(scale.here, least=least)
        except RecipeError as error:
            raise RecipeError(f"claim {entry.id!r} on {scale.name}/{subject}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return read_file(path, LARGEST_DOCUMENT).replace(b"\r\n", b"\n")  # a checkout may have other line ends
    except OSError as error:
        raise RecipeError(f"{path} of the register cannot be read: {error}") from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} of the register cannot be read: {error}") from error


def _scale(name: str, table: dict[str, Any]) -> Scale:
    where = f"scale {name!r}"
    by_subject = {field: _by_subject(table, field) for field in ("seeds", "images") if field in table}
    scale = build(Scale, table | by_subject, where, name=name)
    if not re.fullmatch("[A-Za-z0-9_]+", name) or name == AUTO:
        raise RecipeError(f"{where}: its name must consist of letters, digits and '_', and not be {AUTO}")
    check_likeness(scale, where)
    if scale.tier not in TIERS:
        raise RecipeError(f"{where}: {unknown('tier', scale.tier, TIERS, 'the tiers are')}")
    subjects = list(scale.recipes)
    for field_name in ("seeds", "images", "seen", "found_on", "windows"):
        found: dict[str, Any] = getattr(scale, field_name)
        check_names(found, subjects, f"{where}, {field_name}")
        if field_name in ("seeds", "images") and (without := [subject for subject in subjects if subject not in found]):
            raise RecipeError(f"{where}, {field_name}: it lacks {without[0]!r}")
    every = [seed for seeds in (*scale.seeds.values(), *scale.seen.values(), scale.here) for seed in seeds]
    if min(every, default=0) < 0 or min(scale.images.values(), default=1) < 1 or scale.looks < 1:
        raise RecipeError(f"{where}: seeds must be integers from 0 on, images and looks from 1 on")
    for subject, seeds in scale.seeds.items():
        if strange := sorted(set(scale.here) - set(seeds)):
            raise RecipeError(f"{where}, here: {strange[0]} is not a seed of {subject!r}; choose from its seeds")
    if scale.looks > MOST_LOOKS:
        raise RecipeError(f"{where}: after {scale.looks} looks no interval is left; take fresh seeds, and looks = 1")
    for subject, digits in scale.found_on.items():
        if not re.fullmatch("[0-9a-f]{12,64}", digits):
            raise RecipeError(f"{where}, found_on, {subject}: {shown(digits)} is not the first 12 digits of a digest")
    return scale


def _by_subject(table: Mapping[str, Any], name: str) -> Any:
    """Return a field of a scale as a table by subject; a single value holds for all subjects."""
    value, recipes = table[name], table.get("recipes")
    if isinstance(value, dict) or not isinstance(recipes, dict):
        return value
    return dict.fromkeys(recipes, value)


def _entry(
    name: str, table: dict[str, Any], scales: Mapping[str, Scale], shared: Mapping[str, Any], elsewhere: Sequence[str]
) -> Entry:
    where = f"claim {name!r}"
    check_names(table, [*(field for field in fields(Entry) if field not in ("id", "criteria")), *ROLES], where)
    _check_kind(table, where)
    own = {field: value for field, value in table.items() if field not in ("windows", *ROLES)}
    if table.get("kind") == THEOREM:
        own |= {"subjects": [WORLDS], "arms": {}}
    windows = read_windows(table.get("windows", {}), f"{where}, windows")
    criteria = {role: read_criteria(table.get(title, {}), f"{where}, {title}") for title, role in ROLES.items()}
    for title, role in ROLES.items():
        for criterion, asked in criteria[role].items():
            if (asked.unit is None) is not (table.get("kind") == THEOREM):
                fault = "a theorem's number has none" if asked.unit else f"it needs one of {', '.join(_UNITS)}"
                raise RecipeError(f"{where}, {title}, {criterion}, unit: {fault}")
    entry = build(Entry, own, where, id=name, windows=windows, criteria=criteria)
    entry = dataclasses.replace(entry, protocol=_shared(entry, shared, where) | entry.protocol)
    if fault := next(_faults(entry, list(scales.values()), elsewhere), ""):
        raise RecipeError(fault)
    return entry


def _shared(entry: Entry, shared: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the shared numbers of a claim.

    Raises:
        RecipeError: a name is not shared, or is also in the protocol.
    """
    for name in entry.shared:
        if name not in shared:
            raise RecipeError(f"{where}, shared: {unknown('number', name, shared, 'scales.toml shares')}")
        if name in entry.protocol:
            raise RecipeError(f"{where}: {name!r} is a number of its protocol and a shared one; leave one out")
    return {name: shared[name] for name in entry.shared}


def _check_kind(table: Mapping[str, Any], where: str) -> None:
    kind, idle = (
        table.get("kind", EMPIRICAL),
        sorted({"subjects", "arms", "records", "windows", "multiverse"} & set(table)),
    )
    if kind not in (EMPIRICAL, THEOREM):
        raise RecipeError(f"{where}: its kind is {shown(kind)}; a claim is {EMPIRICAL} or a {THEOREM}")
    if kind == THEOREM and idle:
        raise RecipeError(f"{where}: a theorem cannot have {idle[0]}, because it involves no training; remove that")
    if kind == EMPIRICAL and not table.get("records"):
        raise RecipeError(f"{where}: it has no records; add [records]")


def _rows(entry: Entry, scales: Sequence[Scale]) -> list[tuple[str, str]]:
    return [(scale.name, subject) for scale in scales for subject in entry.subjects_at(scale)]


def _faults(entry: Entry, scales: Sequence[Scale], elsewhere: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with a claim; names listed in ``elsewhere`` are allowed.

    A missing bound is a ``RecipeError``, and so is a claim in which nothing decides or controls.
    """
    yield from _misnamed(entry, scales, elsewhere)
    yield from _lacking(entry, scales)
    yield from multiverse.faults(entry)
    where, rows = f"claim {entry.id!r}, found", ["/".join(row) for row in _rows(entry, scales)]

    def is_elsewhere(row: str) -> bool:
        return row.partition("/")[0] in elsewhere

    for row, verdict in entry.found.items():
        if row not in rows and not is_elsewhere(row):
            yield f"{where}: {unknown('scale/subject', row, rows, 'it has')}"
        if verdict is Verdict.SUPPORTED or not verdict.decided:
            yield f"{where}: {verdict} is not a finding against the claim"
        named, _, subject = row.partition("/")
        known = any(scale.name == named and subject in scale.found_on for scale in scales)
        if entry.kind == EMPIRICAL and not known and not is_elsewhere(row):
            yield f"{where}: {row} was found on an unknown network; add its digest to found_on of scale {named!r}"
    for row in entry.seeds:
        if row not in rows and not is_elsewhere(row):
            yield f"claim {entry.id!r}, seeds: {unknown('scale/subject', row, rows, 'it has')}"
    on_the_spot = [scale.name for scale in scales if scale.here]
    for name in entry.published:
        if name not in (*on_the_spot, *elsewhere):
            yield f"claim {entry.id!r}, published: {unknown('scale', name, on_the_spot, 'scales with here are')}"


def _misnamed(entry: Entry, scales: Sequence[Scale], elsewhere: Sequence[str]) -> Iterator[str]:
    """Yield the names in a claim that do not exist."""
    subjects = list(dict.fromkeys(subject for scale in scales for subject in scale.recipes))
    claim, names = f"claim {entry.id!r}", [scale.name for scale in scales]
    if entry.kind == EMPIRICAL:
        for subject in sorted(set(entry.subjects) - {*subjects, *elsewhere}):
            yield f"{claim}, subjects: {unknown('subject', subject, subjects, 'the scales have')}"
    asked = {name: one for criteria in entry.criteria.values() for name, one in criteria.items()}
    tables = {"windows": entry.windows} | {f"arms, {arm}": suffix for arm, suffix in entry.arms.items()}
    tables |= {f"protocol, {name}": value for name, value in entry.protocol.items()}
    tables |= {f"criterion {name!r}": bound for name, one in asked.items() for bound in one.bounds.values()}
    tables |= {f"criterion {name!r}, margin": one.margin for name, one in asked.items()}
    for where, table in tables.items():
        for place in table if isinstance(table, dict) else ():
            if place not in (*names, *subjects, *elsewhere, OTHERWISE):
                yield f"{claim}, {where}: {unknown('scale or subject', place, [*names, *subjects], 'there are')}"
    of_scales = {"scales": entry.scales}
    of_scales |= {f"criterion {name!r}, reported": one.reported for name, one in asked.items()}
    for where, listed in of_scales.items():
        for scale in sorted(set(listed) - {*names, *elsewhere}):
            yield f"{claim}, {where}: {unknown('scale', scale, names, 'there are')}"
    windows = list(dict.fromkeys(name for named in entry.windows.values() for name in named))
    for name, record in entry.records.items():
        where = f"{claim}, record {name!r}"
        if isinstance(window := record.get("window", ""), str) and window not in ("", *windows):
            yield f"{where}: {unknown('window', window, windows, 'the claim has')}"
        arms = record.get("arms", ())
        for arm in arms if isinstance(arms, list) else ():
            if isinstance(arm, str) and arm not in entry.arms:
                yield f"{where}: {unknown('arm', arm, entry.arms, 'the claim has')}"


def _lacking(entry: Entry, scales: Sequence[Scale]) -> Iterator[str]:
    """Yield what a row of the claim needs and the claim lacks; raises as ``_faults``."""
    claim, rows = f"claim {entry.id!r}", _rows(entry, scales)
    if not rows:
        yield f"{claim}: it has no subject"
    names = {name for windows in entry.windows.values() for name in windows}
    for scale, subject in rows:
        entry.claim(scale, subject)
        windows = entry.windows_of(scale, subject)
        for name in sorted(names - set(windows)):
            yield f"{claim}: it has no window {name!r} for {scale}/{subject}, which has {', '.join(windows) or 'none'}"
        for arm, suffix in entry.arms_of(scale, subject).items():
            if not isinstance(suffix, str):
                yield f"{claim}, arms: {arm!r} has no suffix for {scale}/{subject}"
        for name, value in entry.protocol_of(scale, subject).items():
            if value is None:
                yield f"{claim}: the protocol lacks {name!r} for {scale}/{subject}"


def _section(entry: Entry) -> list[int]:
    """First section number of an entry, for sorting."""
    found = re.search(r"\d+(?:\.\d+)*", entry.section)
    return [int(part) for part in found[0].split(".")] if found else [99]
