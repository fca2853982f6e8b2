"""Sweeps: claims decided again where one thing is varied, read from the folder ``claims/sweeps``.

A sweep names the scale and the subject whose rows it varies, the claims, and what of each is shown as its effect. A
variation overrides fields of the recipes (``recipe``), options of the records that a claim is read from (``records``,
by kind), or both; bounds, windows and seeds stay the register's, unless the sweep names other seeds. Its rows are none
of the register: they are adjusted for each other, and for none of those.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.register.register import Register
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.fields import check_fields


@dataclass(frozen=True)
class Variation:
    """One thing that is varied.

    Attributes:
        name: in the names of its rows and recipes.
        title: in a few words.
        recipe: tables of the recipe to the fields that are overridden (see ``trajectories.variation``).
        records: kind of record to the options that are overridden (see ``harness.plan``).
        claims: those it is asked of; all of the sweep if left out.
        found: claim to the verdict that published evidence has shown, where it is not SUPPORTED.
    """

    name: str
    title: str
    recipe: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    claims: tuple[str, ...] = ()
    found: dict[str, Verdict] = field(default_factory=dict)

    @property
    def overrides(self) -> dict[str, Any]:
        """What it overrides, as evidence tells it."""
        parts = {"recipe": self.recipe, "records": self.records}
        return {part: tables for part, tables in parts.items() if tables}


@dataclass(frozen=True)
class Sweep:
    """Variations of the rows of one scale and subject.

    Attributes:
        name: that of its file.
        scale: of the register.
        subject: one of the scale's.
        effects: claim to the criterion whose estimate is shown for it.
        variations: by name.
        seeds: in place of the scale's.
    """

    name: str
    scale: str
    subject: str
    effects: dict[str, str]
    variations: dict[str, Variation]
    seeds: tuple[int, ...] = ()


def load_sweeps(folder: Path, register: Register) -> list[Sweep]:
    """Read all sweeps; there may be none.

    Raises:
        RecipeError: not TOML, a missing or unknown field or one of the wrong kind, a scale, subject, claim or criterion
            that the register lacks, unusable seeds, or a variation that varies nothing.
    """
    return [_sweep(path, register) for path in sorted(folder.glob("*.toml"))]


def _sweep(path: Path, register: Register) -> Sweep:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        variations = {name: _variation(name, fields) for name, fields in table.pop("variations").items()}
        seeds = tuple(table.pop("seeds", ()))
        sweep = Sweep(path.stem, variations=variations, seeds=seeds, **table)
        check_fields(sweep)
        _check(sweep, register)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecipeError(f"sweep {path}: a field is missing, unknown or of the wrong kind: {error}") from error
    except RecipeError as error:
        raise RecipeError(f"sweep {path}: {error}") from error
    return sweep


def _variation(name: str, fields: dict[str, Any]) -> Variation:
    found = {claim: Verdict(verdict) for claim, verdict in fields.get("found", {}).items()}
    variation = Variation(name, **fields | {"claims": tuple(fields.get("claims", ())), "found": found})
    check_fields(variation)
    return variation


def _check(sweep: Sweep, register: Register) -> None:
    """Refuse a sweep that names what the register lacks, or a variation that says nothing.

    Raises:
        ValueError: what is wrong with it.
        RecipeError: an unknown claim, or seeds on which no claim can be judged.
    """
    if sweep.scale not in register.scales or sweep.subject not in register.scales[sweep.scale].recipes:
        raise ValueError(f"the register has no {sweep.scale}/{sweep.subject}")
    if not sweep.effects or not sweep.variations:
        raise ValueError("it needs effects, of at least one claim, and variations")
    if sweep.seeds:
        register.check_seeds(sweep.seeds)
    for claim, effect in sweep.effects.items():
        entry = register.entry(claim)
        if sweep.subject not in entry.subjects:
            raise ValueError(f"claim {claim!r} is not about {sweep.subject}")
        criteria = [item.name for item in entry.claim(sweep.scale, sweep.subject).criteria]
        if effect not in criteria:
            raise ValueError(f"claim {claim!r} has no criterion {effect!r}; it has {', '.join(criteria)}")
    for variation in sweep.variations.values():
        if not variation.overrides:
            raise ValueError(f"variation {variation.name!r} overrides nothing; give it recipe or records")
        if unknown := {*variation.claims, *variation.found} - set(sweep.effects):
            raise ValueError(f"variation {variation.name!r}: {unknown.pop()!r} is no claim of the sweep's effects")
        if idle := [word for word in variation.found.values() if word is Verdict.SUPPORTED or not word.decided]:
            raise ValueError(f"variation {variation.name!r} found {idle[0]}, which is no finding against the claim")
