"""Two evidence files side by side: which verdicts changed, whose intervals overlap, and what else differs.

Rows are matched by claim, scale, subject and whether they were replayed. The remaining rows are matched without the
last, because one machine may measure a row that another judges from published records.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featdyn_core.report import wording
from featdyn_core.verdicts.criterion import Finding
from featdyn_core.verdicts.evidence import Evidence

ABSENT = "absent"
"""Verdict of a row that is missing in one of the files."""

Differences = dict[str, tuple[str, str]]
"""Name of a fact to its values in the first and in the second file; empty if unknown."""


@dataclass(frozen=True)
class ComparedCriterion:
    """One criterion in both files.

    Attributes:
        name: name of the criterion.
        findings: in the first and in the second file; None if it was not judged.
    """

    name: str
    findings: tuple[Finding | None, Finding | None]

    @property
    def overlap(self) -> bool | None:
        """Whether the two intervals overlap; None if one of them is missing."""
        one, other = self.findings
        if one is None or other is None:
            return None
        return max(one.interval.low, other.interval.low) <= min(one.interval.high, other.interval.high)


@dataclass(frozen=True)
class ComparedRow:
    """One row in both files, or in one of them.

    Attributes:
        id: id of the row in the first file, or in the second if the first lacks it.
        verdicts: in the first and in the second file.
        criteria: in the order of the first file, then those that only the second has.
        protocol: differences in seeds, windows, numbers, bounds, recipes and data.
        environment: differences in the machines that judged and measured.
    """

    id: str
    verdicts: tuple[str, str]
    criteria: tuple[ComparedCriterion, ...] = ()
    protocol: Differences = dataclasses.field(default_factory=dict)
    environment: Differences = dataclasses.field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the verdicts differ."""
        return self.verdicts[0] != self.verdicts[1]


def compare(one: Sequence[Evidence], other: Sequence[Evidence]) -> list[ComparedRow]:
    """Return every row of two runs, in the order of the first, then the rows that only the second has."""
    pairs: dict[int, Evidence] = {}
    left = list(other)
    for key in (_id, _id_without_replay):
        for place, row in enumerate(one):
            match = next((item for item in left if key(item) == key(row)), None)
            if place not in pairs and match is not None:
                pairs[place] = match
                left.remove(match)
    rows = [_compared(row, pairs[place]) if place in pairs else _alone(row, 0) for place, row in enumerate(one)]
    return rows + [_alone(row, 1) for row in left]


def same_verdicts(rows: Sequence[ComparedRow]) -> bool:
    """Whether there are rows, and each has the same verdict in both files."""
    return bool(rows) and not any(row.changed for row in rows)


def _id(row: Evidence) -> str:
    return row.id


def _id_without_replay(row: Evidence) -> str:
    return dataclasses.replace(row, replayed=False).id


def _alone(row: Evidence, place: int) -> ComparedRow:
    verdicts = (str(row.verdict), ABSENT)
    return ComparedRow(row.id, verdicts if place == 0 else verdicts[::-1])


def _compared(one: Evidence, other: Evidence) -> ComparedRow:
    findings = [{item.criterion.name: item for item in row.findings} for row in (one, other)]
    names = dict.fromkeys(name for found in findings for name in found)
    return ComparedRow(
        one.id,
        (str(one.verdict), str(other.verdict)),
        tuple(ComparedCriterion(name, (findings[0].get(name), findings[1].get(name))) for name in names),
        _differences(_protocol(one), _protocol(other)),
        _differences(_environment(one), _environment(other)),
    )


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> Differences:
    names = dict.fromkeys([*one, *other])
    pairs = {name: (one.get(name, ""), other.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _protocol(row: Evidence) -> dict[str, str]:
    """Name to value of everything that defines the row: seeds, windows, numbers, bounds, recipes, data."""
    tables: dict[str, Mapping[str, Any]] = {
        "window": row.windows,
        "protocol": row.protocol,
        "recipe": row.recipes,
        "data": row.data,
        "bound of": {item.criterion.name: wording.bound(item) for item in row.findings},
    }
    named = {f"{kind} {name}": str(value) for kind, table in tables.items() for name, value in table.items()}
    judged = "replayed" if row.replayed else "measured"
    return {"seeds": ", ".join(map(str, row.seeds)), "records": judged, "register": row.register, **named}


def _environment(row: Evidence) -> dict[str, str]:
    """Name to value for the run that judged, and to all values of the runs that measured."""
    judged = {f"judged: {name}": str(value) for name, value in row.environment.items()}
    names = dict.fromkeys(name for maker in row.measured for name in maker)
    measured = {
        f"measured: {name}": ", ".join(sorted({str(maker.get(name, "")) for maker in row.measured})) for name in names
    }
    return judged | measured


def to_plain(rows: Sequence[ComparedRow]) -> dict[str, Any]:
    """Return a comparison as plain values for JSON."""

    def found(finding: Finding | None) -> dict[str, Any] | None:
        if finding is None:
            return None
        ends = {"estimate": finding.interval.estimate, "low": finding.interval.low, "high": finding.interval.high}
        return {**ends, "outcome": str(finding.outcome)}

    return {
        "same_verdicts": same_verdicts(rows),
        "rows": [
            {
                "id": row.id,
                "verdicts": list(row.verdicts),
                "changed": row.changed,
                "criteria": [
                    {"name": item.name, "findings": list(map(found, item.findings)), "overlap": item.overlap}
                    for item in row.criteria
                ],
                "protocol": {name: list(pair) for name, pair in row.protocol.items()},
                "environment": {name: list(pair) for name, pair in row.environment.items()},
            }
            for row in rows
        ],
    }


def to_lines(rows: Sequence[ComparedRow]) -> list[str]:
    """Return a comparison as lines: the answer, rows with their criteria, and differences.

    Rows that changed come first, and rows that only one file has come last.
    """
    alone = sum(ABSENT in row.verdicts for row in rows)
    changed = sum(row.changed for row in rows) - alone
    answer = f"{changed} of {len(rows) - alone} verdicts changed" if changed else "no verdict changed"
    lines = [f"{answer}; {len(rows) - alone} rows in both files, {alone} in one only"]
    for row in sorted(rows, key=lambda row: (ABSENT in row.verdicts, not row.changed)):
        lines.append(f"{row.id}: {' -> '.join(row.verdicts)}" if row.changed else f"{row.id}: {row.verdicts[0]}")
        for item in row.criteria:
            numbers = [wording.interval(finding) if finding else wording.NOTHING for finding in item.findings]
            word = {True: "overlap", False: "APART", None: "in one file"}[item.overlap]
            lines.append(f"  {item.name}: {numbers[0]} | {numbers[1]} ({word})")
    for title in ("protocol", "environment"):
        found: dict[tuple[str, tuple[str, str]], int] = {}
        for row in rows:
            for difference in getattr(row, title).items():
                found[difference] = found.get(difference, 0) + 1
        lines += [f"{title} differs in:"] if found else []
        lines += [
            f"  {name}: {one or wording.NOTHING} | {other or wording.NOTHING} ({count} rows)"
            for (name, (one, other)), count in found.items()
        ]
    return lines
