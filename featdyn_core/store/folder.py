"""The files of one trajectory: written whole or not at all, read against their digests.

A trajectory in the making lies in a partial folder; ``FolderSink`` fills it and, when the training is over,
renames it to where a finished one is looked for. Reading never changes a folder: damage is an error until
somebody removes it.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from featdyn_core.errors import DamagedTrajectoryError, RecipeError, StoreError
from featdyn_core.trajectories.recipe import Recipe, restore_recipe
from featdyn_core.trajectories.sink import ResumePoint
from featdyn_core.trajectories.trajectory import EpochRecord, State

SCHEMA = 1

HEARTBEAT_SECONDS = 0.5
"""Least time between two heartbeats of a trainer."""

Watch = Callable[[str, Recipe, int, EpochRecord], None]


@dataclass(frozen=True)
class Manifest:
    """What a finished trajectory says of itself, as far as reading it goes.

    Attributes:
        key: hex digest of recipe, seed and data.
        log: one record an epoch.
        files: epoch to file name and hex sha256 of its checkpoint, ascending.
    """

    key: str
    log: tuple[EpochRecord, ...]
    files: dict[int, tuple[str, str]]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the finished trajectory in ``folder``.

    Raises:
        DamagedTrajectoryError: not there, not what ``FolderSink`` writes, or from another schema version.
    """
    try:
        content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        schema = content["schema"]
        if schema == SCHEMA:
            entries = sorted((int(epoch), entry) for epoch, entry in content["checkpoints"].items())
            files = {epoch: (entry["file"], entry["sha256"]) for epoch, entry in entries}
            return Manifest(content["key"], _read_log(content["log"]), files)
    except PermissionError as error:
        raise _forbidden(folder, error) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(folder, f"manifest.json cannot be read ({type(error).__name__}: {error})") from error
    raise DamagedTrajectoryError(
        f"{folder}: manifest.json has schema {schema!r}, this version reads {SCHEMA}; "
        "move the folder away, or use the version of featdyn that wrote it"
    )


def read_request(folder: Path) -> tuple[Recipe, int]:
    """Read which recipe, and which seed, the finished trajectory in ``folder`` was trained with.

    Raises:
        DamagedTrajectoryError: the manifest does not say.
    """
    read_manifest(folder)
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    try:
        tables = dict(content["recipe"])
        recipe = restore_recipe(tables, name=tables.pop("name"))
        if recipe.digest != content["recipe_digest"]:
            raise ValueError("the recipe is not the one with the recorded digest")
        return recipe, int(content["seed"])
    except (RecipeError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, f"manifest.json tells of no recipe ({error})") from error


def read_checkpoint(folder: Path, name: str, digest: str) -> State:
    """Read the checkpoint ``name`` of a finished trajectory.

    Raises:
        DamagedTrajectoryError: it is not there, or its bytes do not have the hex sha256 ``digest``.
    """
    try:
        return _read_tensors(folder / name, digest)
    except PermissionError as error:
        raise _forbidden(folder, error) from error
    except (OSError, ValueError) as error:
        raise damaged(folder, f"{name}: {error}") from error


def damaged(folder: Path, what: str) -> DamagedTrajectoryError:
    """Return the error that says what is wrong with a finished trajectory and how to mend it."""
    return DamagedTrajectoryError(f"{folder} is damaged: {what}; remove this folder, and the next run trains it again")


def _forbidden(folder: Path, error: PermissionError) -> StoreError:
    return StoreError(f"{error.filename or folder} must not be read ({error.strerror}); allow it, and run again")


@dataclass
class FolderSink:
    """Writes one training into its partial folder (see ``training.Sink``).

    Args:
        folder: the partial folder.
        heartbeat: file that tells those who wait how far the training is.
        key: hex digest of recipe, seed and data.
        recipe: what is trained, with ``seed``.
        seed: the training seed.
        conditions: what the bits depend on beside recipe, seed and data, by name.
        watch: called after every epoch with (key, recipe, seed, record).
    """

    folder: Path
    heartbeat: Path
    key: str
    recipe: Recipe
    seed: int
    conditions: dict[str, str] = field(default_factory=dict)
    watch: Watch | None = None
    _beaten: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.heartbeat.parent.mkdir(parents=True, exist_ok=True)

    def resume_point(self) -> ResumePoint | None:
        """Return the last saved resume point, if any.

        Raises:
            DamagedTrajectoryError: it cannot be read, or a checkpoint of before it is gone.
            StoreError: it was made under other conditions.
        """
        description = self.folder / "resume.json"
        if not description.exists():
            return None
        try:
            record = json.loads(description.read_text(encoding="utf-8"))
            tensors = _read_tensors(self.folder / record["file"], record["sha256"])
            parts = (_part("network", tensors), _part("optimizer", tensors))
            point, conditions = ResumePoint(record["epoch"], *parts, _read_log(record["log"])), record["conditions"]
            for epoch in self.recipe.training.checkpoints:
                if epoch <= point.epoch and not (self.folder / _checkpoint_name(epoch)).is_file():
                    raise ValueError(f"{_checkpoint_name(epoch)} is missing")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedTrajectoryError(
                f"{description} is damaged ({type(error).__name__}: {error}); remove {self.folder} to train "
                f"{self.recipe.name} seed {self.seed} from its beginning"
            ) from error
        if conditions != self.conditions:
            raise StoreError(
                f"{self.recipe.name} seed {self.seed} was begun with {_listed(conditions)}, and this run has "
                f"{_listed(self.conditions)}, which gives other bits; go on with what it was begun with, or remove "
                f"{self.folder} to train it from its beginning"
            )
        return point

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep the checkpoint after ``epoch`` epochs."""
        _write(self.folder / _checkpoint_name(epoch), _tensor_bytes(state))

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep the resume point; the one before goes when this one is complete."""
        tensors = {f"network:{name}": value for name, value in point.network.items()}
        tensors |= {f"optimizer:{name}": value for name, value in point.optimizer.items()}
        content = _tensor_bytes(tensors)
        name = f"resume-{point.epoch:04d}.safetensors"
        _write(self.folder / name, content)
        record = {
            "epoch": point.epoch,
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "log": [dataclasses.asdict(entry) for entry in point.log],
            "conditions": self.conditions,
        }
        _write(self.folder / "resume.json", json.dumps(record).encode())
        for older in self.folder.glob("resume-*.safetensors"):
            if older.name != name:
                older.unlink()

    def progress(self, record: EpochRecord) -> None:
        """Tell the watcher that an epoch is done and, now and then, those who wait in other processes."""
        if self.watch:
            self.watch(self.key, self.recipe, self.seed, record)
        if time.monotonic() - self._beaten < HEARTBEAT_SECONDS:
            return
        self._beaten = time.monotonic()
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

    def finish(self, target: Path, log: tuple[EpochRecord, ...], facts: dict[str, Any]) -> None:
        """Write the manifest and make the trajectory visible at ``target``.

        Args:
            target: where the finished trajectory belongs; nothing is there yet.
            log: one record an epoch.
            facts: what else the manifest shall hold.
        """
        names = {str(epoch): _checkpoint_name(epoch) for epoch in self.recipe.training.checkpoints}
        manifest = {
            "schema": SCHEMA,
            "key": self.key,
            "recipe": {"name": self.recipe.name, **self.recipe.to_dict()},
            "recipe_digest": self.recipe.digest,
            "seed": self.seed,
            "checkpoints": {
                epoch: {"file": name, "sha256": hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}
                for epoch, name in names.items()
            },
            "log": [dataclasses.asdict(record) for record in log],
            **facts,
        }
        _write(self.folder / "manifest.json", json.dumps(manifest, indent=1).encode())
        os.replace(self.folder, target)
        # Only now: had the disk been full at the manifest, the next run would go on from the resume point.
        for leftover in [*target.glob("resume*"), *target.glob("*.tmp")]:
            leftover.unlink()
        self.heartbeat.unlink(missing_ok=True)


@contextlib.contextmanager
def named_errors(root: Path) -> Iterator[None]:
    """Turn the operating system's errors into one that names the store at ``root`` and the mend.

    Raises:
        StoreError: the disk is full, or the store cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"no space left for the store {root}; free some, and the next run goes on from here"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            reason = f"({error.strerror}); set FEATDYN_STORE to a folder that can"
            message = f"the store {root} cannot be written {reason}"
        else:
            raise
        raise StoreError(message) from error


def _checkpoint_name(epoch: int) -> str:
    return f"epoch-{epoch:04d}.safetensors"


def _read_log(records: list[dict[str, Any]]) -> tuple[EpochRecord, ...]:
    return tuple(EpochRecord(**record) for record in records)


def _read_tensors(path: Path, digest: str) -> State:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("its bytes do not match the recorded sha256")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a safetensors file: {error}") from error


def _listed(conditions: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in conditions.items())


def _part(part: str, tensors: State) -> State:
    """Return the tensors called ``part:name``, by name."""
    prefix = f"{part}:"
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _tensor_bytes(tensors: State) -> bytes:
    return safetensors.torch.save({name: value.contiguous() for name, value in tensors.items()})


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
