"""Turn the options of a command (see ``options``) into rows of the plan, trajectories, records and a place to work."""

import argparse
from collections.abc import Sequence

from featdyn_core.devices import resolve_device
from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import Cell, cells, lineage, requests, trainings
from featdyn_core.harness.sweeps import swept
from featdyn_core.harness.tiers import SWEEP, scales_run
from featdyn_core.launch.cluster import Cluster, read_settings
from featdyn_core.launch.measuring import Place
from featdyn_core.launch.processes import cores
from featdyn_core.project import register_folder, store_root, sweeps_folder
from featdyn_core.records.request import Request
from featdyn_core.register.reading import load_register, parse_seeds
from featdyn_core.register.register import FAST, Register
from featdyn_core.register.sweeps import load_sweeps
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.trajectories.training import Training


def register_of(options: argparse.Namespace) -> Register:
    """Return the register that the options name, or the project's."""
    return load_register(options.register or register_folder())


def scale_of(options: argparse.Namespace, register: Register) -> str:
    """Return the name of the scale that the options ask for."""
    tier = options.tier or FAST
    return scales_run(register, [tier], chosen=options.scale, device=options.device)[tier]


def rows_of(options: argparse.Namespace, seeds: Sequence[int]) -> list[Cell]:
    """Return the plan's rows of the claims that the options ask for."""
    register = register_of(options)
    chosen = register.entries if options.claims is None else options.claims.split(",")
    entries = [register.entry(claim).id for claim in chosen]
    scale = scale_of(options, register)
    rows = _swept(register, scale, seeds) if options.tier == SWEEP else cells(register, scale, seeds=seeds)
    return [row for row in rows if row.entry.id in entries]


def rows_to_publish(options: argparse.Namespace) -> list[Cell]:
    """Return all rows of the scale that the options ask for, including those of its sweeps."""
    register = register_of(options)
    scale = scale_of(options, register)
    return cells(register, scale) + _swept(register, scale, ())


def _swept(register: Register, scale: str, seeds: Sequence[int]) -> list[Cell]:
    sweeps = [sweep for sweep in load_sweeps(sweeps_folder(), register) if sweep.scale == scale]
    return [row for sweep in sweeps for row in swept(register, sweep, seeds=seeds)]


def trainings_of(options: argparse.Namespace) -> list[Training]:
    """Return the trainings that the options ask for, a parent before its branches."""
    seeds, register = parse_seeds(options.seeds), register_of(options)
    if options.only:
        chosen = [
            Training(needed, seed)
            for recipe in map(load_recipe, options.only)
            for seed in seeds or _seeds_of(recipe, register, options)
            for needed in lineage(recipe)
        ]
        # A recipe may be asked for and also be the parent of another.
        return list({(training.recipe.identity, training.seed): training for training in chosen}.values())
    if seeds:  # also pilot seeds, and fewer seeds than a claim is judged on
        wanted = trainings(rows_of(options, ()))
        return [
            Training(recipe, seed)
            for seed in seeds
            for recipe in {recipe.identity: recipe for recipe, _ in wanted}.values()
        ]
    return trainings(rows_of(options, ()))


def _seeds_of(recipe: Recipe, register: Register, options: argparse.Namespace) -> Sequence[int]:
    """Seeds of the first scale that uses the recipe, or of the tier's scale if none does."""
    for scale in register.scales.values():
        found = [row.seeds for row in cells(register, scale.name) if recipe in row.recipes.values()]
        if found:
            return sorted({seed for seeds in found for seed in seeds})
    return next(iter(register.scales[scale_of(options, register)].seeds.values()))


def requests_of(options: argparse.Namespace) -> list[Request]:
    """Return the records that the options ask for.

    Raises:
        RecipeError: no claim reads a record of a recipe.
    """
    wanted = requests(rows_of(options, parse_seeds(options.seeds)))
    if not options.only:
        return wanted
    recipes = [load_recipe(name) for name in options.only]
    read = {request.recipe.identity for request in wanted}
    for recipe in recipes:
        if recipe.identity not in read:
            scale = scale_of(options, register_of(options))
            raise RecipeError(
                f"no claim reads a record of {recipe.name} at scale {scale}; choose another tier or scale"
            )
    chosen = {recipe.identity for recipe in recipes}
    return [request for request in wanted if request.recipe.identity in chosen]


def place_of(options: argparse.Namespace) -> Place:
    """Return where to measure."""
    return Place(options.store or store_root(), options.device)


def cluster_of(options: argparse.Namespace) -> Cluster:
    """Return the cluster that jobs are submitted to; their logs go into the store."""
    return Cluster((options.store or store_root()).absolute() / "jobs", read_settings(options.slurm), options.jobs)


def usual_jobs(options: argparse.Namespace) -> int:
    """Return how many processes work by default."""
    return 1 if resolve_device(options.device).type == "cuda" else cores()
