"""Records that are measured when they are missing, each by one process however many ask."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence

import filelock
import torch

from featdyn_core.errors import MissingRecordError
from featdyn_core.numerics import one_thread, undisturbed, wake
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

        A trajectory that is not here and must not be trained is a ``MissingTrajectoryError``. A record that is here and
        is not what was written is a ``DamagedRecordError``; a store that cannot be written, a ``StoreError``.

        Args:
            request: what is asked for.
            planned: all that is going to be asked for. What is missing is measured together with what the same
                record can hold, so that no composite is evaluated twice, and with other records that cost less so.

        Raises:
            MissingRecordError: the record is not here and must not be measured.
        """
        keys = {seed: self.store.key(request.recipe, seed) for seed in request.seeds}
        if found := self.records.find(request, keys):
            return found
        wanted = next((other for other in planned if other.covers(request)), request)
        if not self.measure:
            raise MissingRecordError(f"the record of the {wanted} is not in {self.records.root}; run featdyn measure")
        if not self.train:
            self._trajectories(wanted)  # what is missing is told before anything is written
        with self._locked(group := [wanted, *filter(wanted.together, planned)]):
            if found := self.records.find(request, keys):  # measured by the process that held the lock before
                return found
            record, *others = self._measure([wanted, *self.missing(group[1:])])
            with named_errors(self.store.root):
                for measured in (*others, record):
                    self.records.write(measured)
            return record

    def missing(self, requests: Sequence[Request]) -> list[Request]:
        """Return those whose record is not here."""
        known: dict[tuple[tuple[str, str], int], str] = {}

        def key(recipe: Recipe, seed: int) -> str:
            """Return the key of a trajectory, of which a plan asks for many records, as it is at this moment."""
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
        """Be the one process that measures these; locks are taken in one order, so that nobody waits in a circle."""
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
        """Measure one record, or several together, each of which is then said to have taken its part of the time."""
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
            "measured": environment() | {"device": kind.computed_on(trajectory.device)},
            "seconds": round((time.monotonic() - started) / len(requests), 3),
        }
        return [pack(request, arrays, facts) for request, arrays in zip(requests, measured, strict=True)]


def _checkpoints(trajectory: Trajectory) -> dict[str, str]:
    """The trajectory's key, and one digest over those of its checkpoints."""
    digests = (trajectory.digests[epoch] for epoch in sorted(trajectory.digests))
    return {"key": trajectory.key, "sha256": together(digests)}
