"""Trajectories on disk: content-addressed, verified, locked, resumable.

Layout of the store's folder::

    <recipe name>-<seed>-<key, 12 digits>/   a finished trajectory: manifest.json, epoch-NNNN.safetensors
    partial/<key>/                           one in the making: checkpoints so far, resume.safetensors, resume.json
    progress/<key>.json                      what its trainer last wrote, for whoever waits
    locks/<key>.lock                         held by the one process that trains it

A trajectory becomes visible by the renaming of its folder, after every file in it is written. Nothing is ever removed
but the partial folder of a trajectory that is complete. A damaged trajectory is an error until somebody removes it.
"""

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import json
import math
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import safetensors
import safetensors.torch
import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.errors import DamagedTrajectoryError, MissingTrajectoryError, StoreError
from featdyn_core.recipe import Recipe
from featdyn_core.training import ResumePoint, evaluate_loss, resolve_device, train
from featdyn_core.trajectory import EpochRecord, State, Trajectory

SCHEMA = 1
PROBE_TOLERANCE = 1e-3
"""Largest absolute difference, in nats, between a logged probe loss and its re-evaluation (other machines, threads)."""

Request = tuple[Recipe, int]
Watcher = Callable[[str, Recipe, int, EpochRecord], None]


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
        device: where missing trajectories are trained: auto, cpu, cuda, ...
        watch: called in the training process after every epoch with (key, recipe, seed, record).
    """

    def __init__(self, root: Path | None = None, *, device: str = "auto", watch: Watcher | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()
        self.device = resolve_device(device)
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

        Parallel workers that ask for the same set share the work: each trains what nobody has taken yet and waits only
        when nothing is left to take.
        """
        if train:
            pending = [request for request in requests if not self._complete(*request)]
            while pending:
                taken = [request for request in pending if self._train_unless_taken(*request)]
                pending = [request for request in pending if not self._complete(*request)]
                if pending and not taken:
                    time.sleep(0.2)
        return [self.open(recipe, seed) for recipe, seed in requests]

    def open(self, recipe: Recipe, seed: int) -> Trajectory:
        """Return a trajectory that is in the store (see ``get``)."""
        folder = self.folder(recipe, seed)
        if not (folder / "manifest.json").is_file():
            raise MissingTrajectoryError(
                f"{recipe.name} seed {seed} is not in the store {self.root}; train it with: "
                f"featdyn train --only {recipe.name}"
            )
        manifest = read_manifest(folder)
        if manifest["key"] != self.key(recipe, seed):
            raise DamagedTrajectoryError(_damage(folder, "the manifest belongs to another trajectory"))
        files = {int(epoch): entry for epoch, entry in manifest["checkpoints"].items()}
        if sorted(files) != list(recipe.training.checkpoints):
            raise DamagedTrajectoryError(_damage(folder, "its checkpoints are not those of the recipe"))
        for entry in files.values():
            if not (folder / entry["file"]).is_file():
                raise DamagedTrajectoryError(_damage(folder, f"{entry['file']} is missing"))
        return Trajectory(
            recipe=recipe,
            seed=seed,
            key=manifest["key"],
            epochs=tuple(sorted(files)),
            dataset=self._dataset(recipe),
            load=lambda epoch: _read_checkpoint(folder, files[epoch]),
            log=tuple(EpochRecord(**record) for record in manifest["log"]),
            digests={epoch: entry["sha256"] for epoch, entry in files.items()},
        )

    def status(self, recipe: Recipe, seed: int) -> str:
        """``complete``, ``training (epoch/epochs)``, ``partial (epoch/epochs)`` or ``missing``."""
        if self._complete(recipe, seed):
            return "complete"
        key = self.key(recipe, seed)
        last = recipe.training.epochs
        progress = self.root / "progress" / f"{key}.json"
        with contextlib.suppress(OSError, ValueError), self._lock(key).acquire(blocking=False):
            resume = self.root / "partial" / key / "resume.json"
            return f"partial ({json.loads(resume.read_text())['epoch']}/{last})" if resume.exists() else "missing"
        with contextlib.suppress(OSError, ValueError):
            return f"training ({json.loads(progress.read_text())['epoch']}/{last})"
        return "missing"

    def _complete(self, recipe: Recipe, seed: int) -> bool:
        return (self.folder(recipe, seed) / "manifest.json").is_file()

    def _dataset(self, recipe: Recipe) -> Dataset:
        wanted = (recipe.data.set, recipe.data.subset)
        if wanted not in self._datasets:
            self._datasets[wanted] = load_dataset(recipe.data.set, subset=recipe.data.subset)
        return self._datasets[wanted]

    def _lock(self, key: str) -> filelock.FileLock:
        with _named_errors(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            return filelock.FileLock(self.root / "locks" / f"{key}.lock")

    def _train_unless_taken(self, recipe: Recipe, seed: int) -> bool:
        """Train the trajectory now, unless it is complete or another process is at it; return whether it was."""
        key = self.key(recipe, seed)
        try:
            lock = self._lock(key).acquire(blocking=False)
        except filelock.Timeout:
            return False
        except PermissionError as error:
            raise StoreError(f"the store {self.root} cannot be written: {error}; set FEATDYN_STORE") from error
        with lock:
            if self._complete(recipe, seed):
                return False
            sink = _FolderSink(self.root, key, recipe, seed, self.watch)
            with _named_errors(self.root):
                started = time.monotonic()
                log = train(recipe, seed, self._dataset(recipe), sink, device=self.device)
                sink.finish(self.folder(recipe, seed), _manifest(self, recipe, seed, log, time.monotonic() - started))
            return True


@dataclass
class _FolderSink:
    """Writes one training into its partial folder."""

    root: Path
    key: str
    recipe: Recipe
    seed: int
    watch: Watcher | None

    def __post_init__(self) -> None:
        self.folder = self.root / "partial" / self.key
        self.heartbeat = self.root / "progress" / f"{self.key}.json"
        with _named_errors(self.root):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.heartbeat.parent.mkdir(exist_ok=True)
        self.beaten = 0.0

    def resume_point(self) -> ResumePoint | None:
        description = self.folder / "resume.json"
        if not description.exists():
            return None
        try:
            record = json.loads(description.read_text())
            tensors = _parse(record, self.folder)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedTrajectoryError(
                f"{description} is damaged ({error}); remove {self.folder} to train {self.recipe.name} seed "
                f"{self.seed} from its beginning"
            ) from error
        parts: dict[str, State] = {"network": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, rest = name.split(":", 1)
            parts[part][rest] = value
        log = tuple(EpochRecord(**entry) for entry in record["log"])
        return ResumePoint(record["epoch"], parts["network"], parts["optimizer"], log)

    def checkpoint(self, epoch: int, state: State) -> None:
        _write(self.folder / _checkpoint_name(epoch), safetensors.torch.save(_contiguous(state)))

    def save_resume_point(self, point: ResumePoint) -> None:
        tensors = {f"network:{name}": value for name, value in point.network.items()}
        tensors |= {f"optimizer:{name}": value for name, value in point.optimizer.items()}
        content = safetensors.torch.save(_contiguous(tensors))
        name = f"resume-{point.epoch:04d}.safetensors"
        _write(self.folder / name, content)
        record = {
            "epoch": point.epoch,
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "log": [dataclasses.asdict(entry) for entry in point.log],
        }
        _write(self.folder / "resume.json", json.dumps(record).encode())
        for older in self.folder.glob("resume-*.safetensors"):
            if older.name != name:
                older.unlink()

    def progress(self, record: EpochRecord) -> None:
        if self.watch:
            self.watch(self.key, self.recipe, self.seed, record)
        if time.monotonic() - self.beaten < 0.5:
            return
        self.beaten = time.monotonic()
        beat = {
            "recipe": self.recipe.name,
            "seed": self.seed,
            "epoch": record.epoch,
            "epochs": self.recipe.training.epochs,
            "train_loss": record.train_loss,
            "seconds_per_epoch": record.seconds,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "time": time.time(),
        }
        _write(self.heartbeat, json.dumps(beat).encode())

    def finish(self, target: Path, manifest: dict[str, Any]) -> None:
        """Write the manifest and make the trajectory visible."""
        for epoch in self.recipe.training.checkpoints:
            name = _checkpoint_name(epoch)
            digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            manifest["checkpoints"][str(epoch)] = {"file": name, "sha256": digest}
        for leftover in [*self.folder.glob("resume*"), *self.folder.glob("*.tmp")]:
            leftover.unlink()
        _write(self.folder / "manifest.json", json.dumps(manifest, indent=1).encode())
        os.replace(self.folder, target)
        self.heartbeat.unlink(missing_ok=True)


def get_trajectory(
    recipe: Recipe, seed: int, *, store: Store | None = None, train: bool = True, device: str = "auto"
) -> Trajectory:
    """Return the trajectory of (recipe, seed) from ``store`` (default: ``Store(device=device)``); see ``Store.get``."""
    return (store or Store(device=device)).get(recipe, seed, train=train)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a trajectory's manifest.

    Raises:
        DamagedTrajectoryError: not JSON, or from another schema version.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedTrajectoryError(_damage(folder, f"manifest.json cannot be read: {error}")) from error
    if schema != SCHEMA:
        raise DamagedTrajectoryError(
            f"{folder}: manifest.json has schema {schema}, this version reads {SCHEMA}; move the folder away, or use "
            "the version of featdyn that wrote it"
        )
    return manifest


def verify(trajectory: Trajectory) -> list[str]:
    """Check a trajectory byte for byte and as a trajectory; return what is wrong with it, in words.

    Every checkpoint matches its digest; checkpoints at different epochs differ (unless nothing was learned: rate 0);
    the logged probe loss is that of the checkpoint.
    """
    problems = []
    images, labels = trajectory.training_set()
    probe = {record.epoch: record.probe_loss for record in trajectory.log}
    for epoch in trajectory.epochs:
        try:
            network = trajectory.network(epoch)
        except StoreError as error:
            problems.append(str(error))
            continue
        logged = probe.get(epoch)
        if logged is None:
            problems.append(f"epoch {epoch}: no probe loss in the log")
            continue
        found = evaluate_loss(network, images[:256], labels[:256])
        if not math.isclose(found, logged, rel_tol=PROBE_TOLERANCE, abs_tol=PROBE_TOLERANCE):
            problems.append(f"epoch {epoch}: loss {found:.6f} where the log has {logged:.6f}")
    distinct = len(set(trajectory.digests.values()))
    if distinct != len(trajectory.epochs) and trajectory.recipe.optimizer.learning_rate > 0:
        problems.append(f"only {distinct} of {len(trajectory.epochs)} checkpoints are distinct")
    return problems


def _checkpoint_name(epoch: int) -> str:
    return f"epoch-{epoch:04d}.safetensors"


def _contiguous(state: State) -> State:
    return {name: value.contiguous() for name, value in state.items()}


def _read_checkpoint(folder: Path, entry: dict[str, str]) -> State:
    try:
        return _parse(entry, folder)
    except (OSError, ValueError) as error:
        raise DamagedTrajectoryError(_damage(folder, f"{entry['file']}: {error}")) from error


def _parse(entry: dict[str, str], folder: Path) -> State:
    content = (folder / entry["file"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ValueError("its bytes do not match the recorded sha256")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a safetensors file: {error}") from error


def _damage(folder: Path, what: str) -> str:
    return f"{folder} is damaged: {what}; remove this folder, and the next run trains it again"


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _named_errors(root: Path) -> Iterator[None]:
    """Turn the operating system's errors into one that names the store and the mend."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            message = f"no space left for the store {root}; free some, and the next run goes on where this one stopped"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            message = f"the store {root} cannot be written ({error.strerror}); set FEATDYN_STORE to a folder that can"
        else:
            raise
        raise StoreError(message) from error


def _manifest(store: Store, recipe: Recipe, seed: int, log: Sequence[EpochRecord], seconds: float) -> dict[str, Any]:
    dataset = store._dataset(recipe)
    return {
        "schema": SCHEMA,
        "key": store.key(recipe, seed),
        "recipe": {"name": recipe.name, **recipe.to_dict()},
        "recipe_digest": recipe.digest,
        "seed": seed,
        "data": {"digest": dataset.digest, "description": dataset.describe()},
        "checkpoints": {},
        "log": [dataclasses.asdict(record) for record in log],
        "device": str(store.device),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds_since_resume": round(seconds, 3),
    }
