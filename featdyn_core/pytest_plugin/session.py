"""One run of claim tests: which rows it was to give, what became of each, and the file that says so."""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError
from featdyn_core.files import readable, temporary_name
from featdyn_core.harness.laboratory import described
from featdyn_core.harness.plan import Cell
from featdyn_core.provenance import environment
from featdyn_core.register.register import FAST, Register
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import write_evidence
from featdyn_core.verdicts.evidence import Evidence


@dataclass
class Session:
    """A run in the making.

    Attributes:
        path: the evidence file that was asked for.
        collected: ids of the rows whose tests were selected.
        rows: id to what a test reported.
        faults: id to why a test reported nothing.
        evidence: all rows that the run was to give, in the order of the plan; empty before ``finish``.
        facts: what the file says of the run as a whole; empty before ``finish``.
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
        try:
            if self.path.is_dir():
                raise EvidenceError(f"the evidence {self.path} cannot be written: that is a folder; name a file")
            nearest = next(folder for folder in self.path.absolute().parents if os.path.lexists(folder))
            tempfile.TemporaryFile(dir=nearest).close()  # who may write there is told by writing alone
            for path in (self.path, self._marked("exploratory"), self._marked("partial")):
                if path.exists() and not path.is_file():
                    raise EvidenceError(f"the evidence {path} cannot be written: what is there is no file")
                temporary = temporary_name(path)
                for name in temporary.absolute().relative_to(nearest).parts:
                    with contextlib.suppress(FileNotFoundError):
                        os.lstat(nearest / name)  # it may be too long, which is told whether or not it is there
        except OSError as error:
            raise EvidenceError(f"the evidence {self.path} cannot be written ({error.strerror or error})") from error

    def finish(self, plan: Iterable[Cell], register: Register, circumstances: dict[str, Any]) -> None:
        """Give every row that the run was to give what became of it.

        A run is to give all rows of each tier and scale of which it selected one: what a narrower selection left out
        is DESELECTED, and what was selected and reported nothing is an ERROR.
        """
        plan = list(plan)
        touched = {_group(row) for row in plan if row.id in self.collected}
        self.evidence = [self._row(row, register) for row in plan if _group(row) in touched]
        self.facts = {
            "paper": register.paper,
            "register": register.digest,
            "environment": dict(environment()),
            **circumstances,
        }

    def _row(self, row: Cell, register: Register) -> Evidence:
        if row.id in self.rows:
            return self.rows[row.id]
        facts = described(row) | {"register": register.digest}
        if row.id not in self.collected:
            return Evidence(**facts, verdict=Verdict.DESELECTED, reason="not selected in this run")
        lines = self.faults.get(row.id, "").strip().splitlines()
        reason = lines[-1] if lines else "its test did not report: the run was stopped, or its process died"
        return Evidence(**facts, verdict=Verdict.ERROR, reason=readable(reason))

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
            return self._marked("exploratory")
        if any(row.verdict is Verdict.DESELECTED for row in self.evidence):
            return self._marked("partial")
        return self.path

    def _marked(self, word: str) -> Path:
        return self.path.with_suffix(f".{word}{self.path.suffix}")

    def write(self) -> None:
        """Write the file.

        A file that cannot be written is an ``EvidenceError``.
        """
        write_evidence(self.target, self.evidence, facts=self.facts)


def _group(row: Cell) -> tuple[str, str]:
    return row.tier, "" if row.tier == FAST else row.scale.name
