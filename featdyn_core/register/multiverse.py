"""The multiverse of a claim: the other reasonable choices, fixed in advance, over which its verdict is shown.

A claim's file lists them under ``[multiverse]``, one on each line: the dimension, a name, and the overrides::

    [multiverse]
    bound."0.90" = { criteria = { "agreement" = { above = 0.90 } } }
    statistic."mean consistency" = { decides = ["mean consistency", "accuracy kept"] }

The registered choice is the first of every dimension and is not listed. A specification is one choice in each
dimension, and the multiverse is all of them. An alternative that changes nothing at a scale or subject is left out
there.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.register.asked import Asked
from featdyn_core.register.parts import read_criteria, read_windows
from featdyn_core.register.register import Entry
from featdyn_core.tables import build, explicit, unknown
from featdyn_core.verdicts.claim import Claim
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.multiverse import REGISTERED

LEAST_DIMENSIONS, LEAST_SPECIFICATIONS = 3, 24
"""Smallest size of a claim's multiverse at every scale and subject; fewer choices would be hand-picked."""


@dataclass(frozen=True)
class Alternative:
    """Another reasonable choice, by its overrides of a claim's file.

    Attributes:
        windows: scale or subject to window name to its epochs, which lie inside the recorded ones.
        protocol: name of a number to another value, or to a table by scale or subject.
        records: name of a record to options of its kind, such as a policy.
        criteria: name of a criterion to fields of it, such as its bound, the split that decides, or the list of items.
        decides: the criteria that decide; other registered deciding criteria are then reported.
    """

    windows: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    criteria: dict[str, dict[str, Any]] = field(default_factory=dict)
    decides: tuple[str, ...] = ()

    @property
    def measures(self) -> bool:
        """Whether it needs new numbers; otherwise the same numbers are judged differently."""
        return bool(self.windows or self.protocol or self.records)

    @property
    def places(self) -> set[tuple[str, ...]]:
        """The places that it overrides; no other dimension may override them."""
        nested = {"windows": self.windows, "records": self.records, "criteria": self.criteria}
        found = {(part, name, key) for part, tables in nested.items() for name in tables for key in tables[name]}
        return {*found, *(("protocol", name) for name in self.protocol), *([("decides",)] if self.decides else [])}


AS_REGISTERED = Alternative()


def alternatives(entry: Entry) -> dict[str, dict[str, Alternative]]:
    """Return the alternatives of a claim, by dimension and name.

    Raises:
        RecipeError: a table is not that of an alternative, or overrides nothing.
    """
    found: dict[str, dict[str, Alternative]] = {}
    for dimension, tables in entry.multiverse.items():
        for name, table in tables.items():
            where = _where(entry, dimension, name)
            if not table or name == REGISTERED:
                raise RecipeError(f"{where}: it overrides nothing; remove it, since {REGISTERED!r} is always a choice")
            found.setdefault(dimension, {})[name] = build(Alternative, table, where)
    return found


def choices(
    entry: Entry, scale: str, subject: str, *, seeds: int | None = None, few: bool = False
) -> dict[str, dict[str, Alternative]]:
    """Return the choices at a scale and subject, by dimension and name, the registered one first.

    An alternative that changes nothing there, or would leave no item to judge, is left out. So is a dimension without
    alternatives.

    Args:
        entry: the claim.
        scale: name of the scale.
        subject: subject of the row.
        seeds: number of seeds of the row, if known.
        few: whether few choices are allowed, as for networks that the claim was not written for.

    Raises:
        RecipeError: an alternative does not fit the claim, or there are too few.
    """
    usual, found = entry.claim(scale, subject), {}
    for dimension, named in alternatives(entry).items():
        chosen = {REGISTERED: AS_REGISTERED}
        for name, alternative in named.items():
            other = altered(entry, {dimension: (name, alternative)})
            if other.unasked(other.protocol_of(scale, subject)):
                continue
            with _inside(entry, dimension, name):
                claim = other.claim(scale, subject)
                _check_seeds(claim, seeds)
                judged = _judged(claim)
            if judged != _judged(usual) or _measured(other, scale, subject) != _measured(entry, scale, subject):
                chosen[name] = alternative
        if len(chosen) > 1:
            found[dimension] = chosen
    count = math.prod(map(len, found.values()))
    if not few and (len(found) < LEAST_DIMENSIONS or count < LEAST_SPECIFICATIONS):
        raise RecipeError(
            f"claim {entry.id!r}, multiverse: at {scale}/{subject} it has {len(found)} dimensions and {count} "
            f"specifications; it needs at least {LEAST_DIMENSIONS} and {LEAST_SPECIFICATIONS}; add alternatives"
        )
    return found


def _check_seeds(claim: Claim, seeds: int | None) -> None:
    """Refuse an alternative that needs more seeds than the row has.

    Raises:
        RecipeError: it does.
    """
    if seeds is not None and seeds < claim.least_seeds:
        raise RecipeError(
            f"one of its numbers is discrete, so it is judged on at least {claim.least_seeds} seeds, and the row has "
            f"{seeds}; leave discrete out"
        )


def altered(entry: Entry, chosen: Mapping[str, tuple[str, Alternative]]) -> Entry:
    """Return a claim under other choices.

    An override that the claim lacks, or that does not fit, is a ``RecipeError``.

    Args:
        entry: the claim.
        chosen: dimension to the name of a choice and its overrides.
    """
    for dimension, (name, alternative) in chosen.items():
        with _inside(entry, dimension, name):
            entry = _altered(entry, alternative)
    return entry


def faults(entry: Entry) -> Iterator[str]:
    """Yield what is wrong with a claim's multiverse at any scale; a claim may have none.

    An alternative that does not fit the claim is a ``RecipeError``. ``choices`` checks their number at a scale and
    subject.
    """
    spoken: dict[tuple[str, ...], str] = {}
    for dimension, named in alternatives(entry).items():
        for name, alternative in named.items():
            altered(entry, {dimension: (name, alternative)})
            for place in sorted(alternative.places):
                if (other := spoken.setdefault(place, dimension)) != dimension:
                    yield (
                        f"claim {entry.id!r}, multiverse: {other!r} and {dimension!r} both override "
                        f"{', '.join(place)}; make them one dimension"
                    )


def _where(entry: Entry, dimension: str, name: str) -> str:
    return f"claim {entry.id!r}, multiverse, {dimension}, {name!r}"


@contextlib.contextmanager
def _inside(entry: Entry, dimension: str, name: str) -> Iterator[None]:
    """Put the name of the alternative before its errors.

    Raises:
        RecipeError: the fault, with its place.
    """
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"{_where(entry, dimension, name)}: {error}") from error


def _measured(entry: Entry, scale: str, subject: str) -> tuple[object, ...]:
    """Return what is measured at a scale and subject."""
    return entry.windows_of(scale, subject), entry.protocol_of(scale, subject), entry.records


def _judged(claim: Claim) -> list[Criterion]:
    """Return the criteria that determine a verdict."""
    return [item for item in claim.criteria if item.role is not Role.REPORTED]


def _altered(entry: Entry, other: Alternative) -> Entry:
    """Return a claim under one other choice; errors are those of ``altered``."""
    asked = {name: one for criteria in entry.criteria.values() for name, one in criteria.items()}
    known = {"windows": entry.windows, "protocol": entry.protocol, "records": entry.records, "criteria": asked}
    for part, present in known.items():
        _check(part, getattr(other, part), present)
    _check("decides", other.decides, asked)
    windows = read_windows(other.windows, "windows")
    for place, named in windows.items():
        _check(f"windows, {place}", named, entry.windows[place])
    overridden = {name: {**explicit(asked[name]), **fields} for name, fields in other.criteria.items()}
    return dataclasses.replace(
        entry,
        windows={place: {**named, **windows.get(place, {})} for place, named in entry.windows.items()},
        protocol={**entry.protocol, **other.protocol},
        records={name: {**table, **other.records.get(name, {})} for name, table in entry.records.items()},
        criteria=_roles(entry, read_criteria(overridden, "criteria"), other.decides),
    )


def _check(part: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    """Refuse names that the claim does not have.

    Raises:
        RecipeError: there is such a name; the error lists the known ones.
    """
    for name in names:
        if name not in known:
            raise RecipeError(f"{part}: {unknown('name', name, known, 'the claim has')}")


def _roles(entry: Entry, overridden: Mapping[str, Asked], decides: Sequence[str]) -> dict[Role, dict[str, Asked]]:
    """Return the criteria by role, with overrides; if ``decides`` names any, these decide instead."""
    found: dict[Role, dict[str, Asked]] = {role: {} for role in Role}
    for role, criteria in entry.criteria.items():
        for name, asked in criteria.items():
            now = role
            if decides and role is not Role.CONTROL:
                now = Role.DECIDES if name in decides else Role.REPORTED
            found[now][name] = overridden.get(name, asked)
    return found
