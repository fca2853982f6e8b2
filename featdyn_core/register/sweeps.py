"""Sweeps: claims decided again with one thing varied, read from the folder ``claims/sweeps``.

A sweep names the scale and subject whose rows it varies, the claims, and the effect that is shown for each claim. A
variation overrides fields of the recipes (``recipe``), options of the claims' records (``records``, by kind), or both.
Bounds, windows and seeds stay those of the register, unless the sweep names other seeds. Rows of a sweep are not
registered rows and get no adjusted p-values.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.files import read_text, visible
from featdyn_core.register.register import Register
from featdyn_core.tables import build, read, unknown
from featdyn_core.verdicts.claim import Verdict


@dataclass(frozen=True)
class Variation:
    """One variation.

    Attributes:
        name: part of the names of its rows and recipes.
        title: the variation in a few words.
        recipe: tables of the recipe to the fields that are overridden (see ``trajectories.variation``).
        records: kind of record to the options that are overridden (see ``harness.plan``).
        protocol: numbers and lists of the claims' protocols that follow from it, such as the depths of another network;
            claims without these entries stay unchanged.
        claims: its claims; all claims of the sweep if left out.
        found: claim to the known finding, if it is not SUPPORTED.
    """

    name: str
    title: str
    recipe: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    claims: tuple[str, ...] = ()
    found: dict[str, Verdict] = field(default_factory=dict)

    @property
    def overrides(self) -> dict[str, Any]:
        """What it overrides, as the evidence shows it."""
        parts = {"recipe": self.recipe, "records": self.records, "protocol": self.protocol}
        return {part: tables for part, tables in parts.items() if tables}


@dataclass(frozen=True)
class Sweep:
    """Variations of the rows of one scale and subject.

    Attributes:
        name: name of its file.
        scale: a scale of the register.
        subject: a subject of that scale.
        effects: claim to the criterion whose estimate is shown for it.
        variations: by name.
        seeds: seeds that replace those of the scale.
    """

    name: str
    scale: str
    subject: str
    effects: dict[str, str]
    variations: dict[str, Variation]
    seeds: tuple[int, ...] = ()


def load_sweeps(folder: Path, register: Register) -> list[Sweep]:
    """Read all sweeps; there may be none.

    These are a ``RecipeError``: text that is not TOML, a missing, unknown or ill-typed field, a scale, subject, claim
    or criterion that the register lacks, unusable seeds, and a variation that overrides nothing.
    """
    return [_sweep(path, register) for path in visible(folder, "*.toml")]


def _sweep(path: Path, register: Register) -> Sweep:
    where = f"sweep {path}"
    try:
        table = tomllib.loads(read_text(path, "utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"{where}: cannot be read: {error}") from error
    listed = read(dict[str, dict[str, Any]], table.pop("variations", {}), f"{where}, variations")
    variations = {
        name: build(Variation, fields, f"{where}, variation {name!r}", name=name) for name, fields in listed.items()
    }
    sweep = build(Sweep, table, where, name=path.stem, variations=variations)
    try:
        fault = next(_faults(sweep, register), "")
    except RecipeError as error:
        fault = str(error)
    if fault:
        raise RecipeError(f"{where}: {fault}")
    return sweep


def _faults(sweep: Sweep, register: Register) -> Iterator[str]:
    """Yield what is wrong with a sweep: names that the register lacks, or empty variations.

    An unknown claim, or seeds on which no claim can be judged, are a ``RecipeError``.
    """
    rows = [f"{name}/{subject}" for name, scale in register.scales.items() for subject in scale.recipes]
    if (row := f"{sweep.scale}/{sweep.subject}") not in rows:
        yield unknown("scale/subject", row, rows, "the register has")
    if not sweep.effects or not sweep.variations:
        yield "it needs effects, of at least one claim, and variations"
    if sweep.seeds:
        register.check_seeds(sweep.seeds)
    for claim, effect in sweep.effects.items():
        entry = register.entry(claim)
        if sweep.subject not in entry.subjects:
            yield f"claim {claim!r} is not about {sweep.subject}"
        criteria = [item.name for item in entry.claim(sweep.scale, sweep.subject).criteria]
        if effect not in criteria:
            yield f"effects, claim {claim!r}: {unknown('criterion', effect, criteria, 'it has')}"
    for variation in sweep.variations.values():
        where = f"variation {variation.name!r}"
        if not (variation.recipe or variation.records):
            yield f"{where} overrides nothing; give it recipe or records"
        for claim in sorted({*variation.claims, *variation.found} - set(sweep.effects)):
            yield f"{where}: {unknown('claim', claim, sweep.effects, 'the effects are of')}"
        for verdict in variation.found.values():
            if verdict is Verdict.SUPPORTED or not verdict.decided:
                yield f"{where} found {verdict}, which is not a finding against the claim"
