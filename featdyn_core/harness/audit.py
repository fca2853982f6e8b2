"""One seed of the published evidence, trained and measured again: which bits and which numbers are the same."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featdyn_core.errors import MissingRecordError
from featdyn_core.harness.laboratory import decide
from featdyn_core.harness.plan import Cell
from featdyn_core.harness.run import Measure
from featdyn_core.records.request import Request
from featdyn_core.store.published import PublishedRecords
from featdyn_core.store.records import Record
from featdyn_core.verdicts.criterion import Finding
from featdyn_core.verdicts.inference import quantile


@dataclass(frozen=True)
class AuditedRecord:
    """A published record, and the record that was made again.

    Attributes:
        published: the record as it was published.
        again: the same request, trained and measured again.
    """

    published: Record
    again: Record

    @property
    def trained(self) -> dict[tuple[str, int], bool]:
        """Recipe and seed of each audited training to whether all checkpoints end in the published bits."""
        one, other = self.published.facts, self.again.facts
        found = {one["seed"]: one["checkpoints"]["sha256"] == other["checkpoints"]["sha256"]}
        if one["partner"] is not None:
            found[one["partner"]["seed"]] = one["partner"]["sha256"] == other["partner"]["sha256"]
        return {(one["recipe"], seed): alike for seed, alike in found.items()}

    @property
    def trained_alike(self) -> bool:
        """Whether all trainings end in the published bits."""
        return all(self.trained.values())

    @property
    def measured_alike(self) -> bool:
        """Whether every array equals the published one, bit for bit."""
        one, other = (
            {name: (array.dtype, array.shape, array.tobytes()) for name, array in record.arrays.items()}
            for record in (self.published, self.again)
        )
        return one == other


@dataclass(frozen=True)
class AuditedNumber:
    """A number of the audited seed that differs from the published one.

    Attributes:
        row: id of the row.
        name: name of the criterion.
        published: the number.
        again: the number, trained and measured again.
        low: end of the interval in which another training's number lies in 95 %, by the published seeds.
        high: its other end.
    """

    row: str
    name: str
    published: float
    again: float
    low: float
    high: float

    @property
    def plausible(self) -> bool:
        """Whether the number lies in the interval in which another training's number would lie."""
        return self.low <= self.again <= self.high


def published_requests(rows: Iterable[Cell], seed: int, published: PublishedRecords) -> list[Request]:
    """Return the published records of one seed for some rows, each record once with everything that it holds.

    Raises:
        MissingRecordError: no record of the seed is published.
    """
    found: dict[str, Request] = {}
    for row in rows:
        for request in row.requests(seed).values() if seed in row.seeds else ():
            if (facts := published.describe(request)) is not None:
                whole = dataclasses.replace(request, parameters=facts["parameters"])
                found.setdefault(whole.identity, whole)
    if not found:
        raise MissingRecordError(f"no record of seed {seed} is published in {published.folder} for these claims")
    return list(found.values())


def other_numbers(
    rows: Iterable[Cell],
    measures: Mapping[str, Measure],
    seed: int,
    published: PublishedRecords,
    audited: Mapping[str, AuditedRecord],
) -> tuple[int, list[AuditedNumber]]:
    """Return how many numbers of the seed were read from audited records, and those that differ from the published.

    Args:
        rows: rows of the published records.
        measures: measures of each claim.
        seed: that was audited.
        published: the records.
        audited: identity of each published request to its record.
    """
    count, found = 0, []

    def again(request: Request) -> Record:
        record = published.get(request)
        whole = dataclasses.replace(request, parameters=record.facts["parameters"])
        return audited[whole.identity].again if whole.identity in audited else record

    for row in rows:
        if seed not in row.seeds or not published.complete(_all_requests(row)):
            continue
        before, after = (decide(row, measures[row.entry.id], source) for source in (published.get, again))
        place = row.seeds.index(seed)
        for one, other in zip(before.findings, after.findings, strict=True):
            count += 1
            if one.values[place] != other.values[place]:
                found.append(_number(row.id, one, place, other.values[place]))
    return count, found


def _all_requests(row: Cell) -> list[Request]:
    return [request for seed in row.seeds for request in row.requests(seed).values()]


def _number(row: str, finding: Finding, place: int, again: float) -> AuditedNumber:
    """Return a number with the prediction interval of the published seeds, mean ± t·s·√(1 + 1/n)."""
    values = np.array(finding.values)
    spread = float(values.std(ddof=1)) * math.sqrt(1 + 1 / len(values))
    half = quantile(0.975, len(values) - 1) * spread
    mean = float(values.mean())
    return AuditedNumber(row, finding.criterion.name, finding.values[place], again, mean - half, mean + half)


def lines(records: Sequence[AuditedRecord], count: int, numbers: Sequence[AuditedNumber]) -> list[str]:
    """Return the findings of an audit as lines."""
    trainings: dict[tuple[str, int], bool] = {}
    for place, trained_alike in (item for record in records for item in record.trained.items()):
        trainings[place] = trainings.get(place, True) and trained_alike
    alike = sum(record.measured_alike for record in records)
    return [
        f"trained again: {sum(trainings.values())} of {len(trainings)} trajectories bit for bit as published",
        f"measured again: {alike} of {len(records)} records as published",
        f"judged again: {count - len(numbers)} of {count} numbers as published",
        *(
            f"  {item.row}, {item.name}: {item.again:.4g}, published {item.published:.4g}; other trainings lie in "
            f"[{item.low:.4g}, {item.high:.4g}]" + ("" if item.plausible else ", and this does not")
            for item in numbers
        ),
    ]


Get = Callable[[Request, Sequence[Request]], Record]
"""Returns the record of a request, one of several that are going to be asked for."""


def audit(requests: Sequence[Request], published: PublishedRecords, get: Get) -> dict[str, AuditedRecord]:
    """Make published records again; return them by the identity of their request.

    A record that cannot be made again, or that is not of the published request, raises its own ``FeatdynError``.
    """
    return {request.identity: AuditedRecord(published.get(request), get(request, requests)) for request in requests}
