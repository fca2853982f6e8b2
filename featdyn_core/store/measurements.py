"""Records that are measured if they are missing, each by one process even if many ask."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Iterator, Sequence

import filelock
import torch

from featdyn_core.devices import wake
from featdyn_core.errors import MissingRecordError
from featdyn_core.numerics import one_thread, undisturbed
from featdyn_core.provenance import environment
from featdyn_core.records.kind import ALL
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request, measure
from featdyn_core.store.factories import factory_source
from featdyn_core.store.heartbeats import grid_beats
from featdyn_core.store.layout import named_errors
from featdyn_core.store.records import Record, RecordFolder, pack
from featdyn_core.store.source import measuring_source
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.checkpoints import together
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import Trajectory


class Measurements:
    """A store's records.

    Args:
        store: store of the trajectories.
        records: folder of the records; the store's own if left out.
        train: whether a missing trajectory may be trained.
        measure: whether a missing record may be measured.
    """

    def __init__(
        self, store: Store, records: RecordFolder | None = None, *, train: bool = True, measure: bool = True
    ) -> None:
        self.store, self.train, self.measure = store, train, measure
        self.records = records or RecordFolder(store.root / "records")

    def get(self, request: Request, planned: Sequence[Request] = ()) -> Record:
        """Return a record that answers a request; train and measure it first if it is missing and this is allowed.

        A missing trajectory that may not be trained is a ``MissingTrajectoryError``. A record that is not what was
        written is a ``DamagedRecordError``. A store that cannot be written is a ``StoreError``.

        Args:
            request: the wanted record.
            planned: all requests to come. Requests that one record can answer are measured as one, so no composite is
                evaluated twice. Records that cost less together are measured together.

        Raises:
            MissingRecordError: the record is missing and may not be measured.
        """
        keys = {seed: self.store.key(request.recipe, seed) for seed in request.seeds}
        if found := self.records.find(request, keys):
            return found
        wanted = next((other for other in planned if other.covers(request)), request)
        if not self.measure:
            raise MissingRecordError(f"the record of the {wanted} is not in {self.records.root}; run featdyn measure")
        if not self.train:
            self._trajectories(wanted)  # a missing trajectory is an error before anything is written
        with self._locked(group := [wanted, *filter(wanted.together, planned)]):
            if found := self.records.find(request, keys):  # the previous holder of the lock has measured it
                return found
            record, *others = self._measure([wanted, *self.missing(group[1:])])
            with named_errors(self.store.root):
                for measured in (*others, record):
                    self.records.write(measured)
            return record

    def missing(self, requests: Sequence[Request]) -> list[Request]:
        """Return the requests whose record is missing."""
        known: dict[tuple[tuple[str, str], int], str] = {}

        def key(recipe: Recipe, seed: int) -> str:
            """Return the key of a trajectory as it is now; a plan asks for many records of each trajectory."""
            place = recipe.identity, seed
            if place not in known:
                known[place] = self.store.key(recipe, seed)
            return known[place]

        return [
            request
            for request in requests
            if not self.records.find(request, {seed: key(request.recipe, seed) for seed in request.seeds})
        ]

    @contextlib.contextmanager
    def _locked(self, requests: Sequence[Request]) -> Iterator[None]:
        """Lock these requests for this process; locks are taken in a fixed order, which avoids deadlocks."""
        folder = self.store.root / "locks"
        with contextlib.ExitStack() as held:
            with named_errors(self.store.root):
                folder.mkdir(parents=True, exist_ok=True)
                for identity in sorted(request.identity for request in requests):
                    lock = filelock.FileLock(folder / f"record-{identity[:32]}.lock")
                    held.enter_context(lock.acquire())
            yield

    def _trajectories(self, request: Request) -> list[Trajectory]:
        return self.store.get_many([Training(request.recipe, seed) for seed in request.seeds], train=self.train)

    def _measure(self, requests: Sequence[Request]) -> list[Record]:
        """Measure one record, or several together; each then reports an equal part of the time."""
        first = requests[0]
        kind, source = KINDS[first.kind], measuring_source(first.kind)
        size = {"evaluation_images": first.parameters["images"]} if "images" in first.parameters else {}
        trajectory, *others = (dataclasses.replace(found, **size) for found in self._trajectories(first))
        partner = others[0] if others else None
        started = time.monotonic()
        beats = grid_beats(self.store.root, str(first))
        wake(torch.device("cpu" if kind.on_cpu == ALL else trajectory.device))
        with one_thread(), undisturbed(), beats as progress:
            measured = measure(requests, trajectory, partner, progress)
        facts = {
            "key": trajectory.key,
            "data": {"digest": trajectory.dataset.digest, "description": trajectory.dataset.describe()},
            "checkpoints": _checkpoints(trajectory),
            "partner": None if partner is None else {"seed": partner.seed, **_checkpoints(partner)},
            "source": source,
            **({"factory": factory} if (factory := factory_source(first.recipe.network.name)) else {}),
            "measured": environment() | {"device": kind.computed_on(trajectory.device), "date": _today()},
            "seconds": round((time.monotonic() - started) / len(requests), 3),
        }
        return [pack(request, arrays, facts) for request, arrays in zip(requests, measured, strict=True)]


def _checkpoints(trajectory: Trajectory) -> dict[str, str]:
    """The trajectory's key, and one digest over those of its checkpoints."""
    digests = (trajectory.digests[epoch] for epoch in sorted(trajectory.digests))
    return {"key": trajectory.key, "sha256": together(digests)}


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
