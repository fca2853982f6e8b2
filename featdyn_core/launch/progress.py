"""What the trainers of a store and a composite grid are doing, for a person who waits.

Trainers may be other processes, whose output nobody sees; each writes its progress into the store, and this
module reads it from there.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from featdyn_core.files import write_atomically

STALE_SECONDS = 120.0
"""A heartbeat older than this belongs to a trainer that is gone."""

GRID_SECONDS = 5.0
"""Least time between two words on a composite grid."""


@dataclass(frozen=True)
class Beat:
    """One trainer's last word: which trajectory, how far, how fast."""

    key: str
    recipe: str
    seed: int
    epoch: int
    epochs: int
    train_loss: float
    seconds_per_epoch: float
    time: float

    def __str__(self) -> str:
        left = (self.epochs - self.epoch) * self.seconds_per_epoch
        rate = f"{1 / self.seconds_per_epoch:.2g} epochs/s" if self.seconds_per_epoch else "-"
        return (
            f"training {self.recipe} seed {self.seed}: epoch {self.epoch}/{self.epochs}, "
            f"loss {self.train_loss:.4f}, {rate}, {left:.0f} s left"
        )


def read_beats(root: Path) -> list[Beat]:
    """Return the heartbeats of all trainers at work in the store at ``root``."""
    beats = []
    names = [name for name in Beat.__annotations__ if name != "key"]
    for path in sorted((root / "progress").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            beat = Beat(key=path.stem, **{name: content[name] for name in names})
            age = time.time() - beat.time
        except (OSError, ValueError, KeyError, TypeError):
            continue  # removed at this moment, or no heartbeat
        if age < STALE_SECONDS + 2 * beat.seconds_per_epoch:
            beats.append(beat)
    return beats


@contextlib.contextmanager
def grid_beats(root: Path, claim: str, subject: str) -> Iterator[Callable[[int, int], None]]:
    """Tell those who watch the store at ``root`` how far a claim's composite grids are.

    Yields:
        What ``composite_grid(progress=...)`` takes. Each grid of the claim begins anew.
    """
    path = root / "progress" / f"{claim}-{subject}-{os.getpid()}.grid"
    started = beaten = time.monotonic()

    def beat(done: int, total: int) -> None:
        nonlocal started, beaten
        now = time.monotonic()
        if now - beaten >= GRID_SECONDS:
            rate = done / (now - started)
            line = f"measuring {claim} on {subject}: {done}/{total} composites of a grid, {rate:.3g} composites/s"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, f"{line}, {(total - done) / rate:.0f} s left".encode())
            beaten = now
        if done == total:
            started = now

    try:
        yield beat
    finally:
        path.unlink(missing_ok=True)


def read_grid_beats(root: Path) -> dict[str, str]:
    """Return what claims that are being measured say of their composite grids, by file name."""
    lines = {}
    for path in sorted((root / "progress").glob("*.grid")):
        with contextlib.suppress(OSError):  # removed at this moment
            if time.time() - path.stat().st_mtime < STALE_SECONDS:
                lines[path.name] = path.read_text(encoding="utf-8")
    return lines


class Watcher(threading.Thread):
    """Writes a line for each trainer and each claim's grid that got on, at most every ``interval`` seconds.

    Args:
        root: the store.
        write: takes one line of text.
        interval: seconds.
        skip: keys of trajectories to say nothing of.
    """

    def __init__(
        self, root: Path, write: Callable[[str], None], interval: float = 5.0, skip: Collection[str] = ()
    ) -> None:
        super().__init__(name="featdyn-progress", daemon=True)
        self.root, self.write, self.interval, self.skip = root, write, interval, skip
        self.finished = threading.Event()
        self.shown: dict[str, int | str] = {}

    def run(self) -> None:
        """Watch until ``stop`` is called."""
        while not self.finished.wait(self.interval):
            for beat in read_beats(self.root):
                if beat.key not in self.skip and self.shown.get(beat.key) != beat.epoch:
                    self.shown[beat.key] = beat.epoch
                    self.write(str(beat))
            for name, line in read_grid_beats(self.root).items():
                if self.shown.get(name) != line:
                    self.shown[name] = line
                    self.write(line)

    def stop(self) -> None:
        """Stop watching."""
        self.finished.set()
        self.join()


class _Rate(ProgressColumn):
    """Steps a second, to three figures."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate, or a dash until two steps were taken."""
        return Text(f"{task.speed:.3g} {self.unit}/s" if task.speed else f"- {self.unit}/s")


def bars(unit: str, console: Console | None = None, *, disable: bool = False) -> Progress:
    """Return rich's progress bars with steps done, their rate in ``unit`` a second and the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    # A step may take minutes, longer than rich remembers one unless told to.
    return Progress(*columns, console=console, disable=disable, speed_estimate_period=float("inf"))


@contextlib.contextmanager
def grid_progress(title: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with composites done, their rate and the time left, for ``composite_grid(progress=...)``.

    Away from a terminal only its last state is printed.

    Example:
        >>> with grid_progress("memory") as report:
        ...     grid = composite_grid(..., progress=report)

    Args:
        title: stands before the bar.
        console: where to show it; the standard output if left out.
    """
    with bars("composites", console) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
