"""Train a plan's missing trajectories, in this process or in several."""

import functools
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
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
    try:
        if cluster is not None:
            return _train_elsewhere(trainer, trainings, cluster)
        if jobs == 1:
            return _train_here(trainer, trainings)
        return _train_in_processes(trainer, trainings, jobs)
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


class _Screen:
    """Shows trainings: on a terminal with a bar for each and one for the queue, elsewhere with lines.

    Args:
        store: where they are trained.
        trainings: the trainings; several are a queue.
    """

    def __init__(self, store: Store, trainings: Sequence[Training]) -> None:
        console = Console()
        self.on_terminal = console.is_terminal
        self.bars = bars("epochs", console, disable=not self.on_terminal)
        self.queue = Queue(store, trainings) if len(trainings) > 1 else None
        self.whole = self.bars.add_task("", total=len(trainings), unit="trainings", visible=self.queue is not None)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Screen":
        self.bars.start()
        self._show_queue()
        return self

    def __exit__(self, *_: object) -> None:
        self._show_queue()
        self.bars.stop()

    def say(self, line: object) -> None:
        """Print a line of progress; away from a terminal it also has the state of the queue."""
        print(f"{line}; {self.queue.line()}" if self.queue and not self.on_terminal else line, flush=True)
        self._show_queue()

    def show(self, beat: Beat) -> None:
        """Show that a training has made progress."""
        if not self.on_terminal:
            self.say(beat)
            return
        if beat.key not in self.tasks:
            self.tasks[beat.key] = self.bars.add_task("", total=beat.epochs, completed=max(beat.epoch - 1, 0))
        label = f"{beat.recipe} seed {beat.seed}, loss {beat.train_loss:.4f}"
        self.bars.update(self.tasks[beat.key], completed=beat.epoch, description=label)
        self._show_queue()

    def _show_queue(self) -> None:
        """Bring the queue's bar up to date; bars of finished trainings make room for others."""
        if self.on_terminal and self.queue:
            done, running = self.queue.states()
            self.bars.update(self.whole, completed=len(done), description=f"trainings, {len(running)} running")
            for key in done & self.tasks.keys():
                self.bars.update(self.tasks[key], visible=False)


def _train_in_processes(trainer: Trainer, trainings: Sequence[Training], jobs: int) -> int:
    """Train in several processes."""
    context, store = multiprocessing.get_context("spawn"), trainer.store()
    workers = [context.Process(target=_train_silently, args=(trainer, trainings)) for _ in range(jobs)]
    screen = _Screen(store, trainings)
    # Away from a terminal the watcher itself writes a line for each training that made progress.
    with screen, Watcher(store.root, screen.say, beats=screen.show if screen.on_terminal else None):
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            end_all(workers)  # they still work only if this process was interrupted
    return max(abs(worker.exitcode or 0) for worker in workers)


def _train_elsewhere(trainer: Trainer, trainings: Sequence[Training], cluster: Spread) -> int:
    """Train in the jobs of a cluster; heartbeats are read from the shared store."""
    status, store = 0, trainer.store()
    lacking = [one for one in trainings if not _complete(store, [one])]
    with _Screen(store, trainings) as screen, Watcher(store.root, screen.say):
        for (recipe, seed), result in cluster(functools.partial(_train_one, trainer), lacking):
            if isinstance(result, FeatdynError):
                print(f"featdyn: {recipe.name} seed {seed}: {result}", file=sys.stderr)
                status = 2
    return status


def _train_one(trainer: Trainer, training: Training) -> None:
    trainer.store().get_many([training])


def _train_here(trainer: Trainer, trainings: Sequence[Training]) -> int:
    """Train in this process; trainings of other processes, for which this one may wait, get their own lines."""
    own: set[str] = set()
    with _Screen(trainer.store(), trainings) as screen:

        def watch(key: str, recipe: Recipe, seed: int, record: EpochRecord) -> None:
            own.add(key)
            told = (record.epoch, recipe.training.epochs, record.train_loss, record.seconds)
            screen.show(Beat(key, recipe.name, seed, *told))

        store = trainer.store(watch)
        with Watcher(store.root, screen.say, skip=own):
            store.get_many(trainings)
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
