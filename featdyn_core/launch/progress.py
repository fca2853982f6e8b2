"""Progress of the trainers of a store and of composite grids.

Trainers may be other processes, whose output nobody sees. Each writes its progress into the store, and this module
reads it there.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from featdyn_core.store.heartbeats import Beat, read_beats, read_grid_beats

SILENCE_SECONDS = 60.0
"""Shortest time between two lines on a trainer that has gone silent."""


class Watcher(threading.Thread):
    """Writes a line for each trainer and each claim's grid that made progress, at most every ``interval`` seconds.

    A trainer that has gone silent gets a line now and then, with its process and machine.

    Args:
        root: the store.
        write: takes one line of text.
        interval: seconds.
        skip: keys of trajectories that get no line.
        beats: takes the heartbeat of a working trainer instead of a line.
    """

    def __init__(
        self,
        root: Path,
        write: Callable[[str], None],
        interval: float = 5.0,
        skip: Collection[str] = (),
        beats: Callable[[Beat], None] | None = None,
    ) -> None:
        super().__init__(name="featdyn-progress", daemon=True)  # an error in the main thread must end the process
        self.root, self.write, self.interval, self.skip, self.beats = root, write, interval, skip, beats
        self.finished = threading.Event()
        self.shown: dict[str, object] = {}

    def run(self) -> None:
        """Watch until ``stop`` is called."""
        while not self.finished.wait(self.interval):
            for beat in read_beats(self.root):
                if self.beats and not beat.silent:
                    self.beats(beat)
                elif beat.key not in self.skip:
                    # A line is written when the state changes; for a silent trainer, its age in these units changes it.
                    age = int((time.time() - beat.time) / SILENCE_SECONDS) if beat.silent else None
                    self._show(beat.key, (beat.epoch, age), str(beat))
            for name, line in read_grid_beats(self.root).items():
                self._show(name, line, line)

    def _show(self, name: str, state: object, line: str) -> None:
        """Write a line if the state has changed."""
        if self.shown.get(name) != state:
            self.shown[name] = state
            with contextlib.suppress(OSError, ValueError):  # the reader is gone, which is no reason to stop
                self.write(line)

    def stop(self) -> None:
        """Stop watching."""
        self.finished.set()
        self.join()

    def __enter__(self) -> "Watcher":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Rate(ProgressColumn):
    """Steps per second, to three figures; a task whose steps are others has a field ``unit``."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate, or a dash before the second step."""
        return Text(f"{f'{task.speed:.3g}' if task.speed else '-'} {task.fields.get('unit', self.unit)}/s")


def bars(unit: str, console: Console | None = None, *, disable: bool = False) -> Progress:
    """Return rich's progress bars with steps done, their rate in ``unit`` per second and the time left."""
    # Without mark-up, because brackets in a title are not colours.
    told = TextColumn("{task.description}", markup=False)
    columns = (told, BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    # A step may take minutes, longer than rich remembers by default.
    return Progress(*columns, console=console, disable=disable, speed_estimate_period=float("inf"))


@contextlib.contextmanager
def progress(title: str, unit: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with steps done, their rate in ``unit`` per second and the time left.

    If the output is not a terminal, only the last state is printed.

    Args:
        title: text before the bar.
        unit: name of the steps, in the plural.
        console: where to show the bar; the standard output if left out.

    Yields:
        A function that takes the steps done and their total.
    """
    with bars(unit, console) as shown:
        task = shown.add_task(title, total=None)  # the first report gives it
        yield lambda done, total: shown.update(task, completed=done, total=total)


def grid_progress(
    title: str, console: Console | None = None
) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
    """Show a bar with composites done, their rate and the time left, for ``composite_grid(progress=...)``.

    If the output is not a terminal, only the last state is printed.

    Example:
        >>> with grid_progress("memory") as report:
        ...     grid = composite_grid(..., progress=report)

    Args:
        title: text before the bar.
        console: where to show the bar; the standard output if left out.

    Returns:
        A context manager of the function that ``composite_grid`` calls with the composites done and their total.
    """
    return progress(title, "composites", console)
