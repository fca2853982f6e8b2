"""What of a plan is in a store, and what the rest will cost, told from what was trained there before."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.errors import FeatdynError
from featdyn_core.store.heartbeats import read_beats
from featdyn_core.store.locks import is_held
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.training import Training

COMPLETE = "complete"
UNKNOWN = "not known"


@dataclass(frozen=True)
class Holding:
    """One trajectory of a plan.

    Attributes:
        recipe: its name.
        seed: the training seed.
        state: complete, training, partial or missing (see ``Store.status``), or not known.
        folder: name of its folder in the store, where it is or will be; empty where that is not known.
        reason: why its state is not known.
    """

    recipe: str
    seed: int
    state: str
    folder: str = ""
    reason: str = ""


def holdings(store: Store, trainings: Sequence[Training]) -> list[Holding]:
    """Return what a store has of some trajectories; of data that are not here nothing is known but the reason."""
    found = []
    for recipe, seed in trainings:
        try:
            state, folder = store.status(recipe, seed), store.folder(recipe, seed).name
            found.append(Holding(recipe.name, seed, state, folder))
        except FeatdynError as error:
            found.append(Holding(recipe.name, seed, UNKNOWN, reason=str(error)))
    return found


def grouped(found: Sequence[Holding]) -> dict[tuple[str, str, str], list[int]]:
    """Return the seeds of each (recipe, state, reason), in the order of the recipes."""
    seeds: dict[tuple[str, str, str], list[int]] = {}
    order = list(dict.fromkeys(item.recipe for item in found))
    for item in sorted(found, key=lambda item: order.index(item.recipe)):
        seeds.setdefault((item.recipe, item.state, item.reason), []).append(item.seed)
    return seeds


def seed_ranges(seeds: Iterable[int]) -> str:
    """Write seeds as ``--seeds`` reads them, such as ``0-4,7``."""
    parts = []
    for _, run in itertools.groupby(enumerate(sorted(set(seeds))), key=lambda pair: pair[1] - pair[0]):
        numbers = [seed for _, seed in run]
        parts.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ",".join(parts)


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Queue:
    """How far a queue of trainings is, whichever processes train them.

    Args:
        store: where they are trained.
        requests: (recipe, seed) of each.
    """

    def __init__(self, store: Store, requests: Sequence[Training]) -> None:
        self.layout, self.total = store.layout, len(requests)
        self.folders: dict[str, Path] = {}
        for recipe, seed in requests:
            with contextlib.suppress(FeatdynError):  # what has no data has no key, and is left
                self.folders[store.key(recipe, seed)] = store.folder(recipe, seed)

    def __str__(self) -> str:
        done = {key for key, folder in self.folders.items() if os.path.isdir(folder)}
        # A heartbeat outlives a trainer that was killed, and its lock does not; locks alone are too many to ask.
        beating = {beat.key for beat in read_beats(self.layout.root)} & self.folders.keys() - done
        running = [key for key in beating if is_held(self.layout.lock(key))]
        return f"{len(done)} done, {len(running)} running, {self.total - len(done) - len(running)} left"


@dataclass(frozen=True)
class Cost:
    """Of one trajectory: seconds of one process, and bytes on the disk."""

    seconds: float
    size: float


def estimate(store: Store, recipe: Recipe) -> Cost | None:
    """Return what a training costs, from one like it that is in the store: same network, data, batch and precision.

    Returns:
        Its seconds an epoch and its bytes a checkpoint, times those of the recipe; None where there is none like it.
    """
    for name, request in store.finished():
        # part of a branch may be frozen, and its epochs are shorter
        if not isinstance(request, FeatdynError) and not request[0].branch and _size(request[0]) == _size(recipe):
            folder = store.root / name
            manifest = read_manifest(folder)
            seconds = sum(record.seconds for record in manifest.log) / manifest.log[-1].epoch
            per_checkpoint = folder_size(folder) / len(manifest.digests)
            epochs = recipe.training.epochs - recipe.first_epoch
            return Cost(epochs * seconds, per_checkpoint * len(recipe.training.checkpoints))
    return None


def _size(recipe: Recipe) -> tuple[object, ...]:
    """What makes an epoch as long and a checkpoint as large as another."""
    return recipe.network, recipe.data, recipe.training.batch_size, recipe.training.precision


def dry_run(store: Store, trainings: Sequence[Training], jobs: int) -> list[str]:
    """Say what a training would do, in lines: recipe by recipe, and all together."""
    recipes = {recipe.name: recipe for recipe, _ in trainings}
    found = grouped(holdings(store, trainings))
    reasons = list(dict.fromkeys(reason for _, _, reason in found if reason))
    lines, seconds, size, unknown = [], 0.0, 0.0, 0
    for (name, state, reason), seeds in found.items():
        label = f"{name}, seeds {seed_ranges(seeds)}"
        if reason:
            lines.append(f"{label}: not to be trained ({reasons.index(reason) + 1})")
        elif state == COMPLETE:
            lines.append(f"{label}: already complete")
        elif (cost := estimate(store, recipes[name])) is None:
            unknown += len(seeds)
            lines.append(f"{label}: {len(seeds)} to train; none like it is here that tells what it costs")
        else:
            seconds, size = seconds + len(seeds) * cost.seconds, size + len(seeds) * cost.size
            each = f"about {cost.seconds / 60:.1f} minutes of a process and {cost.size / 1e6:.1f} MB each"
            lines.append(f"{label}: {len(seeds)} to train, {each}")
    rest = f", and {unknown} of which nothing is known" if unknown else ""
    together = f"together: about {seconds / 60 / jobs:.0f} minutes in {jobs} processes, {size / 1e6:.0f} MB{rest}"
    return [*lines, *(f"({number}) {reason}" for number, reason in enumerate(reasons, start=1)), together]
