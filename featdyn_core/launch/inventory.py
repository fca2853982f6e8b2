"""Which parts of a plan are in a store, and what the rest will cost on this machine."""

import contextlib
import itertools
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.errors import FeatdynError
from featdyn_core.provenance import environment
from featdyn_core.store.heartbeats import read_beats
from featdyn_core.store.locks import is_held
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.supply import Store
from featdyn_core.training.optimizer import optimizer_bytes
from featdyn_core.training.timing import epoch_seconds
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import new_network

COMPLETE = "complete"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Holding:
    """One trajectory of a plan.

    Attributes:
        recipe: its name.
        seed: the training seed.
        state: complete, training, partial or missing (see ``Store.status``), or unknown.
        folder: name of its present or future folder in the store; empty if unknown.
        reason: why its state is unknown.
    """

    recipe: str
    seed: int
    state: str
    folder: str = ""
    reason: str = ""


def holdings(store: Store, trainings: Sequence[Training]) -> list[Holding]:
    """Return the state of trajectories in a store; if their data are not here, it is unknown, with the reason."""
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
    """Write seeds in the form of ``--seeds``, such as ``0-4,7``."""
    parts = []
    for _, run in itertools.groupby(enumerate(sorted(set(seeds))), key=lambda pair: pair[1] - pair[0]):
        numbers = [seed for _, seed in run]
        parts.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return ",".join(parts)


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Queue:
    """Progress of a queue of trainings, whichever processes train them.

    Args:
        store: store in which they are trained.
        requests: (recipe, seed) of each training.
    """

    def __init__(self, store: Store, requests: Sequence[Training]) -> None:
        self.layout, self.total = store.layout, len(requests)
        self.folders: dict[str, Path] = {}
        for recipe, seed in requests:
            with contextlib.suppress(FeatdynError):  # without data there is no key, and the training counts as left
                self.folders[store.key(recipe, seed)] = store.folder(recipe, seed)

    def line(self) -> str:
        """Return how many trainings are done, running and left now, according to the files of the store."""
        done, running = map(len, self.states())
        return f"{done} done, {running} running, {self.total - done - running} left"

    def states(self) -> tuple[set[str], set[str]]:
        """Return the keys of trainings that are done, and of those that are running, according to the store's files."""
        done = {key for key, folder in self.folders.items() if os.path.isdir(folder)}
        # A heartbeat outlives a killed trainer, and its lock does not. Testing all locks would take too long.
        beating = {beat.key for beat in read_beats(self.layout.root)} & self.folders.keys() - done
        return done, {key for key in beating if is_held(self.layout.lock(key))}


@dataclass(frozen=True)
class Cost:
    """Cost of one trajectory: its share of a process's seconds per epoch, and bytes on the disk."""

    epoch: float
    size: int


def estimate(store: Store, recipe: Recipe, known: dict[str, float], at_once: int = 1) -> Cost:
    """Return what a training costs on this machine.

    Its time is taken from similar trainings on this machine, or estimated from a few of its steps (see
    ``training.timing``). Its size is that of the network's parameters and buffers at each checkpoint, and of the
    optimiser's state. Data that are missing or do not fit are a ``FeatdynError``.

    Args:
        store: store of the training.
        recipe: recipe of the training.
        known: result of ``epochs_here``; new timings are added.
        at_once: number of trainings at once in one process.
    """
    dataset, kind = store.dataset(recipe), _likeness(recipe)
    network = new_network(recipe, dataset)
    if kind not in known:
        known[kind] = epoch_seconds(recipe, dataset, device=store.device, engine=store.engine, at_once=at_once)
    checkpoints = len(recipe.training.checkpoints) * sum(tensor.nbytes for tensor in network.state_dict().values())
    return Cost(known[kind], checkpoints + optimizer_bytes(recipe.optimizer, network))


def epochs_here(store: Store, at_once: int = 1) -> dict[str, float]:
    """Return the median seconds per epoch of each kind of training that this machine ran with the store's engine.

    Epochs of trainings at once overlap, so each counts with its share of their seconds. Only trainings of which as many
    ran at once are counted.
    """
    here, found = environment(), defaultdict[str, list[float]](list)
    # Earlier versions did not write how many ran at once; on a CPU it was one, unless somebody asked for more.
    usual = 1 if store.device.type == "cpu" else None
    for name, trained in store.finished():
        if isinstance(trained, FeatdynError):
            continue
        manifest = read_manifest(store.root / name)
        way = manifest.facts.get("device"), manifest.facts.get("engine"), manifest.facts.get("at_once", usual)
        places = {(one.get("host"), one.get("machine")) for one in manifest.facts.get("environments", [])}
        if way == (str(store.device), store.engine, at_once) and places == {(here["host"], here["machine"])}:
            found[_likeness(manifest.recipe)] += [record.seconds / at_once for record in manifest.log[1:]]
    return {kind: statistics.median(seconds) for kind, seconds in found.items() if seconds}


def _likeness(recipe: Recipe) -> str:
    """What determines the length of an epoch; epochs of a branch with a frozen part are shorter."""
    frozen, training = recipe.branch.freeze if recipe.branch else "", recipe.training
    return repr((recipe.network, recipe.data, recipe.optimizer.name, training.batch_size, training.precision, frozen))


def _estimated(store: Store, recipe: Recipe, known: dict[str, float], at_once: int) -> Cost | str:
    """Return what a training costs, or why it cannot run."""
    if recipe.adopted:
        return f"{recipe.name} was trained elsewhere; bring it in with featdyn adopt or pull"
    try:
        return estimate(store, recipe, known, at_once)
    except FeatdynError as error:
        return str(error)


def dry_run(store: Store, trainings: Sequence[Training], jobs: int) -> list[str]:
    """Return lines on what would be trained: one for each recipe, and the total.

    A branch costs only its own epochs; earlier ones belong to its parent. An interrupted training costs what is left.
    """
    recipes, found = {recipe.name: recipe for recipe, _ in trainings}, holdings(store, trainings)
    lacking = sum(holding.state != COMPLETE for holding in found)
    at_once = max(1, min(store.at_once, -(-lacking // jobs)))  # few trainings share less
    known = epochs_here(store, at_once)
    lines, reasons, seconds, size = [], dict[str, int](), 0.0, 0
    for (name, state, reason), seeds in grouped(found).items():
        label, recipe = f"{name}, seeds {seed_ranges(seeds)}", recipes[name]
        if state == COMPLETE:
            lines.append(f"{label}: already complete")
            continue
        cost = reason or _estimated(store, recipe, known, at_once)
        if isinstance(cost, str):
            number = reasons.setdefault(cost, len(reasons) + 1)
            lines.append(f"{label}: cannot be trained now ({number})")
            continue
        done = store.resume_epoch(recipe, seeds[0]) or recipe.first_epoch  # seeds with one state are equally far
        each = cost.epoch * (recipe.training.epochs - done)
        seconds, size = seconds + len(seeds) * each, size + len(seeds) * cost.size
        costs = f"about {_time(each)} of a process and {_bytes(cost.size)} each"
        lines.append(f"{label}: {len(seeds)} to train, {costs}")
    at_work = f"{jobs} process{'es' * (jobs > 1)}"
    nothing = "nothing that can be trained now" if reasons else "nothing to train"
    together = f"about {_time(seconds / jobs)} in {at_work}, {_bytes(size)}" if size else nothing
    return [*lines, *(f"({number}) {reason}" for reason, number in reasons.items()), f"together: {together}"]


def _time(seconds: float) -> str:
    """Write a duration, as at least one second."""
    if seconds >= 60:
        return f"{seconds / 60:.1f} minutes"
    whole = max(1, round(seconds))
    return f"{whole} second{'s' * (whole > 1)}"


def _bytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
