"""Train a plan's missing trajectories, in this process or in several."""

import functools
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID

from featdyn_core.errors import FeatdynError
from featdyn_core.launch.inventory import COMPLETE, Queue, folder_size, holdings
from featdyn_core.launch.processes import Spread, end_all, end_with_the_parent
from featdyn_core.launch.progress import Watcher, bars
from featdyn_core.store.folder import Watch
from featdyn_core.store.heartbeats import Beat
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import EpochRecord

Say = Callable[[object], None]
"""Prints a line of progress."""

INTERRUPTED = 130
"""Exit status of an interrupted process, as in shells."""


@dataclass(frozen=True)
class Trainer:
    """Where and how to train: the options of a store, which each process opens for itself."""

    root: Path | None
    device: str
    engine: str
    at_once: int | None

    def store(self, watch: Watch | None = None) -> Store:
        """Open the store."""
        return Store(self.root, device=self.device, engine=self.engine, at_once=self.at_once, watch=watch)


def train_missing(trainer: Trainer, trainings: Sequence[Training], jobs: int, cluster: Spread | None = None) -> int:
    """Train missing trajectories, and print a summary at the end.

    Args:
        trainer: where and how to train.
        trainings: the trainings.
        jobs: processes of this machine.
        cluster: does the work instead of them.

    Returns:
        An exit status.
    """
    store, started = trainer.store(), time.monotonic()
    before = _complete(store, trainings)
    for line in _resumptions(store, trainings):
        print(line, flush=True)
    say = _sayer(store, trainings)
    try:
        if cluster is not None:
            return _train_elsewhere(trainer, [one for one in trainings if not _complete(store, [one])], cluster, say)
        if jobs == 1:
            return _train_here(trainer, trainings, say)
        return _train_in_processes(trainer, trainings, jobs, say)
    finally:
        trained = _complete(store, trainings) - before
        size = sum(folder_size(store.root / folder) for folder in trained)
        lacking = len(trainings) - len(trained) - len(before)
        print(
            f"{len(trained)} trained, {len(before)} already complete, {lacking} not; "
            f"{(time.monotonic() - started) / 60:.1f} minutes, {size / 1e6:.1f} MB",
            flush=True,
        )


def _complete(store: Store, trainings: Sequence[Training]) -> set[str]:
    """Folders of complete trajectories."""
    return {holding.folder for holding in holdings(store, trainings) if holding.state == COMPLETE}


def _resumptions(store: Store, trainings: Sequence[Training]) -> Iterator[str]:
    """Yield a line for each interrupted training; one that another process is training now is not interrupted."""
    for (recipe, seed), holding in zip(trainings, holdings(store, trainings), strict=True):
        if holding.state.startswith("partial"):
            epoch = store.resume_epoch(recipe, seed)
            yield f"{recipe.name} seed {seed} was interrupted and resumes at epoch {epoch}/{recipe.training.epochs}"


def _sayer(store: Store, trainings: Sequence[Training]) -> Say:
    """Return a function that prints a line of progress, with the state of the queue if there is one."""
    queue = Queue(store, trainings) if len(trainings) > 1 else None

    def say(line: object) -> None:
        print(f"{line}; {queue}" if queue else line, flush=True)

    return say


def _train_in_processes(trainer: Trainer, trainings: Sequence[Training], jobs: int, say: Say) -> int:
    """Train in several processes, with a bar for each training on a terminal and lines elsewhere."""
    console, context = Console(), multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_silently, args=(trainer, trainings)) for _ in range(jobs)]
    with bars("epochs", console, disable=not console.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def show(beat: Beat) -> None:
            if beat.key not in tasks:
                tasks[beat.key] = shown.add_task("", total=beat.epochs, completed=max(beat.epoch - 1, 0))
            label = f"{beat.recipe} seed {beat.seed}, loss {beat.train_loss:.4f}"
            shown.update(tasks[beat.key], completed=beat.epoch, description=label)

        watcher = Watcher(trainer.store().root, say, beats=show if console.is_terminal else None)
        watcher.start()
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            end_all(workers)  # they still work only if this process was interrupted
            watcher.stop()
    return max(abs(worker.exitcode or 0) for worker in workers)


def _train_elsewhere(trainer: Trainer, trainings: Sequence[Training], cluster: Spread, say: Say) -> int:
    """Train in the jobs of a cluster; heartbeats are read from the shared store."""
    watcher, status = Watcher(trainer.store().root, say), 0
    watcher.start()
    try:
        for (recipe, seed), result in cluster(functools.partial(_train_one, trainer), trainings):
            if isinstance(result, FeatdynError):
                print(f"featdyn: {recipe.name} seed {seed}: {result}", file=sys.stderr)
                status = 2
    finally:
        watcher.stop()
    return status


def _train_one(trainer: Trainer, training: Training) -> None:
    trainer.store().get_many([training])


def _train_here(trainer: Trainer, trainings: Sequence[Training], say: Say) -> int:
    """Train in this process, with a progress bar on a terminal and a line for each epoch elsewhere.

    Trainings of other processes, for which this one may wait, get their own lines.
    """
    console = Console()
    with bars("epochs", console, disable=not console.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def show(key: str, recipe: Recipe, seed: int, record: EpochRecord) -> None:
            if key not in tasks:
                tasks[key] = shown.add_task("", total=recipe.training.epochs, completed=record.epoch - 1)
            label = f"{recipe.name} seed {seed}, loss {record.train_loss:.4f}"
            shown.update(tasks[key], completed=record.epoch, description=label)
            if not console.is_terminal:
                beat = (record.epoch, recipe.training.epochs, record.train_loss, record.seconds)
                say(Beat(key, recipe.name, seed, *beat))

        store = trainer.store(show)
        watcher = Watcher(store.root, functools.partial(shown.console.print, markup=False, emoji=False), skip=tasks)
        watcher.start()
        try:
            store.get_many(trainings)
        finally:
            watcher.stop()
    return 0


def _train_silently(trainer: Trainer, trainings: Sequence[Training]) -> None:
    """Train in a worker process; the parent shows its heartbeats."""
    end_with_the_parent()
    try:
        trainer.store().get_many(trainings)
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # the parent reports it
        sys.exit(INTERRUPTED)
