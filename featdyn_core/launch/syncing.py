"""Send a plan's trajectories and records to a remote store, or fetch them from it, one after the other."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from featdyn_core.errors import FeatdynError, MissingRecordError, MissingTrajectoryError
from featdyn_core.records.request import Request
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.remote import Remote
from featdyn_core.store.sync import Moved, pull_record, pull_trajectory, push_record, push_trajectory
from featdyn_core.trajectories.training import Training

Say = Callable[[str], Any]


def push(
    measurements: Measurements, remote: Remote, trainings: Sequence[Training], wanted: Sequence[Request], say: Say
) -> int:
    """Send the local part of a plan; return how many items failed.

    A place that cannot hold a remote store is a ``StoreError``.

    Args:
        measurements: records of the store; nothing is trained or measured.
        remote: the remote store.
        trainings: trainings of the trajectories.
        wanted: the records.
        say: takes a line for each item.
    """
    store = measurements.store
    remote.check_place()
    steps = [
        (str(training), lambda training=training: push_trajectory(store, remote, *training)) for training in trainings
    ]
    steps += [
        (str(request), lambda request=request: push_record(remote, measurements.get(request))) for request in wanted
    ]
    return _carried_out(steps, "sent", "there already", say)


def pull(
    measurements: Measurements, remote: Remote, trainings: Sequence[Training], wanted: Sequence[Request], say: Say
) -> int:
    """Fetch the missing part of a plan; return how many items failed, not counting those that the remote store lacks.

    An address without a remote store is a ``StoreError``.

    Args:
        measurements: records of the store.
        remote: the remote store.
        trainings: trainings of the trajectories.
        wanted: the records.
        say: takes a line for each item.
    """
    store, records = measurements.store, measurements.records
    remote.check_store()

    def keys(request: Request) -> dict[int, str]:
        return {seed: store.key(request.recipe, seed) for seed in request.seeds}

    steps = [
        (str(training), lambda training=training: pull_trajectory(store, remote, *training)) for training in trainings
    ]
    steps += [
        (str(request), lambda request=request: pull_record(records, remote, request, keys(request)))
        for request in wanted
    ]
    return _carried_out(steps, "fetched", "here already", say)


def _carried_out(steps: Sequence[tuple[str, Callable[[], Moved | None]]], done: str, idle: str, say: Say) -> int:
    """Carry out all steps, even if some fail; report each step, and the totals at the end."""
    started, moved, counts = time.monotonic(), Moved(), {done: 0, idle: 0, "missing": 0, "failed": 0}
    for name, step in steps:
        try:
            found = step()
            outcome = "missing" if found is None else done if found.files else idle
            moved += found or Moved()
            say(f"{name}: {outcome}" + (f", {found.size / 1e6:.1f} MB" if found and found.files else ""))
        except (MissingTrajectoryError, MissingRecordError):
            outcome = "missing"
            say(f"{name}: missing")
        except FeatdynError as error:
            outcome = "failed"
            say(f"{name}: {error}")
        counts[outcome] += 1
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    say(f"{told}; {moved.files} files, {moved.size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s")
    return counts["failed"]
