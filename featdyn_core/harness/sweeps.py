"""The rows of a sweep: rows of the plan with other recipes or other records (see ``register.sweeps``)."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import Cell, all_cells, cells
from featdyn_core.project import records_folder
from featdyn_core.register.register import Entry, Register
from featdyn_core.register.sweeps import Sweep, Variation
from featdyn_core.store.published import published
from featdyn_core.trajectories.variation import varied


def all_rows(
    register: Register, sweeps: Iterable[Sweep], *, seeds: Sequence[int] = (), precision: str = "fp32"
) -> list[Cell]:
    """Return every row that a run may include: rows of the register and of its sweeps.

    A row of a sweep counts as published if all records of one seed are published. Some of them alone prove nothing,
    because it shares them with the row that it varies. It raises the same ``RecipeError`` as ``swept``.
    """
    found = all_cells(register, seeds=seeds, precision=precision)
    for sweep in sweeps:
        source = published(records_folder() / sweep.scale)
        replayed = swept(register, sweep, replayed=True) if source.present else []
        found += swept(register, sweep, seeds=seeds, precision=precision)
        found += [row for row in replayed if any(source.complete(row.requests(seed).values()) for seed in row.seeds)]
    return found


def swept(
    register: Register, sweep: Sweep, *, seeds: Sequence[int] = (), precision: str = "fp32", replayed: bool = False
) -> list[Cell]:
    """Return a sweep's rows, variation by variation, claims in the order of its effects.

    It raises the same ``RecipeError`` as ``plan.cells``, and one for a variation that changes neither the recipes nor
    the records of a claim.

    Args:
        register: whose rows are varied.
        sweep: sweep of the register.
        seeds: used instead of the sweep's.
        precision: precision of composite grids.
        replayed: rows that judge published records.
    """
    rows = cells(register, sweep.scale, seeds=seeds or sweep.seeds, precision=precision, replayed=replayed)
    base = {row.entry.id: row for row in rows if row.subject == sweep.subject}
    usual = sweep.seeds or register.scales[sweep.scale].seeds[sweep.subject]
    chosen = tuple(seeds) not in ((), usual)
    return [
        dataclasses.replace(_named(sweep, base[claim], variation), effect=effect, exploratory=chosen, here=False)
        for variation in sweep.variations.values()
        for claim, effect in sweep.effects.items()
        if claim in (variation.claims or sweep.effects)
    ]


def _named(sweep: Sweep, row: Cell, variation: Variation) -> Cell:
    """Return a varied row; an error names the sweep, which causes it, and not the file of a recipe.

    Raises:
        RecipeError: as ``_varied``.
    """
    try:
        return _varied(row, variation)
    except RecipeError as error:
        raise RecipeError(f"sweep {sweep.name!r}, variation {variation.name!r}: {error}") from error


def _varied(row: Cell, variation: Variation) -> Cell:
    """Return a row with other recipes or other records.

    Raises:
        RecipeError: an override does not fit, or changes nothing.
    """
    recipes = row.recipes
    if variation.recipe:
        recipes = {arm: varied(recipe, variation.recipe, variation.name) for arm, recipe in recipes.items()}
    protocol = row.entry.protocol
    protocol = protocol | {name: value for name, value in variation.protocol.items() if name in protocol}
    entry = dataclasses.replace(row.entry, records=_records(row.entry, variation), protocol=protocol)
    remeasured, seed = dataclasses.replace(row, entry=entry), row.seeds[0]
    unnoticed = [base.name for arm, base in row.recipes.items() if recipes[arm].digest == base.digest]
    if variation.recipe and unnoticed:
        raise RecipeError(f"it changes nothing of the recipe {', '.join(unnoticed)}")
    if variation.records and remeasured.requests(seed) == row.requests(seed):
        raise RecipeError(f"it changes nothing of what claim {row.entry.id!r} is measured by")
    return dataclasses.replace(remeasured, recipes=recipes, variation=variation)


def _records(entry: Entry, variation: Variation) -> dict[str, dict[str, Any]]:
    """Return the claim's records with the options of each kind overridden.

    Raises:
        RecipeError: the variation names only kinds that the claim does not read.
    """
    kinds = {table.get("kind") for table in entry.records.values()}
    if variation.records and not kinds & set(variation.records):
        raise RecipeError(
            f"it is of records of the kinds {', '.join(variation.records)}, and claim "
            f"{entry.id!r} has none of them; leave the claim out of it"
        )
    overrides: Mapping[Any, Mapping[str, Any]] = variation.records
    return {name: {**table, **overrides.get(table.get("kind"), {})} for name, table in entry.records.items()}
