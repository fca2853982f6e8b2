"""The reporting side of the pytest plugin: words of verdicts, the last screen, and the files that a run writes.

The reporter takes the expected rows from the plan, so that a row whose test never reported is not lost.
"""

import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, TextIO

import pytest

from featdyn_core.errors import EvidenceError, FeatdynError
from featdyn_core.files import readable
from featdyn_core.harness.plan import Cell
from featdyn_core.launch.progress import Watcher
from featdyn_core.project import expanded
from featdyn_core.pytest_plugin.selection import ROW, row_named, row_of
from featdyn_core.pytest_plugin.session import Session
from featdyn_core.register.register import Register
from featdyn_core.report import wording
from featdyn_core.report.closing import FEW, closing
from featdyn_core.report.junit import EVIDENCE, FAULT, annotate
from featdyn_core.report.markdown import step_summary
from featdyn_core.report.terminal import terminal_table
from featdyn_core.report.wording import CHANGED
from featdyn_core.verdicts import documents
from featdyn_core.verdicts.claim import Verdict

_WORDS = {
    Verdict.SUPPORTED: ("passed", "S", {"green": True}),
    Verdict.EQUIVALENT: ("failed", "=", {"yellow": True}),
    Verdict.REFUTED: ("failed", "R", {"red": True}),
    Verdict.INCONCLUSIVE: ("failed", "?", {"yellow": True}),
    Verdict.INVALID: ("error", "I", {"red": True}),
    Verdict.NOT_RUN: ("skipped", "-", {"yellow": True}),
    Verdict.ERROR: ("error", "E", {"red": True}),
    Verdict.DESELECTED: ("deselected", "-", {"yellow": True}),
}
"""Verdict to pytest's category (which sets colours and exit codes), letter and colour."""


RERUN = "rerun"
"""Outcome that pytest-rerunfailures reports for a test that it runs again."""


def _terminal() -> TextIO:
    """Return the terminal, also while pytest captures output; a null device if standard output is closed."""
    try:
        return os.fdopen(os.dup(1), "w", errors="replace")
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


class Reporter:
    """Collects evidence in the process that owns the terminal; writes the table and the file.

    Args:
        config: pytest's configuration.
        rows: returns every row that a run may include, by its id.
        register: returns the register.
        store: root of the store, whose trainings are watched.

    Raises:
        FeatdynError: the evidence file cannot be written.
    """

    def __init__(
        self,
        config: pytest.Config,
        rows: Callable[[], Mapping[str, Cell]],
        register: Callable[[], Register],
        store: Path,
    ) -> None:
        self.config, self.rows, self.register = config, rows, register
        path = config.getoption("--evidence") or config.rootpath / "evidence.json"
        self.session = Session(expanded(path, "--evidence"))
        self.session.check_path()
        self.fault = ""
        self.terminal = _terminal()
        self.watcher = Watcher(store, self._write_line)
        self.watcher.start()

    def _write_line(self, line: str) -> None:
        self.terminal.write(f"\n  {line}")
        self.terminal.flush()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the rows whose tests were selected."""
        if not session.testsfailed:  # otherwise pytest stops here and has selected none
            self.session.collected |= set(filter(None, map(row_of, session.items)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the rows whose tests a worker selected."""
        if any("[" in nodeid for nodeid in ids):
            rows = self.rows()
            self.session.collected |= {row for nodeid in ids if (row := row_named(nodeid, rows))}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the row of a test, or the reason why it has none; of a repeated test, take the last."""
        if report.outcome == RERUN:
            return
        properties = dict(report.user_properties)
        if report.when == "call" and EVIDENCE in properties:
            row = documents.from_json(str(properties[EVIDENCE]))
            self.session.rows[row.id] = row
            if report.passed and row.verdict is not Verdict.SUPPORTED and not row.here:
                self.fault = f"{row.id} is {row.verdict}, but its test passed; only the verdict may decide how it ends"
        elif report.failed and (name := self._row_of(report)):
            self.session.faults[name] = str(properties.get(FAULT) or report.longrepr)

    def _row_of(self, report: pytest.TestReport) -> str:
        """Return the row of a report; if its process died, the report has only the test's name."""
        return str(getattr(report, ROW, "")) or row_named(report.nodeid, self.session.collected)

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> Any:
        """Show the verdict as the test's word, inside pytest's own categories."""
        if not isinstance(report, pytest.TestReport) or report.when != "call" or report.outcome == RERUN:
            return None
        properties = {name: str(value) for name, value in report.user_properties}
        if EVIDENCE in properties:
            row = documents.from_json(properties[EVIDENCE])
            category, letter, colour = _WORDS[row.verdict]
            if hasattr(report, "wasxfail"):
                return "xfailed", letter.lower(), (wording.verdict(row), colour)
            if report.failed and category == "passed":  # the verdict changed, or the test asserts more
                category, colour = "failed", {"red": True}
            if report.passed and row.here:  # a row trained in this run passes if it is in accord
                category, colour = "passed", {"green": True}
            return category, letter, (wording.verdict(row), colour)
        if FAULT in properties and report.failed:
            return "error", "E", ("ERROR", {"red": True})
        return None

    @pytest.hookimpl(wrapper=True, trylast=True)  # between pytest's own files and its summary
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the evidence, then complete the files of pytest itself; a run without a verdict fails."""
        self.watcher.stop()
        self.terminal.close()
        if self.session.collected:
            self.session.finish(self.rows().values(), self.register(), self._circumstances())
            self._try(self.session.write)
        result = yield
        if self.session.collected:
            self._try(self._write_for_ci)
            decided = any(row.verdict.decided for row in self.session.evidence)
            lost = any(row.verdict is Verdict.ERROR for row in self.session.evidence)
            if (self.fault or lost or not decided) and not session.exitstatus:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return result

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except FeatdynError as error:
            self.fault = self.fault or str(error)

    def _write_for_ci(self) -> None:
        """Write verdicts and numbers into the files that continuous integration reads.

        Raises:
            EvidenceError: the step summary cannot be written.
        """
        rows, path = self.session.evidence, getattr(self.config.option, "xmlpath", None)
        if path:
            annotate(Path(os.path.expandvars(path)).expanduser(), rows, keep=self.config.option.junit_evidence)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(summary, "a", encoding="utf-8") as file:
                    file.write("\n".join([*step_summary(rows), ""]))  # the next step's page begins a line
            except OSError as error:
                raise EvidenceError(f"GITHUB_STEP_SUMMARY {summary} cannot be written ({error.strerror})") from error

    def _circumstances(self) -> dict[str, Any]:
        option = self.config.option
        return {
            "command": ["pytest", *(readable(str(part)) for part in self.config.invocation_params.args)],
            "selection": {"markers": option.markexpr, "keywords": option.keyword},
            "seeds": self.config.getoption("--seeds"),
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the counts of verdicts, and with few rows or -v also the numbers of each row."""
        rows, width = self.session.evidence, terminalreporter._tw.fullwidth
        if not rows:
            return
        terminalreporter.section("claims")
        selected = sum(row.verdict is not Verdict.DESELECTED for row in rows)
        detailed = selected <= FEW or self.config.option.verbose > 0
        colours = {str(verdict): colour for verdict, (_, _, colour) in _WORDS.items()}
        for line in [*([*terminal_table(rows, width), ""] if detailed else []), *closing(rows, width)]:
            found = next((colour for word, colour in colours.items() if word in line), {})
            found = {"red": True} if CHANGED in line else found
            terminalreporter.write_line(line, **found)
        if not detailed:
            terminalreporter.write_line("to see the numbers of each row: pytest -v, or featdyn report")
        if not any(row.verdict.decided for row in rows):
            terminalreporter.write_line("no claim was decided, so this run is not evidence and fails", red=True)
        if self.fault:
            terminalreporter.write_line(self.fault, red=True)
        else:
            terminalreporter.write_line(f"evidence: {self.session.target}{self.session.remark}")
            terminalreporter.write_line(f"next: featdyn report {os.path.relpath(self.session.target)}")
