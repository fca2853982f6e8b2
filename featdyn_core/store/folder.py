"""The files of one trajectory: written whole or not at all, and checked against their digests when read.

An unfinished trajectory lies in a partial folder. ``FolderSink`` fills this folder and renames it when the training is
over. The digest of a checkpoint is taken from the bytes that the training wrote, so damage is never certified. Reading
never changes a folder: damage stays an error until somebody removes it.
"""

import hashlib
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from featdyn_core.errors import DamagedTrajectoryError, StoreError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, sha256_of, sync_folder, write_atomically
from featdyn_core.store import heartbeats
from featdyn_core.store.documents import one_line, parse, seal, unseal
from featdyn_core.store.layout import (
    OPTIMIZER,
    RESUME,
    Layout,
    checkpoint_name,
    named_errors,
    remove,
    resume_name,
    tidy,
)
from featdyn_core.store.manifest import (
    Manifest,
    damage,
    log_tables,
    read_digest,
    read_log,
    refusal,
    write_manifest,
)
from featdyn_core.trajectories.checkpoints import tensor_bytes
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.sink import ResumePoint
from featdyn_core.trajectories.trajectory import EpochRecord, State

Watch = Callable[[str, Recipe, int, EpochRecord], None]

_UNSEALED = ("epoch", "file", "sha256", "log", "conditions")
"""Fields of the resume points of earlier versions, which had no seal."""


def read_tensors(folder: Path, name: str, digest: str) -> State:
    """Read the file ``name`` of a finished trajectory, a checkpoint or the optimiser.

    Raises:
        DamagedTrajectoryError: it is missing, or its bytes do not have the hex sha256 ``digest``.
        StoreError: reading it is not permitted.
    """
    try:
        return _read_tensors(folder, name, digest)
    except PermissionError as error:
        raise StoreError(refusal(folder, error)) from error
    except (OSError, ValueError) as error:
        raise DamagedTrajectoryError(damage(folder, f"{name}: {error}")) from error


def read_optimizer(folder: Path, manifest: Manifest) -> State:
    """Read the state of a finished training's optimiser.

    A file that is not what was written is a ``DamagedTrajectoryError``.

    Raises:
        StoreError: there is none.
    """
    if not manifest.optimizer:
        raise StoreError(
            f"{folder} has no {OPTIMIZER}, which a branch needs: an earlier version trained it and did not save it; "
            f"remove this folder, and the next run trains {manifest.recipe.name} seed {manifest.seed} again"
        )
    return read_tensors(folder, OPTIMIZER, manifest.optimizer)


@dataclass
class FolderSink:
    """Writes one training into its partial folder (see ``trajectories.sink.Sink``).

    Args:
        layout: the store.
        key: hex digest of recipe, seed and data.
        recipe: recipe of the training.
        seed: the training seed.
        conditions: conditions on which the bits depend besides recipe, seed and data, by name.
        environment: commit, versions and machine.
        watch: called after every epoch with (key, recipe, seed, record).
        at_once: returns how many trainings share this process at the moment.
    """

    layout: Layout
    key: str
    recipe: Recipe
    seed: int
    conditions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    watch: Watch | None = None
    at_once: Callable[[], int] = lambda: 1
    _digests: dict[int, str] = field(default_factory=dict, init=False)
    _optimizer: str = field(default="", init=False)
    _earlier: list[dict[str, str]] = field(default_factory=list, init=False)
    _beaten: float = field(default=-math.inf, init=False)
    _shared: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        with named_errors(self.layout.root):
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        """The partial folder."""
        return self.layout.partial(self.key)

    @property
    def environments(self) -> list[dict[str, str]]:
        """Environments of the training, in order; a resumption in another environment adds one."""
        return [*self._earlier, *([] if self.environment in self._earlier[-1:] else [self.environment])]

    def resume_point(self) -> ResumePoint | None:
        """Return the last saved resume point, if any, and report that the training begins.

        A resume point that cannot be read, or an earlier checkpoint that is not what was written, is a
        ``DamagedTrajectoryError``.

        Raises:
            StoreError: reading it is not permitted, or it was made under other conditions.
        """
        point = None
        try:
            # Not `exists`, because a dangling link is damage and not a training that has yet to begin.
            if os.path.lexists(self.folder / RESUME):
                record = unseal(read_file(self.folder / RESUME, LARGEST_DOCUMENT), _UNSEALED)
                point = self._read_point(record)
                self._compare(record.get("conditions", {}))
        except PermissionError as error:
            raise StoreError(refusal(self.folder, error)) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(f"{RESUME} is damaged ({type(error).__name__}: {error})") from error
        self._shared = [self.at_once()]
        # Before the first epoch there is no loss; a heartbeat shows NaN as "begun".
        last = point.log[-1] if point else EpochRecord(self.recipe.first_epoch, math.nan, math.nan, math.nan, None, 0.0)
        heartbeats.write_beat(self.layout.root, self._beat(last))
        return point

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep the checkpoint after ``epoch`` epochs.

        What cannot be written is a ``StoreError``.
        """
        content = tensor_bytes(state)
        self._digests[epoch] = hashlib.sha256(content).hexdigest()
        self._write(checkpoint_name(epoch), content)

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep the resume point; the previous one is removed when this one is complete.

        What cannot be written is a ``StoreError``.
        """
        tensors = {f"network:{name}": value for name, value in point.network.items()}
        tensors |= {f"optimizer:{name}": value for name, value in point.optimizer.items()}
        # First the tensors, then the document that names them, then removal of older ones. A training that is killed
        # anywhere between has one complete resume point.
        content = tensor_bytes(tensors)
        name = resume_name(point.epoch)
        self._write(name, content)
        record = {
            "epoch": point.epoch,
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "log": log_tables(point.log),
            "conditions": self.conditions,
            "checkpoints": {str(epoch): digest for epoch, digest in self._digests.items()},
            "environments": self.environments,
        }
        self._write(RESUME, seal(record))
        for older in list(self.folder.glob("resume-*.safetensors")):
            if older.name != name:
                remove(older)

    def keep_optimizer(self, tensors: State) -> None:
        """Keep the optimiser's tensors after the last epoch.

        What cannot be written is a ``StoreError``.
        """
        content = tensor_bytes(tensors)
        self._optimizer = hashlib.sha256(content).hexdigest()
        self._write(OPTIMIZER, content)

    def progress(self, record: EpochRecord) -> None:
        """Report a finished epoch to the watcher and, now and then, to other processes by a heartbeat."""
        self._shared.append(self.at_once())
        if self.watch:
            self.watch(self.key, self.recipe, self.seed, record)
        if time.monotonic() - self._beaten >= heartbeats.HEARTBEAT_SECONDS:
            self._beaten = time.monotonic()
            heartbeats.write_beat(self.layout.root, self._beat(record))

    def finish(self, target: Path, log: tuple[EpochRecord, ...], facts: dict[str, Any]) -> None:
        """Write the manifest and make the trajectory visible at ``target``.

        A checkpoint or an optimiser that is no longer what was written is a ``DamagedTrajectoryError``. A store that
        cannot be written is a ``StoreError``.

        Args:
            target: folder of the finished trajectory; it does not exist yet.
            log: one record for each epoch.
            facts: further facts for the manifest.
        """
        # Digests from the time of writing; digests of the present files would certify any damage.
        digests = {epoch: self._digests[epoch] for epoch in self.recipe.training.checkpoints}
        facts = facts | {"conditions": self.conditions, "environments": self.environments}
        if began := self._shared[:-1]:  # no epoch began after the last
            facts["at_once"] = statistics.median_low(began)
        manifest = Manifest(self.key, self.recipe, self.seed, log, digests, facts, self._optimizer)
        try:
            self._check(manifest.files)
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        with named_errors(self.layout.root):
            write_manifest(self.folder, manifest)
            os.replace(self.folder, target)
        sync_folder(target.parent)
        # Only now, because if the manifest had met a full disk, the next run would need the resume point.
        tidy(target)
        remove(self.layout.heartbeat(self.key))

    def _read_point(self, record: dict[str, Any]) -> ResumePoint:
        epoch = record["epoch"]
        if type(epoch) is not int or record["file"] != resume_name(epoch):
            raise ValueError(f"the file of epoch {epoch!r} is called {record['file']!r}")
        tensors = _read_tensors(self.folder, record["file"], read_digest(record["sha256"]))
        log = read_log(record["log"], self.recipe.first_epoch, epoch)
        before = [kept for kept in self.recipe.training.checkpoints if kept <= epoch]
        if "checkpoints" in record:
            self._digests = {kept: read_digest(record["checkpoints"][str(kept)]) for kept in before}
        else:  # an earlier version did not store digests
            self._digests = {kept: self._digest(checkpoint_name(kept)) for kept in before}
        self._check({checkpoint_name(kept): digest for kept, digest in self._digests.items()})
        self._earlier = list(record.get("environments", []))
        return ResumePoint(epoch, _part("network", tensors), _part("optimizer", tensors), log)

    def _check(self, files: dict[str, str]) -> None:
        """Refuse files that are not what was written.

        A file that cannot be read is an ``OSError``.

        Raises:
            ValueError: the bytes of a file differ.
        """
        for name, digest in files.items():
            if self._digest(name) != digest:
                raise ValueError(f"{name}: its bytes do not match the recorded sha256")

    def _digest(self, name: str) -> str:
        """Return the hex sha256 of a file on the disk."""
        return sha256_of(self.folder / name)

    def _compare(self, begun: dict[str, str]) -> None:
        """Refuse to continue a training under changed conditions.

        Raises:
            StoreError: conditions differ; the error names both.
        """
        if any(self.conditions.get(name) != value for name, value in begun.items()):
            raise StoreError(
                f"{self.recipe.name} seed {self.seed} was begun with {_listed(begun)}, but this run has "
                f"{_listed(self.conditions)}, which gives other bits; continue with the first conditions, or remove "
                f"{self.folder} to train it from its beginning"
            )

    def _damaged(self, what: str) -> DamagedTrajectoryError:
        mend = f"remove {self.folder} to train {self.recipe.name} seed {self.seed} from its beginning"
        return DamagedTrajectoryError(f"{self.folder}: {one_line(what)}; {mend}")

    def _write(self, name: str, content: bytes) -> None:
        with named_errors(self.layout.root):
            write_atomically(self.folder / name, content)

    def _beat(self, record: EpochRecord) -> heartbeats.Beat:
        done, epochs = (record.epoch, self.recipe.training.epochs)
        told = (record.train_loss, record.seconds)
        return heartbeats.Beat(self.key, self.recipe.name, self.seed, done, epochs, *told)


def _read_tensors(folder: Path, name: str, digest: str) -> State:
    content = read_file(folder / name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("its bytes do not match the recorded sha256")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a safetensors file: {error}") from error
    except KeyError as error:
        raise ValueError(f"it holds tensors of an unknown type, {error}") from error


def _listed(conditions: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in conditions.items())


def _part(part: str, tensors: State) -> State:
    """Return the tensors called ``part:name``, by name."""
    prefix = f"{part}:"
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def resume_epoch_in(partial: Path) -> int | None:
    """Return the epoch that the resume point in a folder names; None if it cannot be read at this moment."""
    try:
        return int(parse(read_file(partial / RESUME, LARGEST_DOCUMENT))["epoch"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
