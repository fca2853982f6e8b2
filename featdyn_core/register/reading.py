"""The register's text: the folder ``claims/register``, read and checked.

``scales.toml`` has the paper, the scales and the pilot seeds; every other file is one claim, called after it, with
its sentence, the epochs and numbers that its measurement uses, the records it is measured from, and its criteria.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.register.register import SCALES, TIERS, WORLDS, Entry, Register, Scale, Window
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Role, Verdict
from featdyn_core.verdicts.fields import check_fields, reading

SCHEMA = 2

_ROLES = {"decides": Role.DECIDES, "controls": Role.CONTROL, "reported": Role.REPORTED}


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
    with reading(f"{folder}/scales.toml"):
        if unknown := set(general) - {"schema", "paper", "pilot_seeds", "scales"}:
            raise ValueError(f"unknown field {unknown.pop()!r}")
        scales = {name: _scale(name, table) for name, table in general["scales"].items()}
    entries = [_entry(name, table, scales) for name, table in documents.items()]
    ordered = {entry.id: entry for entry in sorted(entries, key=lambda entry: (_section(entry), entry.id))}
    for entry in entries:
        if entry.rival_of and (entry.rival_of not in ordered or ordered[entry.rival_of].rival_of):
            raise RecipeError(f"claim {entry.id!r} is a rival of {entry.rival_of!r}, which is no claim of the paper")
    with reading(f"{folder}/scales.toml"):
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


def _scale(name: str, table: dict[str, Any]) -> Scale:
    with reading(f"scale {name!r}"):
        fields = dict(table)
        scale = Scale(name, seeds=tuple(fields.pop("seeds")), **fields)
        check_fields(scale)
        if name not in SCALES or scale.tier not in TIERS:
            raise ValueError(f"scales are {', '.join(SCALES)}, and tiers {', '.join(TIERS)}")
        if min(scale.seeds, default=0) < 0 or scale.images < 1 or scale.looks < 1:
            raise ValueError("seeds are integers from 0 on, images and looks from 1 on")
        return scale


def _entry(name: str, table: dict[str, Any], scales: Mapping[str, Scale]) -> Entry:
    with reading(f"claim {name!r}"):
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


def _section(entry: Entry) -> list[int]:
    """First section number of an entry, to sort by."""
    found = re.search(r"\d+(?:\.\d+)*", entry.section)
    return [int(part) for part in found[0].split(".")] if found else [99]
