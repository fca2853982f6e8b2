"""Checks of a new machine within a time limit: the most useful come first, and each part has its own limit."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.errors import FeatdynError, StoreError, TrainingError
from featdyn_core.files import read_text, write_atomically
from featdyn_core.launch.processes import OutOfTime, limited
from featdyn_core.launch.selfcheck import PRECISIONS, Kept, devices, lines, shortened, try_all
from featdyn_core.provenance import environment
from featdyn_core.training.loop import Job, train_many
from featdyn_core.training.steps import resolve_engine
from featdyn_core.training.timing import first_steps
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import EpochRecord

DONE, LATE = "done", "out of time"

STEPS = 100
"""Steps of the timed epoch; as many come before it, to capture steps and warm up the device."""

AT_ONCE = (1, 4, 8)
"""Numbers of trainings at once whose epochs are timed."""

SHORTEST = 1.0
"""Seconds; a part with less time does not start."""


@dataclass(frozen=True)
class Part:
    """One part of a rehearsal.

    Attributes:
        name: its name in the report.
        share: share of the remaining time that it may take.
        work: does the work and yields lines on the results.
        goes_on: whether a later call continues it, however it ended.
    """

    name: str
    share: float
    work: Callable[[], Iterable[object]]
    goes_on: bool = False


def go_through(parts: Sequence[Part], seconds: float, report: Path, say: Callable[[object], Any]) -> bool:
    """Do the parts in order until the time is up, and save the result of each in a report.

    Parts that an earlier call has done, according to the report, are not repeated. After a failed part the others still
    run. A report that cannot be read or written is a ``StoreError``.

    Args:
        parts: the parts, the most useful first.
        seconds: time for all parts.
        report: a JSON file, written after each part.
        say: takes each line.

    Returns:
        Whether no part failed.
    """
    ends, known = time.monotonic() + seconds, _read(report)
    for part in parts:
        if known.get(part.name, {}).get("ended") == DONE and not part.goes_on:
            say(f"{part.name}: done before")
            continue
        limit = part.share * (ends - time.monotonic())
        if limit < SHORTEST:
            say(f"{part.name}: no time is left; call again")
            continue
        say(f"{part.name}, at most {limit:.0f} s")
        known[part.name] = _done(part, limit, say)
        say(f"{part.name}: {known[part.name]['ended']}, {known[part.name]['seconds']:.1f} s")
        _write(report, known)
    return not any(entry["ended"] not in (DONE, LATE) for entry in known.values())


def _done(part: Part, limit: float, say: Callable[[object], Any]) -> dict[str, Any]:
    """Do one part; return how it ended, its seconds, its lines and the environment."""
    started, ended, told = time.monotonic(), DONE, list[str]()
    try:
        with limited(limit):
            for line in part.work():
                told.append(str(line))
                say(f"  {line}")
    except OutOfTime:
        ended = LATE
    except (FeatdynError, RuntimeError, OSError) as error:
        ended = f"failed: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
    seconds = round(time.monotonic() - started, 1)
    return {"ended": ended, "seconds": seconds, "lines": told, "environment": environment()}


def _read(report: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(read_text(report))) if report.exists() else {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{report} is not a report of a rehearsal ({error}); remove it, or name another") from error


def _write(report: Path, known: dict[str, Any]) -> None:
    try:
        write_atomically(report, json.dumps(known, indent=1).encode())
    except OSError as error:
        raise StoreError(f"{report} cannot be written ({error.strerror or error}); name another") from error


# Parts


def machine() -> Iterator[str]:
    """Describe the machine.

    Yields:
        A line for each library and device.
    """
    for name, value in environment().items():
        yield f"{name} {value}"
    yield f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    for device in devices()[1:]:
        facts = torch.cuda.get_device_properties(device)
        yield f"{device} {facts.name}, {facts.total_memory / 2**30:.0f} GiB"


def command(*words: str, folder: Path, accepted: Collection[int] = (0,)) -> Iterator[str]:
    """Run a Python module in a process, which ends when the time limit does.

    Args:
        words: the module and its arguments.
        folder: the working directory.
        accepted: exit statuses of a module that did its work.

    Yields:
        The last line that it printed.

    Raises:
        FeatdynError: it has another exit status.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed = process.communicate()[0].strip().splitlines()
        except BaseException:
            process.terminate()
            raise
    last = printed[-1] if printed else "nothing was printed"
    yield last
    if process.returncode not in accepted:
        raise FeatdynError(f"{words[0]} ended with status {process.returncode}: {last}")


def speeds(recipe: Recipe, device: torch.device, engine: str = "auto") -> Iterator[str]:
    """Time epochs of a recipe, of several trainings at once and in both precisions.

    If nothing could be timed, the last ``TrainingError`` is raised.

    Yields:
        A line for each, with its seconds or the error that ended it, such as lack of memory.
    """
    timed, failures = 0, list[TrainingError]()
    dataset = load_dataset(recipe.data.set, subset=recipe.data.subset)
    for precision, count in itertools.product(PRECISIONS, AT_ONCE if device.type == "cuda" else (1,)):
        title = f"{recipe.name} {precision}, {count} at once"
        try:
            seconds = epoch_of_each(recipe, dataset, precision, count, device, engine)
        except TrainingError as error:
            failures.append(error)
            yield f"{title}: {error}"
        else:
            timed += 1
            yield f"{title}: {seconds:.3g} s an epoch of each"
    if not timed:
        raise failures[-1]


@dataclass
class _Timed(Kept):
    """A sink that notes when each epoch ended."""

    ended: dict[int, float] = field(default_factory=dict)

    def progress(self, record: EpochRecord) -> None:
        self.ended[record.epoch] = time.monotonic()


def epoch_of_each(
    recipe: Recipe, dataset: Dataset, precision: str, count: int, device: torch.device, engine: str = "auto"
) -> float:
    """Return the seconds per epoch of several trainings at once, divided by their number, estimated from some steps.

    An error that ends one of them, such as lack of memory, is raised as it is.
    """
    few, short = first_steps(recipe, dataset, STEPS), shortened(recipe, 2, precision)
    sinks = [_Timed() for _ in range(count)]
    jobs = [Job(short, seed, few, sink) for seed, sink in enumerate(sinks)]
    for _, outcome in train_many(jobs, device=device, engine=resolve_engine(engine, device)):
        if isinstance(outcome, FeatdynError):
            raise outcome
    first, second = (max(sink.ended[epoch] for sink in sinks) for epoch in (1, 2))
    return (second - first) / count * len(dataset.train_labels) / len(few.train_labels)


def agreement(recipe: Recipe) -> Iterator[str]:
    """Compare engines, precisions and devices (see ``selfcheck``).

    Yields:
        The rows of a table.

    Raises:
        FeatdynError: a way to train does not agree with plain steps.
    """
    ways = list(try_all(recipe))
    yield from lines(ways)
    wrong = [f"{way.engine} on {way.device} in {way.precision}" for way in ways if not way.agrees]
    if wrong:
        raise FeatdynError(f"these ways do not agree with plain steps: {', '.join(wrong)}")
