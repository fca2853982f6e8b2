"""The plan: which rows a register asks for, and which trainings and records each of them needs.

Training, measuring, status, collection of tests and reports all read it, so that they agree.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.harness.tiers import SWEEP
from featdyn_core.project import recipes_folder, records_folder
from featdyn_core.records.kind import Scope
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.register.register import FAST, Entry, Register, Scale, Window
from featdyn_core.register.sweeps import Variation
from featdyn_core.store.published import PublishedRecords, published
from featdyn_core.tables import build, unknown
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.trajectories.specs import telling
from featdyn_core.trajectories.training import Training
from featdyn_core.verdicts.claim import EMPIRICAL, Claim, Verdict
from featdyn_core.verdicts.evidence import row_id


@dataclass(frozen=True)
class Needed:
    """One item that a claim reads: a record of the register for one arm, on a split or a corruption if it has any.

    A record with several deep epochs is one item for each of them.
    """

    record: str
    arm: str
    split: str = ""
    deep: int | None = None


@dataclass(frozen=True)
class Cell:
    """One row: a claim on a subject at a scale.

    Attributes:
        entry: the claim.
        scale: the scale.
        subject: the data set.
        seeds: the training seeds.
        recipes: arm to its recipe.
        precision: precision of composite grids.
        replayed: whether published records are judged, and nothing is measured.
        exploratory: whether the seeds are not the register's.
        variation: what is varied; None in a row of the register.
        effect: the criterion that a sweep shows for it.
        foreign: whether known findings belong to another plain recipe, or there are none.
        family: number of rows of the register at its scale, over which its p-values are adjusted.
        here: whether the run trains it, next to published records of more seeds with which it must be in accord.
        absent: arm to the name of its recipe, for arms whose recipe does not exist.
    """

    entry: Entry
    scale: Scale
    subject: str
    seeds: tuple[int, ...]
    recipes: Mapping[str, Recipe]
    precision: str = "fp32"
    replayed: bool = False
    exploratory: bool = False
    variation: Variation | None = None
    effect: str = ""
    foreign: bool = False
    here: bool = False
    family: int = 1
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the row, in tests and in evidence."""
        variation = self.variation.name if self.variation else ""
        return row_id(self.entry.id, self.scale.name, self.subject, replayed=self.replayed, variation=variation)

    @property
    def tier(self) -> str:
        """Tier in which it runs; replayed rows of every scale belong to the fast tier."""
        if self.replayed:
            return FAST
        return SWEEP if self.variation else self.scale.tier

    @property
    def claim(self) -> Claim:
        """The claim with the bounds of this scale and subject."""
        return self.entry.claim(self.scale.name, self.subject)

    @property
    def known(self) -> Verdict | None:
        """The verdict of published evidence if it is not SUPPORTED; for ``here`` rows also if it is.

        There is no known finding for other seeds, or for another network under the same name.
        """
        if self.exploratory or self.foreign:
            return None
        if self.variation:
            return self.variation.found.get(self.entry.id)
        usual = Verdict.SUPPORTED if self.here else None
        return self.entry.found.get(f"{self.scale.name}/{self.subject}", usual)

    @functools.cached_property
    def lacking(self) -> str:
        """Why no training or measurement lets it run; empty if it can run.

        Either an arm has no recipe, or a record needs a fact about an adopted training that is unknown, or the seeds
        that a run has asked for are too few for a discrete number.
        """
        if len(self.seeds) < (least := self.claim.least_seeds):
            return f"one of its numbers is discrete, so it is judged on at least {least} seeds; add some to --seeds"
        if self.absent:
            names = ", ".join(f"{name}.toml for the arm {arm!r}" for arm, name in self.absent.items())
            return f"fixtures/recipes has no {names}"
        for needed, request in self.requests(self.seeds[0]).items():
            if unknown := request.recipe.lacking(KINDS[request.kind].needs(request.parameters)):
                told = f"nobody knows the {' and '.join(unknown)} of {request.recipe.name}"
                return f"{told}, which its record {needed.record!r} needs{telling(unknown)}"
        return ""

    @property
    def seen(self) -> bool:
        """Whether numbers of one of its seeds were known before the criteria were written."""
        return bool(set(self.seeds) & set(self.scale.seen.get(self.subject, ())))

    @property
    def windows(self) -> dict[str, Window]:
        """Windows by name."""
        return self.entry.windows_of(self.scale.name, self.subject)

    @property
    def protocol(self) -> dict[str, Any]:
        """Numbers of the measurement by name."""
        return self.entry.protocol_of(self.scale.name, self.subject)

    def neighbour(self, seed: int) -> int:
        """The next seed, or the first after the last: its network is the stranger of this seed."""
        return self.seeds[(self.seeds.index(seed) + 1) % len(self.seeds)]

    def requests(self, seed: int) -> dict[Needed, Request]:
        """Return what the claim reads of one seed.

        Raises:
            RecipeError: a record of the register cannot be measured as the register describes it.
        """
        found: dict[Needed, Request] = {}
        for name, table in self.entry.records.items():
            try:
                found |= self._resolve(name, table, seed)
            except RecipeError as error:
                raise RecipeError(f"claim {self.entry.id!r}, record {name!r}: {error}") from error
        return found

    def _resolve(self, name: str, table: Mapping[str, Any], seed: int) -> dict[Needed, Request]:
        """Return the requests of one record of the register, for each of its arms and splits.

        Raises:
            RecipeError: an unknown kind, or arms that the claim does not have.
        """
        spec = dict(table)
        # Without arms a record is of the first, the one that the others are compared with.
        kind, arms = spec.pop("kind", None), spec.pop("arms", list(self.recipes)[:1])
        if not isinstance(kind, str):
            raise RecipeError(f"it says no kind; the kinds are {', '.join(KINDS)}")
        if kind not in KINDS:
            raise RecipeError(unknown("kind", kind, KINDS, "the kinds are"))
        if not isinstance(arms, list) or not arms or [arm for arm in arms if arm not in list(self.entry.arms)]:
            raise RecipeError(f"its arms are {arms!r}; the claim has a list of {', '.join(self.entry.arms)}")
        options: Any = build(KINDS[kind].options, spec, f"options of {kind!r}")
        found = {}
        for arm in (arm for arm in arms if arm in self.recipes):
            for part, parameters in KINDS[kind].resolve(options, self.scope(arm, seed)).items():
                place = (part,) if isinstance(part, str) else part
                found[Needed(name, arm, *place)] = Request(self.recipes[arm], seed, kind, parameters)
        return found

    def scope(self, arm: str, seed: int) -> Scope:
        """Return the context in which the records of an arm and a seed are resolved."""
        return Scope(
            recipe=self.recipes[arm],
            seed=seed,
            neighbour=self.neighbour(seed),
            windows=self.windows,
            protocol=self.protocol,
            images=self.scale.images[self.subject],
            precision=self.precision,
        )


def cells(
    register: Register,
    scale: str,
    *,
    seeds: Sequence[int] = (),
    precision: str = "fp32",
    replayed: bool = False,
    here: bool = False,
) -> list[Cell]:
    """Return the rows of a scale, in the order of the paper and of the scale's subjects.

    These are a ``RecipeError``: an unknown scale, seeds on which no claim can be judged, a recipe that cannot be read,
    and a record of the register that cannot be measured as the register describes it.

    Args:
        register: what was fixed in advance.
        scale: scale of the register.
        seeds: used instead of the register's.
        precision: precision of composite grids.
        replayed: whether the rows judge published records.
        here: whether the rows have only the seeds that a run trains itself, if the scale names some and ``seeds`` names
            no others.
    """
    chosen = register.scale(scale)
    if seeds:
        register.check_seeds(tuple(seeds))
    here = here and bool(chosen.here) and tuple(seeds) in ((), chosen.here)
    found = [
        Cell(
            entry=entry,
            scale=chosen,
            subject=subject,
            seeds=tuple(seeds) or (chosen.here if here else entry.seeds_at(chosen, subject)),
            recipes={arm: _recipe(name) for arm, name in _arms(entry, chosen, subject, present=True).items()},
            absent=_arms(entry, chosen, subject, present=False),
            precision=precision,
            replayed=replayed,
            exploratory=tuple(seeds) not in ((), chosen.here if here else entry.seeds_at(chosen, subject)),
            foreign=entry.kind == EMPIRICAL and _is_foreign(chosen, subject),
            here=here and entry.kind == EMPIRICAL,
            family=register.family(chosen),
        )
        for entry in register.entries.values()
        if not (here and scale in entry.published)
        for subject in entry.subjects_at(chosen)
    ]
    for row in found:
        if not row.absent:
            row.requests(row.seeds[0])  # errors of the plan are raised now, and not by the first test that measures
    return found


def _arms(entry: Entry, scale: Scale, subject: str, *, present: bool) -> dict[str, str]:
    """Return arm to the name of its recipe, for the arms that have a recipe and for those that have none.

    A missing plain recipe is an error of the register, not an arm that was left out.
    """
    plain = scale.recipes.get(subject, "")
    names = {arm: plain + suffix for arm, suffix in entry.arms_of(scale.name, subject).items()}
    there = {arm for arm, name in names.items() if name == plain or (recipes_folder() / f"{name}.toml").is_file()}
    return {arm: name for arm, name in names.items() if (arm in there) is present}


def all_cells(register: Register, *, seeds: Sequence[int] = (), precision: str = "fp32") -> list[Cell]:
    """Return the rows of every scale, claim by claim: rows to be measured, and rows with published records.

    The latter include rows whose records are only partly published or are damaged, and rows that only published
    records decide. So missing records are reported, not ignored. It raises the same ``RecipeError`` as ``cells``.
    """
    found: list[Cell] = []
    for scale in register.scales:
        found += cells(register, scale, seeds=seeds, precision=precision, here=True)
        source = published(records_folder() / scale)
        # Without `seeds` and `precision`: published records are of the register's.
        replayed = cells(register, scale, replayed=True)
        found += [row for row in replayed if scale in row.entry.published or _published(row, source)]
    order = list(register.entries)
    return sorted(found, key=lambda row: order.index(row.entry.id))


def _published(row: Cell, source: PublishedRecords) -> bool:
    """Whether a record of the row is published."""
    requests = (request for seed in row.seeds for request in row.requests(seed).values())
    return source.present and not row.lacking and any(map(source.has, requests))


def _is_foreign(scale: Scale, subject: str) -> bool:
    """Whether a subject's present recipe has no known findings."""
    found_on = scale.found_on.get(subject)
    return found_on is None or not _recipe(scale.recipes[subject]).digest.startswith(found_on)


def _recipe(name: str) -> Recipe:
    return _recipe_at(recipes_folder() / f"{name}.toml")


# By its path: another project in the same process may have a recipe of the same name.
_recipe_at = functools.cache(load_recipe)


def requests(rows: Iterable[Cell]) -> list[Request]:
    """Return the fewest records that serve all rows, in the order in which they are needed."""
    found: list[Request] = []
    alike: dict[tuple[tuple[str, str], int, str], list[int]] = {}  # places of those that one record may serve
    for row in (row for row in rows if not row.lacking):
        identities = {arm: recipe.identity for arm, recipe in row.recipes.items()}
        for seed in row.seeds:
            for needed, wanted in row.requests(seed).items():
                places = alike.setdefault((identities[needed.arm], seed, wanted.kind), [])
                for place in places:
                    if (joined := found[place].joined(wanted)) is not None:
                        found[place] = joined
                        break
                else:
                    places.append(len(found))
                    found.append(wanted)
    return found


def lineage(recipe: Recipe) -> list[Recipe]:
    """Return the recipes to train for a recipe, in this order: the parent of a branch, then the recipe itself."""
    return [recipe.branch.parent, recipe] if recipe.branch else [recipe]


def trainings(rows: Iterable[Cell]) -> list[Training]:
    """Return the trainings that the rows need, each once, seed by seed, a parent before its branches."""
    wanted = {
        (seed, recipe.identity): Training(recipe, seed)
        for row in rows
        if not row.lacking
        for seed in row.seeds
        for arm in row.recipes.values()
        for recipe in lineage(arm)
    }
    order = list(dict.fromkeys(seed for seed, _ in wanted))
    # `sorted` is stable: within a seed a parent stays before its branches.
    return sorted(wanted.values(), key=lambda training: order.index(training[1]))


def most_useful_first(wanted: Iterable[Training], scale: Scale) -> list[Training]:
    """Order trainings for a run that may end early: a scale's plain recipes, its other arms, then branches.

    Most claims read the plain recipe, and need all of its seeds. Otherwise the order is kept.
    """
    plain = set(scale.recipes.values())
    return sorted(wanted, key=lambda one: (one.recipe.branch is not None, one.recipe.name not in plain))
