"""The laboratory: it turns a row of the plan and the ``measure`` of a claim into evidence."""

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featdyn_core.errors import (
    AbsentDataError,
    DamagedRecordError,
    MeasurementError,
    MissingRecordError,
    MissingTrajectoryError,
)
from featdyn_core.files import readable
from featdyn_core.harness.plan import Cell, Needed, requests
from featdyn_core.harness.run import Gathered, Measure, Run, gather
from featdyn_core.project import records_folder
from featdyn_core.provenance import environment
from featdyn_core.records.request import Request
from featdyn_core.register.register import Register
from featdyn_core.store.agreement import disagreements
from featdyn_core.store.descriptions import is_of_present_code
from featdyn_core.store.keys import DataDigests
from featdyn_core.store.published import published
from featdyn_core.store.records import Record, RecordFolder
from featdyn_core.verdicts.claim import EMPIRICAL, Verdict
from featdyn_core.verdicts.evidence import OTHER_CODE, Evidence

if TYPE_CHECKING:
    from featdyn_core.store.measurements import Measurements
    from featdyn_core.store.supply import Store

Source = Callable[[Request], Record]
"""Returns the record of a request; some sources measure it first."""

KEPT = 1024
"""Published records that stay in memory for the next claim, a few tens of kilobytes each, those read last."""

Used = dict[tuple[Needed, int], Record]
"""What a row reads of a seed to the record that held it."""


class Laboratory:
    """The state that all claim tests of a process share.

    Args:
        register: what was fixed in advance.
        rows: rows of the plan, by id.
        root: root of the store.
        open_store: returns the store of trajectories. It is called only when something must be measured, because the
            store imports torch, and judging existing records does not need torch.
        train: whether missing trajectories may be trained.
    """

    def __init__(
        self,
        register: Register,
        rows: Mapping[str, Cell],
        root: Path,
        open_store: Callable[[], "Store"],
        *,
        train: bool = True,
    ) -> None:
        self.register, self.rows, self.open_store, self.train = register, rows, open_store, train
        self.records, self.digests = RecordFolder(root / "records"), DataDigests(root)
        self._planned: dict[tuple[str, str], list[Request]] = {}
        self._kept: dict[tuple[Path, str], Record] = {}

    @functools.cached_property
    def measurements(self) -> "Measurements":
        """The store's records."""
        from featdyn_core.store.measurements import Measurements  # it imports torch

        return Measurements(self.open_store(), self.records, train=self.train)

    def decide(self, row: str, measure: Measure) -> Evidence:
        """Decide a row by its id (see ``decide``): from published records if it is replayed, else measured."""
        cell = self.rows[row]
        return decide(cell, measure, self.source(cell), register_digest=self.register.digest)

    def source(self, cell: Cell) -> Source:
        """Return where the records of a row come from."""
        if cell.replayed:
            return functools.partial(self._published, records_folder() / cell.scale.name)
        return functools.partial(self._found_or_measured, planned=self.planned(cell.scale.name, cell.tier))

    def recorded(self, cell: Cell) -> Source:
        """Return a source that reads the records of a row and makes none.

        The source raises a ``MissingRecordError`` if a record is missing.
        """
        return self.source(cell) if cell.replayed else self._found

    def _published(self, folder: Path, request: Request) -> Record:
        """Return a record as ``PublishedRecords.get`` does; records that an earlier claim read stay unpacked."""
        place = folder, request.identity
        found = self._kept.pop(place, None) or published(folder).get(request)
        self._kept[place] = found  # last, as the most recently used one
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def _found(self, request: Request) -> Record:
        """Return a record of the store.

        Raises:
            MissingRecordError: there is none.
        """
        record = self.records.known(request, self.digests)
        if record is None:
            raise MissingRecordError(f"no record of the {request} is in the store; measure it with featdyn measure")
        return record

    def _found_or_measured(self, request: Request, planned: Sequence[Request]) -> Record:
        # Records that are here are judged without torch; only measuring needs it.
        return self.records.known(request, self.digests) or self.measurements.get(request, planned)

    def planned(self, scale: str, tier: str) -> list[Request]:
        """Return the records that the measured rows of a scale and tier need together."""
        place = scale, tier
        if place not in self._planned:
            rows = [row for row in self.rows.values() if (row.scale.name, row.tier) == place and not row.replayed]
            self._planned[place] = requests(rows)
        return self._planned[place]


def decide(cell: Cell, measure: Measure, source: Source, *, register_digest: str = "") -> Evidence:
    """Measure a claim seed by seed and judge it.

    Damage, a failed training and a measurement that does not fit the register each raise their own
    ``FeatdynError``.

    Args:
        cell: the row.
        measure: the claim's measurement of one seed.
        source: source of records.
        register_digest: digest of the register that the row comes from.

    Returns:
        Evidence; NOT RUN if data, a trajectory or a record is missing and must not be made.

    Raises:
        MeasurementError: no record was read, so the numbers do not depend on a training.
        DamagedRecordError: two records of one network differ in its predictions.
    """
    started = time.monotonic()
    claim, used = cell.claim, Used()
    facts = described(cell) | {"register": register_digest}
    if cell.lacking:
        return Evidence(**facts, verdict=Verdict.NOT_RUN, reason=cell.lacking)
    try:
        values, curves, planes, counter_example = measured(cell, measure, source, used)
    except (AbsentDataError, MissingTrajectoryError, MissingRecordError) as error:
        return Evidence(**facts, verdict=Verdict.NOT_RUN, reason=readable(str(error)))
    if cell.entry.kind == EMPIRICAL and not used:
        raise MeasurementError(f"claim {claim.id!r} was measured without a record: nothing of a training decides it")
    if differing := disagreements(used.values()):
        raise DamagedRecordError(f"records of one network contradict each other: {differing[0]}; measure them again")
    verdict, findings = claim.judge(values, confidence=cell.scale.confidence)
    facts["environment"] |= _remarks(used.values())
    return Evidence(
        **facts,
        **_provenance(cell, used),
        bits=_bits(cell, used) if cell.here else "",
        verdict=verdict,
        findings=findings,
        counter_example=counter_example,
        curves=curves,
        planes=planes,
        seconds=round(time.monotonic() - started, 3),
    )


def measured(cell: Cell, measure: Measure, source: Source, used: Used) -> Gathered:
    """Measure a claim seed by seed.

    A measurement that does not fit the register raises a ``MeasurementError``; errors of the source pass through.

    Args:
        cell: the row.
        measure: the claim's measurement of one seed.
        source: source of records.
        used: dictionary to which every record that was read is added.
    """
    found = (measure(run_of(cell, seed, source, used)) for seed in cell.seeds)
    return gather(cell.claim, found, windows=cell.windows, steps=_steps(cell))


def run_of(cell: Cell, seed: int, source: Source, used: Used) -> Run:
    """Return the run of one seed, as a claim sees it; every record that the claim reads is added to ``used``.

    Reading raises the errors of the source, and a ``MeasurementError`` if the register has no such record.
    """
    wanted = cell.requests(seed)

    def read(name: str, arm: str) -> dict[str, Any]:
        chosen = {needed: request for needed, request in wanted.items() if (needed.record, needed.arm) == (name, arm)}
        for needed, request in chosen.items():
            if (needed, seed) not in used:
                used[needed, seed] = source(request)
        if not chosen:
            raise MeasurementError(f"claim {cell.entry.id!r} has no record {name!r} of arm {arm!r} in the register")
        return _by_split({needed: used[needed, seed].view_of(request) for needed, request in chosen.items()})

    return Run(seed, cell.windows, cell.protocol, read, lambda: run_of(cell, cell.neighbour(seed), source, used))


def described(cell: Cell) -> dict[str, Any]:
    """Return the facts about a row that are known before anything is measured."""
    return {
        "claim": cell.entry.id,
        "section": cell.entry.section,
        "sentence": cell.entry.sentence,
        "title": cell.entry.title,
        "rival_of": cell.entry.rival_of,
        "kind": cell.entry.kind,
        "subject": cell.subject,
        "tier": cell.tier,
        "scale": cell.scale.name,
        "known": str(cell.known or ""),
        "extension": cell.entry.extension,
        "replayed": cell.replayed,
        "here": cell.here,
        "seen": cell.seen,
        "family": cell.family,
        "exploratory": cell.exploratory,
        "variation": cell.variation.name if cell.variation else "",
        "effect": cell.effect,
        "seeds": cell.seeds,
        "windows": {name: [window.first, window.last] for name, window in cell.windows.items()},
        "protocol": _images(cell) | cell.protocol | _overrides(cell),
        "environment": dict(environment()),
        "suspicions": _suspicions(cell),
    }


def _suspicions(cell: Cell) -> str:
    """Suspicions about adopted checkpoints."""
    adopted = [recipe.adopted for recipe in cell.recipes.values() if recipe.adopted]
    return "; ".join(f"seed {seed}: {text}" for one in adopted for seed, text in one.suspicions.items())


def _images(cell: Cell) -> dict[str, Any]:
    """The number of images, for a claim that uses images and names no other number."""
    return {"images": cell.scale.images[cell.subject]} if cell.recipes else {}


def _overrides(cell: Cell) -> dict[str, Any]:
    """The overrides of a variation."""
    return cell.variation.overrides if cell.variation else {}


def _steps(cell: Cell) -> list[float]:
    """Return the epochs after which the learning rate of every arm changes."""
    every = [recipe.schedule.milestones for recipe in cell.recipes.values()]
    return [float(epoch) for epoch in every[0] if all(epoch in milestones for milestones in every)] if every else []


def _by_split(views: Mapping[Needed, Any]) -> dict[str, Any]:
    """Return views by split; by split and epoch if a record has several deep epochs."""
    found: dict[str, Any] = {}
    for needed, view in views.items():
        if needed.deep is None:
            found[needed.split] = view
        else:
            found.setdefault(needed.split, {})[needed.deep] = view
    return found


def _remarks(used: Iterable[Record]) -> dict[str, Any]:
    """Return remarks on how records were measured: the largest of each number, and each text once."""
    found: dict[str, set[Any]] = {}
    for record in used:
        for name, remark in record.remarks.items():
            found.setdefault(name, set()).add(remark)
    return {
        name: ", ".join(sorted(remarks)) if all(isinstance(item, str) for item in remarks) else max(remarks)
        for name, remarks in found.items()
    }


def _bits(cell: Cell, used: Used) -> str:
    """Return whether trainings done here ended in the published bits; empty if that is unknown."""
    source, found = published(records_folder() / cell.scale.name), set()
    for (needed, seed), record in used.items():
        facts = None
        with contextlib.suppress(DamagedRecordError):  # which those rows tell that judge what was published
            facts = source.describe(cell.requests(seed)[needed])
        if facts is not None:
            found.add(facts["checkpoints"]["sha256"] == record.facts["checkpoints"]["sha256"])
    return "" if not found else "equal" if all(found) else "other"


def _provenance(cell: Cell, used: Used) -> dict[str, Any]:
    """Return where the records come from, each fact once."""
    fields: dict[str, Any] = {"recipes": {}, "checkpoints": {}, "data": {}}
    makers: dict[str, dict[str, Any]] = {}
    for (needed, _), record in used.items():
        facts = record.facts
        fields["recipes"][facts["recipe"]] = facts["recipe_digest"]
        fields["checkpoints"][f"{facts['recipe']}/{facts['seed']}"] = facts["checkpoints"]
        fields["data"][readable(facts["data"]["description"])] = facts["data"]["digest"]
        maker = facts["measured"]
        if not is_of_present_code(facts, cell.recipes[needed.arm]):
            maker = maker | {"code": OTHER_CODE}
        makers[repr(sorted(maker.items()))] = maker
    kinds = Counter(record.facts["kind"] for record in used.values())
    return fields | {"records": dict(kinds), "measured": list(makers.values())}
