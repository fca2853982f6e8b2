"""Rows of sweeps as tables, variation × claim, with the registered rows that they vary, if present."""

from collections.abc import Sequence
from dataclasses import dataclass

from featdyn_core.report import wording
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Finding
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import REGISTERED


@dataclass(frozen=True)
class SweepTable:
    """The sweep at one scale on one subject.

    Attributes:
        scale: scale of the register.
        subject: the data set.
        effects: claim to the criterion whose estimate is shown for it.
        lines: variation to claim to its row; claims that were not decided under a variation are missing.
    """

    scale: str
    subject: str
    effects: dict[str, str]
    lines: dict[str, dict[str, Evidence]]

    @property
    def varied(self) -> int:
        """The number of variations."""
        return sum(variation != REGISTERED for variation in self.lines)

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict to its number of rows in variations, of verdicts that occur."""
        varied = [row.verdict for rows in self.lines.values() for row in rows.values() if row.variation]
        return {verdict: varied.count(verdict) for verdict in Verdict if verdict in varied}

    def effect(self, row: Evidence) -> Finding | None:
        """Return the finding whose estimate is shown of a row; None if nothing was judged."""
        return next((item for item in row.findings if item.criterion.name == self.effects[row.claim]), None)


def sweep_tables(rows: Sequence[Evidence]) -> list[SweepTable]:
    """Return a table for each scale and subject that was swept, in the order of the rows.

    The first line of a table has the registered rows of its claims. If a row was both measured and replayed, the table
    shows the measured one, as for variations.
    """
    tables: dict[tuple[str, str], SweepTable] = {}
    measured_last = sorted(rows, key=lambda row: not row.replayed)
    for row in filter(lambda row: row.variation, measured_last):
        table = tables.setdefault((row.scale, row.subject), SweepTable(row.scale, row.subject, {}, {REGISTERED: {}}))
        table.effects.setdefault(row.claim, row.effect)
        table.lines.setdefault(row.variation, {})[row.claim] = row
    for row in measured_last:
        found = tables.get((row.scale, row.subject))
        if found and row.claim in found.effects and not row.variation:
            found.lines[REGISTERED][row.claim] = row
    for table in tables.values():
        if not table.lines[REGISTERED]:
            del table.lines[REGISTERED]
    return list(tables.values())


def sweep_lines(table: SweepTable) -> list[str]:
    """Return a table in Markdown."""
    titles = [f"{table.subject}, {table.scale}", *(f"`{claim}`: {effect}" for claim, effect in table.effects.items())]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for variation, found in table.lines.items():
        cells = [_cell(table, found.get(claim)) for claim in table.effects]
        lines.append(f"| {' | '.join([variation, *cells])} |")
    return lines


def _cell(table: SweepTable, row: Evidence | None) -> str:
    if row is None:
        return wording.NOTHING
    finding = table.effect(row)
    return f"{row.verdict} {wording.interval(finding)}" if finding else str(row.verdict)
