"""One run of claim tests: which rows it was to give, what became of each, and the file that says so."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError
from featdyn_core.harness.laboratory import described
from featdyn_core.harness.plan import Cell
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence, write_evidence
from featdyn_core.verdicts.register import Register


@dataclass
class Session:
    """A run in the making.

    Attributes:
        path: the evidence file that was asked for.
        collected: ids of the rows whose tests were selected.
        rows: id to what a test reported.
        faults: id to why a test reported nothing.
        evidence: all rows that the run was to give, in the order of the plan; empty before ``finish``.
    """

    path: Path
    collected: set[str] = field(default_factory=set)
    rows: dict[str, Evidence] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def check_path(self) -> None:
        """Find out at the start what would otherwise be found out when all is measured.

        Raises:
            EvidenceError: the file cannot be written.
        """
        folder = next((parent for parent in self.path.absolute().parents if parent.exists()), Path("/"))
        if self.path.is_dir():
            raise EvidenceError(f"the evidence {self.path} is a folder; name a file, such as {self.path}/evidence.json")
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise EvidenceError(f"the evidence {self.path} cannot be written: {folder} is no folder that can")

    def finish(self, plan: Iterable[Cell], register: Register, circumstances: dict[str, Any]) -> None:
        """Give every row that the run was to give what became of it.

        A run is to give all rows of each tier and scale of which it selected one: what a narrower selection left out
        is DESELECTED, and what was selected and reported nothing is an ERROR.
        """
        plan = list(plan)
        touched = {_group(row) for row in plan if row.id in self.collected}
        self.evidence = [self._row(row, register) for row in plan if _group(row) in touched]
        self.facts = {"paper": register.paper, "register": register.digest, **circumstances}

    def _row(self, row: Cell, register: Register) -> Evidence:
        if row.id in self.rows:
            return self.rows[row.id]
        facts = described(row) | {"register": register.digest}
        if row.id not in self.collected:
            return Evidence(**facts, verdict=Verdict.DESELECTED, reason="not selected in this run")
        reason = self.faults.get(row.id, "its test did not report: the run was stopped, or its process died")
        return Evidence(**facts, verdict=Verdict.ERROR, reason=reason.strip().splitlines()[-1])

    @property
    def remark(self) -> str:
        """Why the file is not the one that was asked for; empty if it is."""
        if any(row.exploratory for row in self.evidence):
            return " (exploratory: these are not the register's seeds)"
        if any(row.verdict is Verdict.DESELECTED for row in self.evidence):
            return " (of a part of the claims)"
        return ""

    @property
    def target(self) -> Path:
        """The file: a run of other seeds, or of a part of the claims, never takes the place of a whole one's."""
        if any(row.exploratory for row in self.evidence):
            return self.path.with_suffix(f".exploratory{self.path.suffix}")
        if any(row.verdict is Verdict.DESELECTED for row in self.evidence):
            return self.path.with_suffix(f".partial{self.path.suffix}")
        return self.path

    def write(self) -> None:
        """Write the file.

        Raises:
            EvidenceError: it cannot be written.
        """
        write_evidence(self.target, self.evidence, facts=self.facts)


def _group(row: Cell) -> tuple[str, str]:
    return row.tier, "" if row.tier == "fast" else row.scale.name
