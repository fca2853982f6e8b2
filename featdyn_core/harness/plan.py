"""The plan: which rows a register asks for, and which trainings and records each of them needs.

Training, measuring, status, collection of tests and reports all read it, so that they mean the same.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featdyn_core.errors import RecipeError
from featdyn_core.measures.kinds import KINDS, Request
from featdyn_core.project import records_folder
from featdyn_core.store.published import published
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.evidence import row_id
from featdyn_core.verdicts.register import SPLITS, Entry, Register, Scale, Window

Training = tuple[Recipe, int]


@dataclass(frozen=True)
class Needed:
    """One thing that a claim reads: a record of the register, of an arm, on a split (if it has any)."""

    record: str
    arm: str
    split: str = ""


@dataclass(frozen=True)
class Cell:
    """One row: a claim on a subject at a scale.

    Attributes:
        entry: the claim.
        scale: the scale.
        subject: the data set.
        seeds: the training seeds.
        recipes: arm to its recipe.
        precision: of composite grids.
        replayed: whether published records are judged, and nothing is measured.
        exploratory: whether the seeds are not the register's.
    """

    entry: Entry
    scale: Scale
    subject: str
    seeds: tuple[int, ...]
    recipes: Mapping[str, Recipe]
    precision: str = "fp32"
    replayed: bool = False
    exploratory: bool = False

    @property
    def id(self) -> str:
        """Name of the row, in tests and in evidence."""
        return row_id(self.entry.id, self.scale.name, self.subject, replayed=self.replayed)

    @property
    def tier(self) -> str:
        """Tier that it is run in: what is replayed belongs to the fast one, whatever its scale."""
        return "fast" if self.replayed else self.scale.tier

    @property
    def claim(self) -> Claim:
        """The claim with the bounds of this scale and subject."""
        return self.entry.claim(self.scale.name, self.subject)

    @property
    def known(self) -> Verdict | None:
        """The verdict that published evidence has shown, where it is not SUPPORTED."""
        return self.entry.found.get(f"{self.scale.name}/{self.subject}")

    @property
    def windows(self) -> dict[str, Window]:
        """Windows by name."""
        return self.entry.windows_of(self.scale.name, self.subject)

    @property
    def protocol(self) -> dict[str, Any]:
        """Numbers of the measurement by name."""
        return self.entry.protocol_of(self.scale.name, self.subject)

    def neighbour(self, seed: int) -> int:
        """The next of the seeds, after the last the first: who is a stranger to whom."""
        return self.seeds[(self.seeds.index(seed) + 1) % len(self.seeds)]

    def requests(self, seed: int) -> dict[Needed, Request]:
        """Return what the claim reads of one seed.

        Raises:
            RecipeError: a record of the register that cannot be measured as it stands there.
        """
        found = {}
        for name, table in self.entry.records.items():
            spec = dict(table)
            kind, arms = spec.pop("kind", None), spec.pop("arms", list(self.recipes)[:1])
            if kind not in KINDS:
                raise RecipeError(f"{self._where(name)} is of kind {kind!r}; the kinds are {', '.join(KINDS)}")
            for arm in arms:
                for split, parameters in self._resolve(name, kind, spec, arm, seed).items():
                    found[Needed(name, arm, split)] = Request(self.recipes[arm], seed, kind, parameters)
        return found

    def _resolve(self, name: str, kind: str, spec: dict[str, Any], arm: str, seed: int) -> dict[str, dict[str, Any]]:
        try:
            return _RESOLVERS[kind](self, arm, seed, **spec)
        except (KeyError, TypeError) as error:
            raise RecipeError(f"{self._where(name)} lacks something, or has too much: {error}") from error

    def _where(self, record: str) -> str:
        return f"claim {self.entry.id!r}, record {record!r}"

    def epochs(self, window: str, arm: str) -> list[int]:
        """Checkpoints of an arm inside a window, both ends included.

        Raises:
            RecipeError: an end of the window is no checkpoint.
        """
        found, checkpoints = self.windows[window], self.recipes[arm].training.checkpoints
        for end in (found.first, found.last):
            if end not in checkpoints:
                raise RecipeError(
                    f"claim {self.entry.id!r}, window {window!r} ends at epoch {end}, where {self.recipes[arm].name} "
                    "has no checkpoint"
                )
        return [epoch for epoch in checkpoints if found.first <= epoch <= found.last]


def cells(
    register: Register, scale: str, *, seeds: Sequence[int] = (), precision: str = "fp32", replayed: bool = False
) -> list[Cell]:
    """Return the rows of a scale, in the order of the paper and of the scale's subjects.

    Args:
        register: what was fixed in advance.
        scale: small, reduced or paper.
        seeds: in place of the register's.
        precision: of composite grids.
        replayed: rows that judge published records.

    Raises:
        RecipeError: seeds on which no claim can be judged, or a recipe that cannot be read.
    """
    chosen = register.scales[scale]
    if seeds:
        register.check_seeds(tuple(seeds))
    used = tuple(seeds) or chosen.seeds
    return [
        Cell(
            entry=entry,
            scale=chosen,
            subject=subject,
            seeds=used,
            recipes={arm: _recipe(base + suffix) for arm, suffix in entry.arms.items()},
            precision=precision,
            replayed=replayed,
            exploratory=used != chosen.seeds,
        )
        for entry in register.entries.values()
        for subject, base in chosen.recipes.items()
        if subject in entry.subjects
    ]


def all_cells(register: Register, *, seeds: Sequence[int] = (), precision: str = "fp32") -> list[Cell]:
    """Return the rows of every scale, claim by claim: those to be measured, and those whose records are published.

    Raises:
        RecipeError: as ``cells``.
        DamagedRecordError: the manifest of published records cannot be read, or they are of other recipes.
    """
    found: list[Cell] = []
    for scale in register.scales:
        found += cells(register, scale, seeds=seeds, precision=precision)
        source = published(records_folder() / scale)
        replayed = cells(register, scale, replayed=True) if source.facts else []
        found += [row for row in replayed if all(source.has(row.requests(seed).values()) for seed in row.seeds)]
    order = list(register.entries)
    return sorted(found, key=lambda row: order.index(row.entry.id))


_recipe = functools.cache(load_recipe)


def requests(rows: Iterable[Cell]) -> list[Request]:
    """Return the fewest records that serve all rows, in the order in which they are needed."""
    found: list[Request] = []
    for row in rows:
        for seed in row.seeds:
            for wanted in row.requests(seed).values():
                for place, present in enumerate(found):
                    if (joined := present.joined(wanted)) is not None:
                        found[place] = joined
                        break
                else:
                    found.append(wanted)
    return found


def trainings(rows: Iterable[Cell]) -> list[Training]:
    """Return what must be trained for the rows, each once, seed by seed."""
    wanted = {
        (seed, recipe.digest): (recipe, seed) for row in rows for seed in row.seeds for recipe in row.recipes.values()
    }
    order = list(dict.fromkeys(seed for seed, _ in wanted))
    return sorted(wanted.values(), key=lambda training: order.index(training[1]))


# How a record of the register becomes the parameters of requests, by kind; one entry a split, or one called "".

Resolved = dict[str, dict[str, Any]]


def _column(
    cell: Cell,
    arm: str,
    _: int,
    *,
    window: str,
    deep: str,
    splits: Sequence[str] = SPLITS,
    policy: str = "carry",
    frozen: bool = False,
    every: int = 1,
) -> Resolved:
    """Columns of the epochs of a window, every so many from its last on, under its ``first`` or ``last`` epoch."""
    epochs = cell.epochs(window, arm)[::-1][::every][::-1]
    common = {
        "shallow": epochs,
        "deep": _end(cell, window, deep),
        "images": cell.scale.images,
        "policy": policy,
        "frozen": frozen,
        "precision": cell.precision,
    }
    return {split: {**common, "split": split} for split in splits}


def _stranger(cell: Cell, _: str, seed: int, *, window: str, deep: str, split: str = "held-out") -> Resolved:
    common = {"deep": _end(cell, window, deep), "images": cell.scale.images, "split": split}
    return {"": {**common, "partner": cell.neighbour(seed)}}


def _closeness(cell: Cell, arm: str, _: int, *, window: str, deep: str = "last", split: str = "held-out") -> Resolved:
    """The window's two ends, with ``draws`` displacements each."""
    epochs, late = cell.epochs(window, arm), _end(cell, window, deep)
    early = epochs[0] if late == epochs[-1] else epochs[-1]
    common = {"images": cell.scale.images, "split": split, "draws": cell.protocol["draws"]}
    return {"": {**common, "shallow": early, "deep": late}}


def _changes(cell: Cell, arm: str, _: int, *, window: str, split: str = "held-out") -> Resolved:
    """Both ends of the window, ``updates`` of ``samples`` each."""
    epochs = cell.epochs(window, arm)
    numbers = {name: cell.protocol[name] for name in ("updates", "samples")}
    return {"": {**numbers, "epochs": [epochs[0], epochs[-1]], "split": split, "images": cell.scale.images}}


def _losses(cell: Cell, arm: str, _: int, *, window: str) -> Resolved:
    """A grid over ``grid_points`` epochs evenly spaced over the window, on ``grid_images`` training images."""
    checkpoints = cell.epochs(window, arm)
    wanted = np.linspace(checkpoints[0], checkpoints[-1], cell.protocol["grid_points"])
    epochs = sorted({min(checkpoints, key=lambda epoch: abs(epoch - point)) for point in wanted})
    return {"": {"epochs": epochs, "images": cell.protocol["grid_images"]}}


def _linearised(cell: Cell, _: str, __: int) -> Resolved:
    """``images``, ``steps``, a record ``every`` so many, and ``frozen_from``."""
    return {"": {name: cell.protocol[name] for name in ("images", "steps", "every", "frozen_from")}}


def _end(cell: Cell, window: str, end: str) -> int:
    if end not in ("first", "last"):
        raise KeyError(f"deep = {end!r} is neither first nor last")
    return int(getattr(cell.windows[window], end))


_RESOLVERS: dict[str, Callable[..., Resolved]] = {
    "column": _column,
    "stranger": _stranger,
    "closeness": _closeness,
    "changes": _changes,
    "losses": _losses,
    "linearised": _linearised,
}
