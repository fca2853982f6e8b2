"""The multiverse of a row, computed from records alone: its verdict under every specification.

The measured numbers depend on windows, numbers of the protocol and records. They do not depend on bounds, splits, items
and the choice of deciding criteria. So ``measure`` runs once for each combination of the former, and all choices of the
latter are judged on the same numbers.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from featdyn_core.errors import MissingRecordError, RecipeError
from featdyn_core.harness.laboratory import Laboratory, Source, Used, measured
from featdyn_core.harness.plan import Cell
from featdyn_core.harness.run import Measure
from featdyn_core.records.request import Request
from featdyn_core.register.multiverse import Alternative, altered, choices
from featdyn_core.store.records import Record
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Role
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import REGISTERED, Multiverse, reach
from featdyn_core.verdicts.units import Number

Chosen = Mapping[str, tuple[str, Alternative]]
"""A specification: dimension to the name of its choice and what that overrides."""

Values = Mapping[str, list[Number]]
"""Name of a criterion to one number a seed."""


def has_multiverse(cell: Cell) -> bool:
    """Whether a row belongs to the register and has a multiverse."""
    return bool(cell.entry.multiverse) and cell.variation is None


def with_multiverse(row: Evidence, laboratory: Laboratory, measure: Measure) -> Evidence:
    """Return a row with its multiverse, if its claim has one and the row is decided; errors as ``multiverse``."""
    cell = laboratory.rows[row.id]
    if not has_multiverse(cell) or not row.verdict.decided:
        return row
    return dataclasses.replace(row, multiverse=multiverse(cell, measure, laboratory.recorded(cell)))


def multiverse(cell: Cell, measure: Measure, source: Source) -> Multiverse:
    """Judge a row by every specification of its claim.

    An alternative that does not fit the claim, or whose records are missing, is a ``RecipeError``. Missing records of
    the registered specification are a ``MissingRecordError``.

    Args:
        cell: a row whose claim has a multiverse.
        measure: the claim's measurement of one seed.
        source: source of existing records; it makes none.
    """
    dimensions = choices(cell.entry, cell.scale.name, cell.subject, seeds=len(cell.seeds), few=bool(cell.scale.like))
    specifications = [
        dict(zip(dimensions, chosen, strict=True))
        for chosen in itertools.product(*(named.items() for named in dimensions.values()))
    ]
    # Specifications that differ in their judgement alone have the same key.
    rows = {key: _altered(cell, dimensions, key) for key in dict.fromkeys(map(_measured_by, specifications))}
    kept = _keeping(source)
    values = {key: _measured(row, dict(zip(dimensions, key, strict=True)), measure, kept) for key, row in rows.items()}
    found = [_judged(cell, chosen, values[_measured_by(chosen)]) for chosen in specifications]
    verdicts, distances, hinges = zip(*found, strict=True)
    return Multiverse({name: tuple(named) for name, named in dimensions.items()}, verdicts, distances, hinges)


def _measured_by(chosen: Chosen) -> tuple[str, ...]:
    return tuple(name if alternative.measures else REGISTERED for name, alternative in chosen.values())


def _altered(cell: Cell, dimensions: Mapping[str, Mapping[str, Alternative]], key: Sequence[str]) -> Cell:
    """Return a row that is measured under other choices."""
    chosen = {dimension: (name, named[name]) for (dimension, named), name in zip(dimensions.items(), key, strict=True)}
    return dataclasses.replace(cell, entry=altered(cell.entry, chosen))


def _measured(row: Cell, names: Mapping[str, str], measure: Measure, source: Source) -> Values:
    """Measure a row under the named choices, dimension to name.

    Raises:
        MissingRecordError: a record of the registered specification is missing.
        RecipeError: a record of another specification is missing.
    """
    with _named(row, names):
        try:
            return measured(row, measure, source, Used()).values
        except MissingRecordError as error:
            if set(names.values()) == {REGISTERED}:
                raise
            raise RecipeError(f"{error}; measure it and publish it, or amend the register") from error


def _keeping(source: Source) -> Source:
    """Return a source that keeps each record, so that it is unpacked only once for all specifications."""
    records: dict[str, Record] = {}

    def read(request: Request) -> Record:
        record = source(request)
        return records.setdefault(record.facts["file"], record)

    return read


def _judged(cell: Cell, chosen: Chosen, values: Values) -> tuple[Verdict, float, str]:
    """Return a specification's verdict, with the reach and the name of its decisive criterion.

    Raises:
        RecipeError: its criteria are incompatible, or nothing measures one of them.
    """
    with _named(cell, {dimension: name for dimension, (name, _) in chosen.items()}):
        claim = altered(cell.entry, chosen).claim(cell.scale.name, cell.subject)
        asked = tuple(item for item in claim.criteria if item.role is not Role.REPORTED)
        if absent := [item.name for item in asked if item.name not in values]:
            raise RecipeError(f"nothing measures {absent[0]!r}; the measurement has {', '.join(values)}")
        numbers = {item.name: values[item.name] for item in asked}
        judging = dataclasses.replace(claim, criteria=asked)
        verdict, findings = judging.judge(numbers, confidence=cell.scale.confidence)
    row = Evidence(claim.id, claim.section, cell.subject, cell.tier, cell.scale.name, verdict, findings=findings)
    hangs_on = row.hinge
    assert hangs_on is not None, "a judged row has findings"
    return verdict, round(reach(hangs_on), 4), hangs_on.criterion.name


@contextlib.contextmanager
def _named(cell: Cell, names: Mapping[str, str]) -> Iterator[None]:
    """Let errors begin with the name of their specification.

    Raises:
        RecipeError: the error and its specification.
    """
    try:
        yield
    except RecipeError as error:
        other = [f"{dimension} = {name!r}" for dimension, name in names.items() if name != REGISTERED]
        raise RecipeError(f"claim {cell.entry.id!r}, multiverse, {', '.join(other) or REGISTERED}: {error}") from error
