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
import math
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.devices import resolve_device
from featdyn_core.errors import MissingTrajectoryError, ModelError, StoreError, TrainingError
from featdyn_core.recipe import Recipe
from featdyn_core.stepping import resolve_engine
from featdyn_core.training import PROBE_IMAGES, Job, evaluate_loss, train_many
from featdyn_core.trajectory import Trajectory
from featdyn_core.trajectory_folder import (
    SCHEMA,
    FolderSink,
    Watch,
    damaged,
    named_errors,
    read_checkpoint,
    read_manifest,
)

PROBE_TOLERANCE = 1e-3
"""Largest absolute difference, in nats, between a logged probe loss and its re-evaluation elsewhere."""

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
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        device: str = "auto",
        engine: str = "auto",
        at_once: int | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.root = Path(root) if root is not None else default_root()
        self.device = resolve_device(device)
        self.engine = resolve_engine(engine, self.device)
        self.at_once = at_once or AT_ONCE.get(self.device.type, 1)
        self.watch = watch
        self._datasets: dict[tuple[str, int | None], Dataset] = {}

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
        waits only when nothing is left to take.
        """
        if train:
            pending = [request for request in requests if not self._complete(*request)]
            while pending:
                taken = self._train_untaken(pending)
                pending = [request for request in pending if not self._complete(*request)]
                if pending and not taken:
                    time.sleep(0.2)
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

    def _complete(self, recipe: Recipe, seed: int) -> bool:
        return self.folder(recipe, seed).is_dir()

    def _heartbeat(self, key: str) -> Path:
        return self.root / "progress" / f"{key}.json"

    def _dataset(self, recipe: Recipe) -> Dataset:
        wanted = (recipe.data.set, recipe.data.subset)
        if wanted not in self._datasets:
            self._datasets[wanted] = load_dataset(recipe.data.set, subset=recipe.data.subset)
        return self._datasets[wanted]

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

    def _train_untaken(self, requests: Sequence[Request]) -> int:
        """Train, at once, the first requests that are neither complete nor taken; return how many there were."""
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
            failed = []
            for job, outcome in train_many(jobs, device=self.device, engine=self.engine):
                if isinstance(outcome, TrainingError):
                    failed.append(outcome)
                    continue
                facts = self._circumstances(job.recipe, time.monotonic() - started)
                sinks[job.recipe.digest, job.seed].finish(self.folder(job.recipe, job.seed), outcome, facts)
            if failed:
                raise failed[0]
        return len(mine)

    def _sink(self, recipe: Recipe, seed: int) -> FolderSink:
        key = self.key(recipe, seed)
        return FolderSink(self.root / "partial" / key, self._heartbeat(key), key, recipe, seed, self.watch)

    def _circumstances(self, recipe: Recipe, seconds: float) -> dict[str, Any]:
        """What a manifest tells of a training beyond recipe and seed."""
        dataset = self._dataset(recipe)
        return {
            "data": {"digest": dataset.digest, "description": dataset.describe()},
            "device": str(self.device),
            "engine": self.engine,
            "threads": torch.get_num_threads(),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds_since_resume": round(seconds, 3),
        }


def get_trajectory(
    recipe: Recipe, seed: int, *, store: Store | None = None, train: bool = True, device: str = "auto"
) -> Trajectory:
    """Return a trajectory from ``store``, by default ``Store(device=device)``; see ``Store.get``."""
    return (store or Store(device=device)).get(recipe, seed, train=train)


def verify(trajectory: Trajectory) -> list[str]:
    """Check a trajectory byte for byte and as a trajectory; return what is wrong with it, in words.

    Every checkpoint matches its digest; checkpoints at different epochs differ (unless nothing was learned:
    rate 0); the logged probe loss is that of the checkpoint.
    """
    problems = []
    images, labels = trajectory.training_set()
    probe = {record.epoch: record.probe_loss for record in trajectory.log}
    for epoch in trajectory.epochs:
        try:
            network = trajectory.network(epoch)
        except (StoreError, ModelError) as error:
            problems.append(f"epoch {epoch}: {error}")
            continue
        logged = probe.get(epoch)
        if logged is None:
            problems.append(f"epoch {epoch}: no probe loss in the log")
            continue
        found = evaluate_loss(network, images[:PROBE_IMAGES], labels[:PROBE_IMAGES])
        if not math.isclose(found, logged, rel_tol=PROBE_TOLERANCE, abs_tol=PROBE_TOLERANCE):
            problems.append(f"epoch {epoch}: loss {found:.6f} where the log has {logged:.6f}")
    distinct = len(set(trajectory.digests.values()))
    if distinct != len(trajectory.epochs) and trajectory.recipe.optimizer.learning_rate > 0:
        problems.append(f"only {distinct} of {len(trajectory.epochs)} checkpoints are distinct")
    return problems


def _epoch(path: Path) -> int | None:
    """Return the epoch that a heartbeat or a resume point names; None if it cannot be read at this moment."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
