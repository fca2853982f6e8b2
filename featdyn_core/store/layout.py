"""Names and places of the store's folders and files, without their contents.

Layout of the store's folder::

    <recipe name>-<seed>-<key, 12 digits>/   a finished trajectory: manifest.json, epoch-NNNN.safetensors,
                                             optimizer.safetensors (not in those of earlier versions)
    partial/<key>/                           an unfinished one: checkpoints so far, resume point
    incoming/<key>/                          one that is being fetched from a remote store
    progress/<key>.json                      the last heartbeat of its trainer
    jobs/                                    scripts and logs of a cluster's jobs
    locks/<key>.lock                         held by the one process that trains it
    locks/record-<identity, 32 digits>.lock  held by the process that measures it
    data-digests.json                        digests of image sets, written under locks/data-digests.lock
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from featdyn_core.errors import StoreError
from featdyn_core.files import FULL_DISK, HALF_WRITTEN, temporary_name
from featdyn_core.store.listing import Listing

MANIFEST = "manifest.json"
RESUME = "resume.json"
OPTIMIZER = "optimizer.safetensors"

_FINISHED = re.compile(r".+-[0-9]+-[0-9a-f]{12}", re.DOTALL)

ABANDONED_SECONDS = 3600.0
"""A half-written file that is older than this has lost its writer; files are written in seconds."""


def checkpoint_name(epoch: int) -> str:
    """File name of the checkpoint after ``epoch`` epochs."""
    return f"epoch-{epoch:04d}.safetensors"


def resume_name(epoch: int) -> str:
    """File name of the tensors of the resume point after ``epoch`` epochs."""
    return f"resume-{epoch:04d}.safetensors"


def _key_of(folder: str) -> str:
    """Return the digits of a key that the name of a finished trajectory ends with."""
    return folder.rpartition("-")[2]


@dataclass(frozen=True)
class Layout:
    """Places in the store at ``root``."""

    root: Path
    _folders: Listing = field(default_factory=lambda: Listing(_key_of), init=False, repr=False, compare=False)

    def partial(self, key: str) -> Path:
        """Folder of an unfinished trajectory."""
        return self.root / "partial" / key

    def incoming(self, key: str) -> Path:
        """Folder of a trajectory that is being fetched from a remote store."""
        return self.root / "incoming" / key

    def heartbeat(self, key: str) -> Path:
        """File with a trainer's last heartbeat."""
        return self.root / "progress" / f"{key}.json"

    def lock(self, key: str) -> Path:
        """File that the one trainer of a trajectory holds locked."""
        return self.root / "locks" / f"{key}.lock"

    def finished(self, name: str, seed: int, key: str) -> Path:
        """Folder of a finished or future trajectory; one that was trained under another name is found too."""
        own = self.root / f"{name}-{seed}-{key[:12]}"
        if os.path.isdir(own):
            return own
        others = map(self.root.joinpath, self._folders.of(self.root).groups.get(key[:12], ()))
        return next(filter(os.path.isdir, others), own)

    def trajectories(self) -> list[Path]:
        """Folders of finished trajectories, recognised by their name or by the manifest in them."""
        found = sorted(path for path in self.root.glob("*") if path.is_dir())
        return [path for path in found if _FINISHED.fullmatch(path.name) or os.path.lexists(path / MANIFEST)]

    def prepare(self, key: str, target: Path) -> None:
        """Make the partial folder of a training, and try the final renaming now.

        Raises:
            StoreError: the finished trajectory could not be moved to ``target``.
            OSError: the store cannot be written.
        """
        partial = self.partial(key)
        partial.mkdir(parents=True, exist_ok=True)
        sweep(partial, every_writer=True)  # the caller holds the lock, so nobody else writes here
        sweep(self.root, ".probe.*")
        # Otherwise the last renaming would find these faults after hours of training.
        if target.parent != self.root or not _can_be_made(target):
            raise StoreError(f"the folder {target} of this trajectory cannot be made; give its recipe another name")
        # Named like a half-written file, so that `sweep` removes it if this process is killed first.
        probe = temporary_name(self.root / "probe").name
        (partial / probe).touch()
        try:
            (partial / probe).replace(self.root / probe)
            (self.root / probe).unlink()
        except OSError as error:
            with contextlib.suppress(OSError):
                (partial / probe).unlink()
            if error.errno != errno.EXDEV:
                raise
            raise StoreError(
                f"{partial.parent} is on another file system than the store {self.root}, so finished trainings "
                "cannot be moved into the store; put both on one file system"
            ) from error


def _can_be_made(target: Path) -> bool:
    """Whether a folder may be moved there; nothing is there yet."""
    try:
        target.lstat()
    except (OSError, ValueError) as error:
        # The renaming will meet any other error too, such as a name that is too long.
        return isinstance(error, FileNotFoundError)
    return False


def sweep(folder: Path, pattern: str = "*", *, every_writer: bool = False) -> None:
    """Remove half-written files of killed writers; a folder that cannot be written stays as it is.

    They are recognised by their age alone, because processes of other machines or containers cannot be checked. Their
    age is by the clock of the folder's file system: that of a file server may differ from this machine's.

    Args:
        folder: folder to clean.
        pattern: names to consider.
        every_writer: whether to remove young files too, if the caller knows that nobody writes.
    """
    with contextlib.suppress(OSError):
        found = [path for path in folder.glob(pattern) if HALF_WRITTEN.fullmatch(path.name)]
        for path in found if every_writer else abandoned(found):
            remove(path)


def tidy(folder: Path) -> None:
    """Remove from a finished trajectory what only its training needed; a killed trainer may have left it."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            # Of any age, because nobody writes into a finished trajectory.
            if path.name == RESUME or path.name.startswith("resume-") or HALF_WRITTEN.fullmatch(path.name):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file that nobody needs, if it is there and may be removed."""
    with contextlib.suppress(OSError):
        path.unlink()


def abandoned(paths: Sequence[Path]) -> list[Path]:
    """Return the files of one folder that nobody has written to for a long time, by the clock of its file system.

    A folder in which that clock cannot be read is an ``OSError``.
    """
    if not paths:
        return []
    probe = temporary_name(paths[0].with_name("clock"))
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
    finally:
        remove(probe)
    return [path for path in paths if now - _written(path, now) >= ABANDONED_SECONDS]


def _written(path: Path, now: float) -> float:
    """When a file was written; now if it is gone."""
    with contextlib.suppress(OSError):
        return path.lstat().st_mtime
    return now


@contextlib.contextmanager
def named_errors(root: Path) -> Iterator[None]:
    """Turn the operating system's errors into one that names the store at ``root`` and the mend.

    Raises:
        StoreError: the disk is full, or the store cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            message = f"no space left for the store {root}; free some, and the next run continues from here"
        else:
            reason = f"{error.strerror or error}{_place(root, error.filename)}"
            message = f"the store {root} cannot be written ({reason}); set FEATDYN_STORE to a folder that can"
        raise StoreError(message) from error


def _place(root: Path, name: object) -> str:
    """Return the store's folder that an error is about, in the same words for every trajectory."""
    if not isinstance(name, str) or not Path(name).is_relative_to(root):
        return ""
    return "".join(f": {part}" for part in Path(name).relative_to(root).parts[:1])
