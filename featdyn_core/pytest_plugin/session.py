"""One run of claim tests: its expected rows, the result of each, and the evidence file."""

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
    """A run in progress.

    Attributes:
        path: the evidence file to write.
        collected: ids of the rows whose tests were selected.
        rows: id to the row that a test reported.
        faults: id to the reason why a test reported nothing.
        evidence: all expected rows, in the order of the plan; empty before ``finish``.
        facts: facts about the run as a whole; empty before ``finish``.
    """

    path: Path
    collected: set[str] = field(default_factory=set)
    rows: dict[str, Evidence] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def check_path(self) -> None:
        """Check at the start that the file can be written, rather than after all measurements.

        Raises:
            EvidenceError: the file cannot be written.
        """
        try:
            if self.path.is_dir():
                raise EvidenceError(f"the evidence {self.path} cannot be written: it is a folder; name a file")
            nearest = next(folder for folder in self.path.absolute().parents if os.path.lexists(folder))
            tempfile.TemporaryFile(dir=nearest).close()  # only writing shows whether one may write there
            for path in (self.path, self._marked("exploratory"), self._marked("partial")):
                if path.exists() and not path.is_file():
                    raise EvidenceError(f"the evidence {path} cannot be written: it is not a file; name another")
                temporary = temporary_name(path)
                for name in temporary.absolute().relative_to(nearest).parts:
                    with contextlib.suppress(FileNotFoundError):
                        os.lstat(nearest / name)  # an error for a name that is too long, whether or not it exists
        except OSError as error:
            raise EvidenceError(f"the evidence {self.path} cannot be written ({error.strerror or error})") from error

    def finish(self, plan: Iterable[Cell], register: Register, circumstances: dict[str, Any]) -> None:
        """Give every expected row its result.

        If a run selected one row of a tier and scale, all rows of these are expected. Rows that a narrower selection
        left out are DESELECTED. Rows that were selected and reported nothing are an ERROR.
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
        reason = lines[-1] if lines else "the test did not report: the run was stopped, or its process died"
        return Evidence(**facts, verdict=Verdict.ERROR, reason=readable(reason))

    @property
    def remark(self) -> str:
        """Why the file has another name than the requested one; empty if it has the requested name."""
        if any(row.exploratory for row in self.evidence):
            return " (exploratory: the seeds are not the register's)"
        if any(row.verdict is Verdict.DESELECTED for row in self.evidence):
            return " (partial: only some of the claims)"
        return ""

    @property
    def target(self) -> Path:
        """The file to write; a run of other seeds or of some claims never overwrites the file of a whole run."""
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
