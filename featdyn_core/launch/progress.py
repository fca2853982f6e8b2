"""What the trainers of a store and a composite grid are doing, for a person who waits.

Trainers may be other processes, whose output nobody sees; each writes its progress into the store, and this
module reads it from there.
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
"""Least time between two words on a trainer that says nothing any more."""


class Watcher(threading.Thread):
    """Writes a line for each trainer and each claim's grid that got on, at most every ``interval`` seconds.

    A trainer that is waited for and says nothing any more has a line now and then, with its process and machine.

    Args:
        root: the store.
        write: takes one line of text.
        interval: seconds.
        skip: keys of trajectories to say nothing of.
        beats: takes the word of a trainer that is at work, in place of the line.
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
                    # Shown is whatever has changed: by its age in such units a silent trainer has a line now and then.
                    age = int((time.time() - beat.time) / SILENCE_SECONDS) if beat.silent else None
                    self._show(beat.key, (beat.epoch, age), str(beat))
            for name, line in read_grid_beats(self.root).items():
                self._show(name, line, line)

    def _show(self, name: str, state: object, line: str) -> None:
        """Write a line if there is something new to say."""
        if self.shown.get(name) != state:
            self.shown[name] = state
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more: no reason to stop
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
    # Without mark-up: brackets in a title are no colours.
    told = TextColumn("{task.description}", markup=False)
    columns = (told, BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    # A step may take minutes, longer than rich remembers one unless told to.
    return Progress(*columns, console=console, disable=disable, speed_estimate_period=float("inf"))


@contextlib.contextmanager
def progress(title: str, unit: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with steps done, their rate in ``unit`` a second and the time left.

    Away from a terminal only its last state is printed.

    Args:
        title: stands before the bar.
        unit: what a step is, in the plural.
        console: where to show it; the standard output if left out.

    Yields:
        What takes the steps done and their total.
    """
    with bars(unit, console) as shown:
        task = shown.add_task(title, total=None)  # the first report tells it
        yield lambda done, total: shown.update(task, completed=done, total=total)


def grid_progress(
    title: str, console: Console | None = None
) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
    """Show a bar with composites done, their rate and the time left, for ``composite_grid(progress=...)``.

    Away from a terminal only its last state is printed.

    Example:
        >>> with grid_progress("memory") as report:
        ...     grid = composite_grid(..., progress=report)

    Args:
        title: stands before the bar.
        console: where to show it; the standard output if left out.

    Returns:
        A context of what ``composite_grid`` reports to, which takes the composites done and their total.
    """
    return progress(title, "composites", console)
