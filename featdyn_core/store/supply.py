"""The store: trajectories are found, or trained when they are missing, by one process each.

A trajectory becomes visible by the renaming of its folder, after every file in it is written. Nothing is ever
removed but what a killed training left half written and, once a trajectory is complete, its resume point. A damaged
trajectory is an error until somebody removes it.
"""

import contextlib
import datetime
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.devices import resolve_device, wake
from featdyn_core.errors import DamagedTrajectoryError, DataError, FeatdynError, MissingTrajectoryError, together
from featdyn_core.numerics import CPU_THREADS
from featdyn_core.project import store_root
from featdyn_core.provenance import environment
from featdyn_core.store import heartbeats, locks
from featdyn_core.store.advice import absence
from featdyn_core.store.conditions import check_code, conditions
from featdyn_core.store.folder import FolderSink, Watch, read_optimizer, read_tensors, resume_epoch_in
from featdyn_core.store.keys import DataDigests, trajectory_key
from featdyn_core.store.layout import RESUME, Layout, checkpoint_name, named_errors, remove, tidy
from featdyn_core.store.manifest import damage, read_manifest
from featdyn_core.training.fitting import check_fit
from featdyn_core.training.loop import Job, Log, train_many
from featdyn_core.training.steps import resolve_engine
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import Trajectory

AT_ONCE = {"cuda": 4}
"""Trajectories trained at once, by type of device: a small network leaves most of a GPU idle."""

WAIT_SECONDS = 0.2
"""Seconds between two checks of what other processes train."""

Key = tuple[tuple[str, str], int]

Failures = dict[Key, FeatdynError]
"""The error of each failed training, by the recipe's identity and seed."""

Taken = dict[Key, tuple[FolderSink, float, contextlib.ExitStack]]
"""Trainings of this process: the sink, the start, and the stack that releases the lock."""


class Store:
    """A folder of trajectories.

    Args:
        root: the folder; ``project.store_root()`` if left out. The first training creates it.
        device: device for training and measuring: auto, cpu, cuda, ...
        engine: engine of training (see ``steps.resolve_engine``).
        at_once: number of trajectories to train at once in this process; by default 4 on a GPU, else 1.
        watch: called in the training process after every epoch with (key, recipe, seed, record).
        download: whether a missing image set may be downloaded.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        device: str = "auto",
        engine: str = "auto",
        at_once: int | None = None,
        watch: Watch | None = None,
        download: bool = True,
    ) -> None:
        self.root = Path(root) if root is not None else store_root()
        self.layout, self.digests = Layout(self.root), DataDigests(self.root)
        self.device = resolve_device(device)
        self.engine = resolve_engine(engine, self.device)
        self.at_once = at_once or AT_ONCE.get(self.device.type, 1)
        self.watch = watch
        self.download = download
        self._datasets: dict[tuple[str, int | None], Dataset | DataError] = {}
        self._fitting: set[tuple[str, str]] = set()

    def key(self, recipe: Recipe, seed: int) -> str:
        """Hex digest of everything that determines the trajectory: recipe, seed and the bytes of the data."""
        # The digest of a set that was read before is known, so naming a trajectory needs no images and no download.
        loaded = self._datasets.get((recipe.data.set, recipe.data.subset))
        digest = loaded.digest if isinstance(loaded, Dataset) else self.digests.find(recipe)
        return trajectory_key(recipe, seed, self.dataset(recipe).digest if digest is None else digest)

    def folder(self, recipe: Recipe, seed: int) -> Path:
        """Folder in which the finished trajectory is or will be."""
        return self.layout.finished(recipe.name, seed, self.key(recipe, seed))

    def get(self, recipe: Recipe, seed: int, *, train: bool = True) -> Trajectory:
        """Return the trajectory. If it is missing and ``train`` allows it, train it first, and its parent before it.

        A missing trajectory that may not be trained is a ``MissingTrajectoryError``. A trajectory whose bytes are not
        what was written is a ``DamagedTrajectoryError``. A store that cannot be written is a ``StoreError``.
        """
        return self.get_many([Training(recipe, seed)], train=train)[0]

    def get_many(self, trainings: Sequence[Training], *, train: bool = True) -> list[Trajectory]:
        """Return several trajectories; trainings that another process has taken are left to it.

        Parallel workers that ask for the same trajectories share the work. Each trains what nobody has taken yet, and
        waits only when nothing is left to take. Failures are raised in one error when the others are done (see
        ``get``).
        """
        failures: Failures = {}
        while train and (pending := self._pending(trainings, failures)):
            if not self._train_untaken(pending, failures):
                time.sleep(WAIT_SECONDS)
        found = []
        for recipe, seed in trainings:
            if (recipe.identity, seed) not in failures:
                try:
                    found.append(self.open(recipe, seed))
                except FeatdynError as error:
                    failures[recipe.identity, seed] = error
        if failures:
            failure = together(list(failures.values()))
            raise failure
        return found

    def open(self, recipe: Recipe, seed: int) -> Trajectory:
        """Return a trajectory that is in the store.

        A trajectory that is not what was written, or another one in its place, is a ``DamagedTrajectoryError``. Images
        that cannot be obtained are a ``DataError``.

        Raises:
            MissingTrajectoryError: the trajectory is not in the store.
        """
        folder = self.folder(recipe, seed)
        if not os.path.isdir(folder):
            raise MissingTrajectoryError(absence(recipe, seed, self.root))
        # Its trainer may have been killed between the renaming and this cleaning.
        tidy(folder)
        remove(self.layout.heartbeat(self.key(recipe, seed)))
        return self.open_folder(folder, Training(recipe, seed))

    def open_folder(self, folder: Path, training: Training | None = None) -> Trajectory:
        """Return the trajectory in a folder of the store.

        Images that cannot be obtained are a ``DataError``. If the code of its network has changed since, that is an
        ``OtherCodeError``.

        Args:
            folder: folder of a finished trajectory.
            training: the training that it must be; if left out, the one that its manifest names.

        Raises:
            DamagedTrajectoryError: it is not what was written, or another trajectory.
        """
        manifest = read_manifest(folder)
        recipe, seed = training or (manifest.recipe, manifest.seed)
        if (manifest.key, manifest.recipe.digest, manifest.seed) != (self.key(recipe, seed), recipe.digest, seed):
            raise DamagedTrajectoryError(damage(folder, "the manifest belongs to another trajectory"))
        check_code(folder, manifest)
        # Only their presence is checked; bytes are compared when an epoch is read, so opening reads no checkpoint.
        for name in manifest.files:
            if not (folder / name).is_file():
                raise DamagedTrajectoryError(damage(folder, f"{name} is missing"))
        return Trajectory(
            recipe=recipe,
            seed=seed,
            key=manifest.key,
            epochs=tuple(manifest.digests),
            dataset=self.dataset(recipe),
            load=lambda epoch: read_tensors(folder, checkpoint_name(epoch), manifest.digests[epoch]),
            log=manifest.log,
            digests=manifest.digests,
            device=str(self.device),
            load_optimizer=lambda: read_optimizer(folder, manifest),
        )

    def status(self, recipe: Recipe, seed: int) -> str:
        """``complete``, ``training (epoch/epochs)``, ``partial (epoch/epochs)`` or ``missing``.

        If the trainer has gone silent, ``training`` also names its process and for how long.
        """
        if self._complete(recipe, seed):
            return "complete"
        key, last = self.key(recipe, seed), recipe.training.epochs
        partial = self.layout.partial(key)
        if locks.is_held(self.layout.lock(key)):
            beat = heartbeats.read_beat(self.layout.heartbeat(key))
            epoch = (beat.epoch if beat else 0) or resume_epoch_in(partial) or 0
            return f"training ({epoch}/{last}{f'; {beat.silence}' if beat and beat.silent else ''})"
        return f"partial ({resume_epoch_in(partial) or '?'}/{last})" if os.path.exists(partial / RESUME) else "missing"

    def resume_epoch(self, recipe: Recipe, seed: int) -> int | None:
        """Epoch of the resume point of an interrupted training; None if it starts from the beginning."""
        return resume_epoch_in(self.layout.partial(self.key(recipe, seed)))

    def finished(self) -> Iterator[tuple[str, Training | FeatdynError]]:
        """List the folders of finished trajectories.

        Yields:
            The folder's name, with its training or with what is wrong with it.
        """
        for folder in self.layout.trajectories():
            try:
                manifest = read_manifest(folder)
                yield folder.name, Training(manifest.recipe, manifest.seed)
            except FeatdynError as error:
                yield folder.name, error

    def _complete(self, recipe: Recipe, seed: int) -> bool:
        return os.path.isdir(self.folder(recipe, seed))  # unlike Path.is_dir never an error

    def _pending(self, trainings: Sequence[Training], failures: Failures) -> list[Training]:
        """Trainings that are neither complete nor failed, with a missing parent before its branch.

        A training fails here if its data are missing or do not fit, or if its parent has failed.
        """
        pending: list[Training] = []
        for recipe, seed in trainings:
            try:
                if (recipe.identity, seed) in failures or self._complete(recipe, seed):
                    continue
                if recipe.adopted:
                    failures[recipe.identity, seed] = MissingTrajectoryError(absence(recipe, seed, self.root))
                    continue
                if recipe.identity not in self._fitting:
                    check_fit(recipe, self.dataset(recipe))
                    self._fitting.add(recipe.identity)
                if recipe.branch:
                    pending += self._pending([Training(recipe.branch.parent, seed)], failures)
                    if failed := failures.get((recipe.branch.parent.identity, seed)):
                        raise failed
                pending.append(Training(recipe, seed))
            except FeatdynError as error:
                failures[recipe.identity, seed] = error
        return pending

    def dataset(self, recipe: Recipe) -> Dataset:
        """Return a recipe's image set. A set that cannot be obtained is a ``DataError``, and is tried only once."""
        wanted = (recipe.data.set, recipe.data.subset)
        if wanted not in self._datasets:
            try:
                loaded = load_dataset(wanted[0], subset=wanted[1], download=self.download)
                self.digests.learn(recipe, loaded.digest)
                self._datasets[wanted] = loaded
            except DataError as error:
                self._datasets[wanted] = error
        found = self._datasets[wanted]
        if isinstance(found, DataError):
            raise found
        return found

    def _train_untaken(self, trainings: Sequence[Training], failures: Failures) -> int:
        """Train what is neither complete nor taken, several at once; return how many there were.

        When one ends, the next is taken. Failures go into ``failures``, and the others continue.
        """
        taken, ended = Taken(), 0
        with contextlib.ExitStack() as locks_left:
            jobs = self._untaken(trainings, taken, failures, locks_left)
            for job, outcome in train_many(jobs, device=self.device, engine=self.engine, at_once=self.at_once):
                sink, started, lock = taken.pop((job.recipe.identity, job.seed))
                ended += 1
                with lock:
                    try:
                        self._finish(sink, outcome, time.monotonic() - started)
                    except FeatdynError as error:
                        failures[job.recipe.identity, job.seed] = error
        return ended

    def _untaken(
        self, trainings: Sequence[Training], taken: Taken, failures: Failures, locks_left: contextlib.ExitStack
    ) -> Iterator[Job]:
        """Take one training after the other, on demand; a branch waits until its parent is complete.

        Yields:
            A job, whose sink, start and lock are in ``taken`` until it ends.
        """
        for recipe, seed in trainings:
            lock = locks_left.enter_context(contextlib.ExitStack())
            try:
                if self._take(recipe, seed, lock):
                    parent = self.open(recipe.branch.parent, seed) if recipe.branch else None
                    sink = self._sink(recipe, seed, parent, taken)
                    job = Job(recipe, seed, self.dataset(recipe), sink, parent)
                    if not taken:
                        heartbeats.sweep_progress(self.root)  # a reader must not change the store
                    taken[recipe.identity, seed] = sink, time.monotonic(), lock
                    yield job
                    continue
            except FeatdynError as error:
                failures[recipe.identity, seed] = error
            lock.close()  # nobody waits on it: completeness is checked first

    def _take(self, recipe: Recipe, seed: int, held: contextlib.ExitStack) -> bool:
        """Take the lock of a trajectory, which ``held`` releases; return whether it should be trained here and now."""
        if recipe.branch and not self._complete(recipe.branch.parent, seed):
            return False
        with named_errors(self.root):
            free = held.enter_context(locks.hold(self.layout.lock(self.key(recipe, seed))))
        # Checked again, because another process may have finished it before the lock was taken.
        return free and not self._complete(recipe, seed)

    def _sink(self, recipe: Recipe, seed: int, parent: Trajectory | None, taken: Taken) -> FolderSink:
        """Return the sink of a training that is about to begin.

        A store that cannot be written is a ``StoreError``. If the finished trajectory could not be moved to its place,
        that is a ``StoreError`` too.
        """
        key = self.key(recipe, seed)
        with named_errors(self.root):
            self.layout.prepare(key, self.folder(recipe, seed))
        wake(self.device)
        found = conditions(recipe, self.device, self.engine, parent)
        return FolderSink(self.layout, key, recipe, seed, found, environment(), self.watch, lambda: len(taken))

    def _finish(self, sink: FolderSink, outcome: Log | FeatdynError, seconds: float) -> None:
        """Put a finished trajectory in its place.

        An error that ended its training, or prevents the move, is raised as it is.
        """
        if isinstance(outcome, FeatdynError):
            raise outcome
        dataset = self.dataset(sink.recipe)
        facts: dict[str, Any] = {
            "data": {"digest": dataset.digest, "description": dataset.describe()},
            "device": str(self.device),
            "engine": self.engine,
            "threads": CPU_THREADS,
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds_since_resume": round(seconds, 3),
        }
        sink.finish(self.folder(sink.recipe, sink.seed), outcome, facts)


def get_trajectory(
    recipe: Recipe, seed: int, *, store: Store | None = None, train: bool = True, device: str = "auto"
) -> Trajectory:
    """Return a trajectory from ``store``, by default ``Store(device=device)``; see ``Store.get``."""
    return (store or Store(device=device)).get(recipe, seed, train=train)
