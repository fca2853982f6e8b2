"""Trajectories on disk: content-addressed, verified, locked, resumable.

Layout of the store's folder::

    <recipe name>-<seed>-<key, 12 digits>/   a finished trajectory: manifest.json, epoch-NNNN.safetensors
    partial/<key>/                           one in the making: checkpoints so far, resume point
    progress/<key>.json                      what its trainer last wrote, for whoever waits
    locks/<key>.lock                         held by the one process that trains it

A trajectory becomes visible by the renaming of its folder, after every file in it is written. Nothing is ever
removed but the resume point of a trajectory that is complete. A damaged trajectory is an error until somebody
removes it.
"""

import contextlib
import datetime
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.errors import (
    AbsentDataError,
    DataError,
    FeatdynError,
    MissingTrajectoryError,
)
from featdyn_core.numerics import resolve_device
from featdyn_core.store.folder import (
    SCHEMA,
    FolderSink,
    Watch,
    damaged,
    named_errors,
    read_checkpoint,
    read_manifest,
    read_request,
)
from featdyn_core.training.loop import CPU_THREADS, Job, train_many
from featdyn_core.training.steps import resolve_engine
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import Trajectory

AT_ONCE = {"cuda": 4}
"""Trajectories trained at once, by type of device: a small network leaves most of a GPU idle."""

Request = tuple[Recipe, int]


def default_root() -> Path:
    """``FEATDYN_STORE``, or ``fixtures/cache`` of the checkout or the working directory."""
    if configured := os.environ.get("FEATDYN_STORE"):
        return Path(configured)
    checkout = Path(__file__).parent.parent
    base = checkout if (checkout / "fixtures").is_dir() else Path.cwd()
    return base / "fixtures" / "cache"


class Store:
    """A folder of trajectories.

    Args:
        root: the folder; ``default_root()`` if left out. It is made at the first training.
        device: where trajectories are trained and measured: auto, cpu, cuda, ...
        engine: how (see ``stepping.resolve_engine``).
        at_once: how many to train at once in this process; by default 4 on a GPU, else 1.
        watch: called in the training process after every epoch with (key, recipe, seed, record).
        download: whether an image set that is not here may be fetched.
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
        self.root = Path(root) if root is not None else default_root()
        self.device = resolve_device(device)
        self.engine = resolve_engine(engine, self.device)
        self.at_once = at_once or AT_ONCE.get(self.device.type, 1)
        self.watch = watch
        self.download = download
        self._datasets: dict[tuple[str, int | None], Dataset | DataError] = {}

    def key(self, recipe: Recipe, seed: int) -> str:
        """Hex digest of everything that determines the trajectory: recipe, seed and the bytes of the data."""
        text = json.dumps([SCHEMA, recipe.digest, seed, self._dataset(recipe).digest])
        return hashlib.sha256(text.encode()).hexdigest()

    def folder(self, recipe: Recipe, seed: int) -> Path:
        """Where the finished trajectory is or will be."""
        key = self.key(recipe, seed)
        found = sorted(self.root.glob(f"*-{key[:12]}"))
        return found[0] if found else self.root / f"{recipe.name}-{seed}-{key[:12]}"

    def get(self, recipe: Recipe, seed: int, *, train: bool = True) -> Trajectory:
        """Return the trajectory, training it first if it is missing and ``train`` allows it.

        Raises:
            MissingTrajectoryError: it is not here and must not be trained.
            DamagedTrajectoryError: it is here and its bytes are not what was written.
            StoreError: the store cannot be written.
        """
        return self.get_many([(recipe, seed)], train=train)[0]

    def get_many(self, requests: Sequence[Request], *, train: bool = True) -> list[Trajectory]:
        """Return several trajectories; those that another process trains meanwhile are left to it.

        Parallel workers that ask for the same set share the work: each trains what nobody has taken yet and
        waits only when nothing is left to take. What fails is told when the others are done.
        """
        failures: dict[tuple[str, int], FeatdynError] = {}
        while train and (pending := self._pending(requests, failures)):
            if not self._train_untaken(pending, failures):
                time.sleep(0.2)
        if failures:
            raise _together(list(failures.values()))
        return [self.open(recipe, seed) for recipe, seed in requests]

    def open(self, recipe: Recipe, seed: int) -> Trajectory:
        """Return a trajectory that is in the store (see ``get``)."""
        folder = self.folder(recipe, seed)
        if not folder.is_dir():
            raise MissingTrajectoryError(
                f"{recipe.name} seed {seed} is not in the store {self.root}; train it with: "
                f"featdyn train --only {recipe.name}"
            )
        manifest = read_manifest(folder)
        if manifest.key != self.key(recipe, seed):
            raise damaged(folder, "the manifest belongs to another trajectory")
        if tuple(manifest.files) != recipe.training.checkpoints:
            raise damaged(folder, "its checkpoints are not those of the recipe")
        for name, _ in manifest.files.values():
            if not (folder / name).is_file():
                raise damaged(folder, f"{name} is missing")
        return Trajectory(
            recipe=recipe,
            seed=seed,
            key=manifest.key,
            epochs=tuple(manifest.files),
            dataset=self._dataset(recipe),
            load=lambda epoch: read_checkpoint(folder, *manifest.files[epoch]),
            log=manifest.log,
            digests={epoch: digest for epoch, (_, digest) in manifest.files.items()},
            device=str(self.device),
        )

    def status(self, recipe: Recipe, seed: int) -> str:
        """``complete``, ``training (epoch/epochs)``, ``partial (epoch/epochs)`` or ``missing``."""
        if self._complete(recipe, seed):
            return "complete"
        key = self.key(recipe, seed)
        last = recipe.training.epochs
        resume = self.root / "partial" / key / "resume.json"
        if self._taken(key):
            return f"training ({_epoch(self._heartbeat(key)) or _epoch(resume) or 0}/{last})"
        return f"partial ({_epoch(resume)}/{last})" if resume.exists() else "missing"

    def finished(self) -> Iterator[tuple[str, Request | FeatdynError]]:
        """Name each folder of a finished trajectory, with what was trained there or what is wrong with it."""
        for manifest in sorted(self.root.glob("*/manifest.json")):
            try:
                yield manifest.parent.name, read_request(manifest.parent)
            except FeatdynError as error:
                yield manifest.parent.name, error

    def _complete(self, recipe: Recipe, seed: int) -> bool:
        return self.folder(recipe, seed).is_dir()

    def _pending(self, requests: Sequence[Request], failures: dict[tuple[str, int], FeatdynError]) -> list[Request]:
        """Requests that neither are complete nor have failed; one without its data fails here."""
        pending = []
        for recipe, seed in requests:
            try:
                if (recipe.digest, seed) not in failures and not self._complete(recipe, seed):
                    pending.append((recipe, seed))
            except DataError as error:
                failures[recipe.digest, seed] = error
        return pending

    def _heartbeat(self, key: str) -> Path:
        return self.root / "progress" / f"{key}.json"

    def _dataset(self, recipe: Recipe) -> Dataset:
        wanted = (recipe.data.set, recipe.data.subset)
        if wanted not in self._datasets:
            try:
                self._datasets[wanted] = load_dataset(wanted[0], subset=wanted[1], download=self.download)
            except DataError as error:
                self._datasets[wanted] = error  # a host that does not answer is asked once
        found = self._datasets[wanted]
        if isinstance(found, DataError):
            raise found
        return found

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[bool]:
        """Hold the lock of a trajectory, if it is free; yields whether it was."""
        with named_errors(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.root / "locks" / f"{key}.lock")
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(blocking=False)
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _taken(self, key: str) -> bool:
        """Whether a process trains the trajectory at this moment."""
        if not (self.root / "locks" / f"{key}.lock").exists():
            return False  # nobody ever did; looking must not make the store
        with self._lock(key) as free:
            return not free

    def _train_untaken(self, requests: Sequence[Request], failures: dict[tuple[str, int], FeatdynError]) -> int:
        """Train, at once, the first requests that are neither complete nor taken; return how many there were.

        A training that fails goes into ``failures``; a disk that does ends them all.
        """
        with contextlib.ExitStack() as locks, named_errors(self.root):
            mine: list[Request] = []
            for recipe, seed in requests:
                free = locks.enter_context(self._lock(self.key(recipe, seed)))
                if free and not self._complete(recipe, seed):
                    mine.append((recipe, seed))
                if len(mine) == self.at_once:
                    break
            started = time.monotonic()
            sinks = {(recipe.digest, seed): self._sink(recipe, seed) for recipe, seed in mine}
            jobs = [Job(sink.recipe, sink.seed, self._dataset(sink.recipe), sink) for sink in sinks.values()]
            for job, outcome in train_many(jobs, device=self.device, engine=self.engine):
                if isinstance(outcome, FeatdynError):
                    failures[job.recipe.digest, job.seed] = outcome
                    continue
                facts = self._circumstances(job.recipe, time.monotonic() - started)
                sinks[job.recipe.digest, job.seed].finish(self.folder(job.recipe, job.seed), outcome, facts)
        return len(mine)

    def _sink(self, recipe: Recipe, seed: int) -> FolderSink:
        key = self.key(recipe, seed)
        cuda = self.device.type == "cuda"
        conditions = {
            "device": torch.cuda.get_device_name(self.device) if cuda else str(self.device),
            "engine": self.engine,
            "torch": torch.__version__,
        }
        return FolderSink(self.root / "partial" / key, self._heartbeat(key), key, recipe, seed, conditions, self.watch)

    def _circumstances(self, recipe: Recipe, seconds: float) -> dict[str, Any]:
        """What a manifest tells of a training beyond recipe and seed."""
        dataset = self._dataset(recipe)
        return {
            "data": {"digest": dataset.digest, "description": dataset.describe()},
            "device": str(self.device),
            "engine": self.engine,
            "threads": CPU_THREADS,
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds_since_resume": round(seconds, 3),
        }


def get_trajectory(
    recipe: Recipe, seed: int, *, store: Store | None = None, train: bool = True, device: str = "auto"
) -> Trajectory:
    """Return a trajectory from ``store``, by default ``Store(device=device)``; see ``Store.get``."""
    return (store or Store(device=device)).get(recipe, seed, train=train)


def _together(errors: Sequence[FeatdynError]) -> FeatdynError:
    """Return one error for all; of the kind of the first that is more than absent data."""
    first = next((error for error in errors if not isinstance(error, AbsentDataError)), errors[0])
    return type(first)("; ".join(dict.fromkeys(map(str, errors)))) if len(errors) > 1 else first


def _epoch(path: Path) -> int | None:
    """Return the epoch that a heartbeat or a resume point names; None if it cannot be read at this moment."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
