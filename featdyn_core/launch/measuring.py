"""Measure a plan's missing records in several processes, and publish records."""

import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from featdyn_core.errors import (
    AbsentDataError,
    DamagedRecordError,
    FeatdynError,
    MissingRecordError,
    MissingTrajectoryError,
)
from featdyn_core.launch.processes import Pace, Spread, spread
from featdyn_core.launch.progress import Watcher
from featdyn_core.records.kind import ALL
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.store.advice import absence, advice
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.published import PublishedRecords, publish
from featdyn_core.store.records import Record
from featdyn_core.store.supply import Store

Result = TypeVar("Result")

PROGRESS_SECONDS = 30.0
"""Shortest time between two lines on a record that is being measured."""


@dataclass(frozen=True)
class Place:
    """Where to measure: the options of a store, which each process opens for itself."""

    root: Path
    device: str

    def measurements(self, *, measure: bool = True) -> Measurements:
        """Open the store's records."""
        return _opened(self.root, self.device, measure)


@functools.cache
def _opened(root: Path, device: str, measure: bool) -> Measurements:
    return Measurements(Store(root, device=device, download=False), train=False, measure=measure)


def spread_by_device(
    work: Callable[[Sequence[Request]], Any], groups: Sequence[Sequence[Request]], *, jobs: int
) -> Iterator[tuple[Sequence[Request], Any]]:
    """Measure on the GPU in this process, and then on the CPU in ``jobs`` processes.

    Yields:
        A group of requests, with its result or the error that ended it.
    """
    parts: dict[bool, list[Sequence[Request]]] = {True: [], False: []}
    for group in groups:
        parts[KINDS[group[0].kind].on_cpu == ALL].append(group)
    on_cpu = parts[True]
    yield from spread(work, parts[False], jobs=1)
    if on_cpu:
        yield from spread(work, on_cpu, jobs=min(jobs, len(on_cpu)))


def say_all(lines: Generator[str, None, Result], say: Callable[[str], Any]) -> Result:
    """Hand each line to ``say`` as soon as there is one; return what the generator returns."""
    while True:
        try:
            line = next(lines)
        except StopIteration as ended:
            result: Result = ended.value
            return result
        say(line)


def measure_missing(
    place: Place, requests: Sequence[Request], spread: Spread, say: Callable[[str], Any]
) -> Generator[str, None, int]:
    """Measure missing records whose trajectories are in the store.

    Args:
        place: where to measure.
        requests: the records.
        spread: does the work, in processes or on a cluster.
        say: takes a line now and then on a long measurement under way.

    Yields:
        How many records there are, and then a line for each that was measured, failed or cannot be measured.

    Returns:
        How many records are missing afterwards.
    """
    measurements = place.measurements()
    here, ready, lacking = 0, [], []
    for request in requests:
        try:
            if not measurements.missing([request]):
                here += 1
            elif _trained(measurements.store, request):
                ready.append(request)
            else:
                lacking.append((request, _lack(request, measurements.store.root)))
        except FeatdynError as error:  # it concerns one data set or record; the others are still measured
            lacking.append((request, str(error)))
    yield f"{len(requests)} records: {here} here, {len(ready)} to be measured"
    pace, failed = Pace(len(ready)), 0
    with Watcher(place.root, say, PROGRESS_SECONDS):
        for group, outcome in spread(functools.partial(_measure, place), _grouped(ready)):
            broken = isinstance(outcome, FeatdynError)
            failed += broken * len(group)
            several = f" and {len(group) - 1} more together" if len(group) > 1 else ""
            yield f"{group[0]}{several}: {outcome if broken else f'{outcome:.1f} s'} ({pace.step(len(group))})"
    for request, reason in lacking:
        yield f"{request}: {reason}"
    return failed + len(lacking)


def _lack(request: Request, root: Path) -> str:
    if request.recipe.adopted:
        return absence(request.recipe, request.seed, root)
    return f"its trajectory is missing; train it with: {advice('train', request.recipe, request.seeds, root)}"


def publish_records(
    place: Place, requests: Sequence[Request], folder: Path, tell: Callable[[str], object]
) -> tuple[int, int]:
    """Write local records into a folder of published ones; return how many were published, and how many are missing.

    Each record is requested as a claim reads it, not merged with the requests of other claims, so that a plan that has
    grown keeps the existing part. Records that were published before and are not here stay, so that several machines
    can measure for one folder. Data that cannot be obtained are reported once.

    A record that is not what was written, here or there, is a ``DamagedRecordError``. A folder that cannot be written
    is a ``StoreError``.

    Raises:
        DamagedRecordError: published records would be lost, because a newer version wrote them, or because their
            manifest cannot be read and not all records are here.
    """
    measurements, before = place.measurements(measure=False), PublishedRecords(folder)
    found: dict[str, Record] = {}
    absent: dict[str, None] = {}
    lacking = 0
    if before.newer:
        raise DamagedRecordError(
            f"{folder} holds records of a newer version of featdyn, which would be lost; publish with that version"
        )

    def kept(request: Request) -> Record | None:
        facts = before.find(request)
        return None if facts is None else before.read(facts)

    for request in requests:
        try:
            record: Record | None = measurements.get(request)
        except AbsentDataError as error:
            absent[str(error)] = None
            record = kept(request)
        except (MissingRecordError, MissingTrajectoryError):
            record = kept(request)
        if record is None:
            lacking += 1
        else:
            found[record.facts["file"]] = record
    for reason in absent:
        tell(reason)
    if found:
        publish(folder, list(found.values()))
    return len(found), lacking


def _trained(store: Store, request: Request) -> bool:
    return all(store.status(request.recipe, seed) == "complete" for seed in request.seeds)


def _grouped(requests: Sequence[Request]) -> list[list[Request]]:
    """Return requests in their order, grouped by what is measured together."""
    groups: list[list[Request]] = []
    alike: dict[tuple[tuple[str, str], int, str], list[list[Request]]] = {}  # those of one training and kind
    for request in requests:
        near = alike.setdefault((request.recipe.identity, request.seed, request.kind), [])
        group = next((group for group in near if all(map(request.together, group))), None)
        if group is None:
            group = []
            near.append(group)
            groups.append(group)
        group.append(request)
    return groups


def _measure(place: Place, group: Sequence[Request]) -> float:
    """Measure records together in this process; return the seconds it took."""
    measurements = place.measurements()
    return sum(float(measurements.get(request, group).facts["seconds"]) for request in group)
