"""Records that are measured when they are missing, each by one process however many ask."""

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from featdyn_core.errors import MissingRecordError
from featdyn_core.measures.kinds import Request, measure
from featdyn_core.numerics import one_thread, undisturbed
from featdyn_core.provenance import environment
from featdyn_core.store.heartbeats import grid_beats
from featdyn_core.store.layout import named_errors
from featdyn_core.store.records import Record, RecordFolder, pack
from featdyn_core.store.source import measuring_source
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.trajectory import Trajectory


class Measurements:
    """A store's records.

    Args:
        store: of the trajectories.
        records: where they are; the store's folder of records if left out.
        train: whether a missing trajectory may be trained.
        measure: whether a missing record may be measured.
    """

    def __init__(
        self, store: Store, records: RecordFolder | None = None, *, train: bool = True, measure: bool = True
    ) -> None:
        self.store, self.train, self.measure = store, train, measure
        self.records = records or RecordFolder(store.root / "records")

    def get(self, request: Request, planned: Sequence[Request] = ()) -> Record:
        """Return a record that holds all that is asked for; train and measure first what is missing and may be.

        Args:
            request: what is asked for.
            planned: all that is going to be asked for. What is missing is measured together with what the same
                record can hold, so that no composite is evaluated twice.

        Raises:
            MissingTrajectoryError: the trajectory is not here and must not be trained.
            MissingRecordError: the record is not here and must not be measured.
            DamagedRecordError: it is here, and it is not what was written.
            StoreError: the store cannot be written.
        """
        keys = {seed: self.store.key(request.recipe, seed) for seed in request.seeds}
        if found := self.records.find(request, keys):
            return found
        wanted = next((other for other in planned if other.covers(request)), request)
        if not self.measure:
            raise MissingRecordError(f"the record of the {wanted} is not in {self.records.root}; run featdyn measure")
        if not self.train:
            self._trajectories(wanted)  # what is missing is told before anything is written
        with self._locked(wanted):
            if found := self.records.find(request, keys):  # measured by the process that held the lock before
                return found
            record = self._measure(wanted)
            with named_errors(self.store.root):
                self.records.write(record)
            return record

    def missing(self, requests: Sequence[Request]) -> list[Request]:
        """Return those whose record is not here."""
        return [
            request
            for request in requests
            if not self.records.find(request, {seed: self.store.key(request.recipe, seed) for seed in request.seeds})
        ]

    @contextlib.contextmanager
    def _locked(self, request: Request) -> Iterator[None]:
        """Be the one process that measures this."""
        lock = filelock.FileLock(self.store.root / "locks" / f"record-{request.identity[:32]}.lock")
        with named_errors(self.store.root):
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _trajectories(self, request: Request) -> list[Trajectory]:
        return self.store.get_many([(request.recipe, seed) for seed in request.seeds], train=self.train)

    def _measure(self, request: Request) -> Record:
        size = {"evaluation_images": request.parameters["images"]} if "images" in request.parameters else {}
        trajectory, *others = (dataclasses.replace(found, **size) for found in self._trajectories(request))
        partner = others[0] if others else None
        started = time.monotonic()
        beats = grid_beats(self.store.root, str(request))
        with one_thread(trajectory.device), undisturbed(), beats as progress:
            arrays = measure(request, trajectory, partner, progress)
        return pack(
            request,
            arrays,
            {
                "key": trajectory.key,
                "data": {"digest": trajectory.dataset.digest, "description": trajectory.dataset.describe()},
                "checkpoints": _checkpoints(trajectory),
                "partner": None if partner is None else {"seed": partner.seed, **_checkpoints(partner)},
                "source": measuring_source(request.kind),
                "measured": environment() | {"device": trajectory.device},
                "seconds": round(time.monotonic() - started, 3),
            },
        )


def _checkpoints(trajectory: Trajectory) -> dict[str, str]:
    """The trajectory's key, and one digest over those of its checkpoints."""
    together = hashlib.sha256("".join(trajectory.digests[epoch] for epoch in sorted(trajectory.digests)).encode())
    return {"key": trajectory.key, "sha256": together.hexdigest()}
