"""Progress reports of trainers and composite grids, in files of the store's ``progress`` folder.

Progress never causes an error: a report that cannot be written is skipped, and one that cannot be read is ignored.
"""

import contextlib
import math
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from featdyn_core.errors import RecipeError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, read_text, write_atomically
from featdyn_core.store.documents import dump, parse
from featdyn_core.store.layout import Layout, abandoned, remove, sweep
from featdyn_core.store.locks import is_held
from featdyn_core.tables import build, fields

HEARTBEAT_SECONDS = 2.0
"""Shortest time between two heartbeats of a trainer; each waits some milliseconds for the disk."""

STALE_SECONDS = 120.0
"""A heartbeat older than this plus two epochs belongs to a trainer that is gone or stopped."""

GRID_SECONDS = 5.0
"""Shortest time between two reports on a composite grid."""


@dataclass(frozen=True)
class Beat:
    """The last heartbeat of a trainer: its trajectory, progress, speed and process.

    Attributes:
        key: hex digest of recipe, seed and data.
        recipe: its name.
        seed: the training seed.
        epoch: epochs trained.
        epochs: epochs to be trained.
        train_loss: training loss of the last epoch, in nats; NaN before the first.
        seconds_per_epoch: duration of the last epoch.
        time: time of the heartbeat, in seconds since 1970.
        process: the trainer's id, on ``host``.
        host: name of the trainer's machine.
    """

    key: str
    recipe: str
    seed: int
    epoch: int
    epochs: int
    train_loss: float
    seconds_per_epoch: float
    # The wall clock, although it may be reset: other machines read this, and a monotonic clock means nothing there.
    time: float = field(default_factory=time.time)
    process: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    def __str__(self) -> str:
        if self.silent:
            return f"waiting for {self.silence}: {self.recipe} seed {self.seed}, epoch {self.epoch}/{self.epochs}"
        if math.isnan(self.train_loss):
            return f"training {self.recipe} seed {self.seed}: begun, {self.epochs} epochs"
        left = (self.epochs - self.epoch) * self.seconds_per_epoch
        rate = f"{1 / self.seconds_per_epoch:.2g} epochs/s" if self.seconds_per_epoch else "-"
        return (
            f"training {self.recipe} seed {self.seed}: epoch {self.epoch}/{self.epochs}, "
            f"loss {self.train_loss:.4f}, {rate}, {left:.0f} s left"
        )

    @property
    def silent(self) -> bool:
        """Whether the trainer has been silent for so long that it is gone or stopped."""
        return self.age >= self.patience

    @property
    def age(self) -> float:
        """Seconds since the heartbeat, by this machine's clock; negative if the trainer's clock is ahead."""
        return time.time() - self.time

    @property
    def patience(self) -> float:
        """Seconds for which a trainer may be silent."""
        return STALE_SECONDS + 2 * self.seconds_per_epoch

    @property
    def silence(self) -> str:
        """Which process is silent, and for how long."""
        return f"pid {self.process} on {self.host}, silent for {self.age:.0f} s"


def write_beat(root: Path, beat: Beat) -> None:
    """Write a heartbeat into the store at ``root``."""
    path = Layout(root).heartbeat(beat.key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, dump({name: value for name, value in asdict(beat).items() if name != "key"}))


def read_beat(path: Path) -> Beat | None:
    """Return the heartbeat in a file; None if it has just been removed, or is not a heartbeat."""
    try:
        content = parse(read_file(path, LARGEST_DOCUMENT))
        # All of them, because the default of a missing one is this process.
        given = {name: content[name] for name in fields(Beat) if name != "key"}
        # JSON has no NaN.
        if given["train_loss"] is None:
            given["train_loss"] = math.nan
        float(given["epoch"] + given["epochs"])  # integers too large for arithmetic overflow
        return build(Beat, given, "the heartbeat", key=path.stem)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecipeError):
        return None


def read_beats(root: Path) -> list[Beat]:
    """Return the heartbeats of all trainers that work in the store at ``root``.

    A silent trainer is left out, unless it still holds its trajectory, since others then wait for it. The same is true
    of a trainer whose clock is ahead of this one, because its silence cannot be judged.
    """
    layout = Layout(root)
    beats = [beat for path in _listed(root, "*.json") if (beat := read_beat(path))]
    return [beat for beat in beats if 0 <= beat.age < beat.patience or is_held(layout.lock(beat.key))]


def sweep_progress(root: Path) -> None:
    """Remove what killed processes left in the ``progress`` folder: half-written files, and reports on grids."""
    # Heartbeats stay; each is removed when its training is resumed and finished.
    sweep(root / "progress")
    with contextlib.suppress(OSError):
        for path in abandoned(_listed(root, "*.grid")):
            remove(path)


@contextlib.contextmanager
def grid_beats(root: Path, what: str) -> Iterator[Callable[[int, int], None]]:
    """Report the progress of the composite grid of ``what`` in the store at ``root``.

    Yields:
        The function for ``composite_grid(progress=...)``.
    """
    writer = f"{socket.gethostname()[:16]}-{secrets.token_hex(6)}"  # a process id is not unique across containers
    path = root / "progress" / f"{what.replace(' ', '-')}-{writer}.grid"
    started = beaten = time.monotonic()

    def beat(done: int, total: int) -> None:
        nonlocal started, beaten
        now = time.monotonic()
        if now - beaten >= GRID_SECONDS:
            rate = done / (now - started)
            line = f"measuring {what}: {done}/{total} composites, {rate:.3g} composites/s"
            left = f"{(total - done) / rate:.0f} s left" if rate else "-"
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, f"{line}, {left}".encode())
            beaten = now
        # A record may need several grids, and each has its own rate.
        if done == total:
            started = now

    try:
        yield beat
    finally:
        remove(path)


def read_grid_beats(root: Path) -> dict[str, str]:
    """Return the reports on running grids, by file name.

    Reports from the future are left out: a clock that is ahead would make a process that died an hour ago look alive.
    """
    lines = {}
    for path in _listed(root, "*.grid"):
        with contextlib.suppress(OSError, ValueError):  # just removed, or not text
            if 0 <= time.time() - path.stat().st_mtime < STALE_SECONDS:
                lines[path.name] = read_text(path)
    return lines


def _listed(root: Path, pattern: str) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted((root / "progress").glob(pattern))
    return []
