"""The pytest plugin: options, markers, the ``decide`` and ``judge`` fixtures, verdict words, the table at the end.

Thin hooks over pure modules. Evidence travels from the test to the reporting process as one JSON string in
``user_properties``, which works with and without pytest-xdist and ends up in JUnit files. The reporter knows from the
plan which rows a run should give, so that a row whose test never reported is not lost.
"""

import functools
import os
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from featdyn_core.errors import FeatdynError
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.plan import Cell, all_cells
from featdyn_core.harness.planted import World, verdict_in
from featdyn_core.harness.run import Measure
from featdyn_core.harness.sweeps import swept
from featdyn_core.launch.progress import Watcher
from featdyn_core.launch.session import Session
from featdyn_core.project import expanded, register_folder, store_root, sweeps_folder
from featdyn_core.report import wording
from featdyn_core.report.terminal import terminal_table
from featdyn_core.report.wording import CHANGED
from featdyn_core.verdicts import evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.register import Register, load_register, parse_seeds
from featdyn_core.verdicts.sweep import load_sweeps

PROPERTY = "featdyn-evidence"
FAULT = "featdyn-fault"
TIERS = ("fast", "full", "sweep", "calibration", "mutation")
PRECISIONS = ("fp16", "fp32", "tf32")

_WORDS = {
    Verdict.SUPPORTED: ("passed", "S", {"green": True}),
    Verdict.REFUTED: ("failed", "R", {"red": True}),
    Verdict.INCONCLUSIVE: ("failed", "?", {"yellow": True}),
    Verdict.INVALID: ("error", "I", {"red": True}),
    Verdict.NOT_RUN: ("skipped", "-", {"yellow": True}),
    Verdict.ERROR: ("error", "E", {"red": True}),
    Verdict.DESELECTED: ("deselected", "-", {"yellow": True}),
}
"""Verdict to pytest's category (which keeps colours and exit codes right), letter and colour."""

P = ParamSpec("P")
T = TypeVar("T")

Decide = Callable[[Measure], Evidence]
Judge = Callable[[Measure, World], Verdict]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add featdyn's options."""
    group = parser.getgroup("featdyn", "empirical claims about training dynamics")
    group.addoption("--device", default="auto", help="where to train and measure: auto (default), cpu, cuda, ...")
    group.addoption(
        "--scale",
        choices=["auto", "reduced", "paper"],
        default="auto",
        help="scale of the full tier: paper (the default with a GPU) or reduced (without); of sweeps in place of small",
    )
    group.addoption("--store", default=None, help="--store=DIR: default FEATDYN_STORE, or fixtures/cache")
    group.addoption("--precision", choices=PRECISIONS, default="fp32", help="of composite grids; tf32, fp16: for GPUs")
    group.addoption("--no-train", action="store_true", help="a claim whose trajectories are missing is NOT RUN")
    group.addoption("--seeds", default=None, help="such as 0,1,2 or 0-4, not the register's: an exploratory run")
    group.addoption("--evidence", default=None, help="--evidence=FILE: to be written (default: evidence.json)")
    group.addoption(
        "--no-known-findings", action="store_true", help="every verdict but SUPPORTED fails, known findings as well"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, in the process that owns the terminal, the reporter."""
    for line in (
        "claim(id): the claim of the register that this test decides or probes",
        "fast: small variants on data that needs no download, and published records judged again",
        "full: the paper's data sets and networks (--scale reduced or paper)",
        "sweep: claims decided again where one thing is varied (claims/sweeps; small scale, or --scale)",
        "calibration: error rates of the claim tests over planted worlds",
        "mutation: breaks the core on purpose; a claim must turn red",
    ):
        config.addinivalue_line("markers", line)
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(_Reporter(config), "featdyn-reporter")


def _usage(function: Callable[P, T]) -> Callable[P, T]:
    """Turn featdyn's errors into one line of pytest's own on bad usage."""

    @functools.wraps(function)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except FeatdynError as error:
            raise pytest.UsageError(str(error)) from error

    return wrapped


_REGISTER = pytest.StashKey[Register]()
_ROWS = pytest.StashKey[dict[str, Cell]]()


@_usage
def _register(config: pytest.Config) -> Register:
    if _REGISTER not in config.stash:
        config.stash[_REGISTER] = load_register(register_folder())
    return config.stash[_REGISTER]


@_usage
def _rows(config: pytest.Config) -> dict[str, Cell]:
    """Every row that a run may ask for, by its id."""
    if _ROWS not in config.stash:
        options = {"seeds": parse_seeds(config.getoption("--seeds")), "precision": config.getoption("--precision")}
        register = _register(config)
        rows = all_cells(register, **options)
        for sweep in load_sweeps(sweeps_folder(), register):
            rows += swept(register, sweep, **options)
        config.stash[_ROWS] = {row.id: row for row in rows}
    return config.stash[_ROWS]


def _claim_of(node: Any, config: pytest.Config, fixture: str) -> list[Cell]:
    """Return the rows of the claim that a test names, which are some."""
    marker = node.get_closest_marker("claim")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(f"{node.nodeid} uses {fixture} without @pytest.mark.claim(<id>)")
    known = _register(config).entries
    if marker.args[0] not in known:
        raise pytest.UsageError(f"{node.nodeid}: unknown claim {marker.args[0]!r}; the register has {', '.join(known)}")
    return [row for row in _rows(config).values() if row.entry.id == marker.args[0]]


@pytest.fixture(scope="session")
def laboratory(request: pytest.FixtureRequest) -> Laboratory:
    """Register, rows, store and published records of this session."""
    config = request.config
    root = _store(config)

    @_usage
    def open_store() -> Any:
        from featdyn_core.store.supply import Store

        return Store(root, device=_device(config), download=not config.getoption("--no-train"))

    return Laboratory(_register(config), _rows(config), root, open_store, train=not config.getoption("--no-train"))


@_usage
def _store(config: pytest.Config) -> Path:
    chosen = config.getoption("--store")
    return expanded(chosen, "--store") if chosen else store_root()


def _device(config: pytest.Config) -> str:
    """Give each xdist worker its own GPU, where there are several."""
    import torch

    from featdyn_core.numerics import resolve_device

    name, worker = config.getoption("--device"), os.environ.get("PYTEST_XDIST_WORKER", "")
    if resolve_device(name) == torch.device("cuda") and worker.startswith("gw"):
        return f"cuda:{int(worker[2:]) % torch.cuda.device_count()}"
    return str(name)


@pytest.fixture
def decide(request: pytest.FixtureRequest, laboratory: Laboratory) -> Decide:
    """Return a function that measures this test's claim, records the evidence and ends the test by the verdict."""

    def run(measure: Measure) -> Evidence:
        __tracebackhide__ = True
        row = laboratory.decide(request.param, measure)
        request.node.user_properties.append((PROPERTY, evidence.to_json(row)))
        strict = request.config.getoption("--no-known-findings") or request.config.getoption("--runxfail")
        known = bool(row.known) and not strict
        if row.verdict is Verdict.NOT_RUN:
            pytest.skip(row.message())
        if known and row.changed:
            pytest.fail(row.message(), pytrace=False)
        if row.verdict is not Verdict.SUPPORTED:
            (pytest.xfail if known else functools.partial(pytest.fail, pytrace=False))(row.message())
        return row

    return run


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Return a function that judges this test's claim in a planted world, and asserts the verdict that is due there.

    Bounds are those of the first scale and subject that the register has for the claim.
    """
    row = _claim_of(request.node, request.config, "judge")[0]

    def run(measure: Measure, world: World) -> Verdict:
        verdict = verdict_in(world, row.claim, measure)
        assert world.verdict in (None, verdict), f"{row.entry.id}: {verdict} in a world where {world.verdict} is due"
        return verdict

    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a claim test once for every row that the register has for it, each in its tier."""
    if "decide" not in metafunc.fixturenames:
        return
    chosen = _claim_of(metafunc.definition, metafunc.config, "decide")
    parameters = [pytest.param(row.id, marks=getattr(pytest.mark, row.tier), id=row.id) for row in chosen]
    metafunc.parametrize("decide", parameters, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What probes a claim without deciding it, as in planted worlds, belongs to the fast tier."""
    if item.get_closest_marker("claim") and not any(item.get_closest_marker(name) for name in TIERS):
        item.add_marker(pytest.mark.fast)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test of a claim belongs to exactly one tier; of the full tier's and of sweeps' scales one is run."""
    for item in items:
        tiers = [name for name in TIERS if item.get_closest_marker(name)]
        if item.get_closest_marker("claim") and len(tiers) != 1:
            raise pytest.UsageError(f"{item.nodeid} must have exactly one of the markers {TIERS}, has {tiers}")
    large = [tier for tier in ("full", "sweep") if any(item.get_closest_marker(tier) for item in items)]
    if not large:
        return
    scales = {tier: _full_scale(config) if tier == "full" else _sweep_scale(config) for tier in large}
    other = {name for name, row in _rows(config).items() if scales.get(row.tier, row.scale.name) != row.scale.name}
    left_out = [item for item in items if _row_of(item.nodeid) in other]
    if left_out:
        items[:] = [item for item in items if _row_of(item.nodeid) not in other]
        config.hook.pytest_deselected(items=left_out)


@_usage
def _full_scale(config: pytest.Config) -> str:
    chosen = str(config.getoption("--scale"))
    if chosen != "auto":
        return chosen
    from featdyn_core.numerics import resolve_device

    return "paper" if resolve_device(config.getoption("--device")).type == "cuda" else "reduced"


def _sweep_scale(config: pytest.Config) -> str:
    chosen = str(config.getoption("--scale"))
    return "small" if chosen == "auto" else chosen


def _row_of(nodeid: str) -> str:
    """Return the id of the row that a test decides, if it decides one."""
    found = re.search(r"\[([^\[\]]+)\]$", nodeid)
    return found[1] if found else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In a claim's tests show featdyn's errors as their message alone: who could not measure has found no failure."""
    fault = bool(call.excinfo and call.excinfo.errisinstance(FeatdynError) and item.get_closest_marker("claim"))
    if call.excinfo and fault:
        item.user_properties.append((FAULT, str(call.excinfo.value)))
    report = yield
    if call.excinfo and fault:
        report.longrepr = f"{call.excinfo.typename}: {call.excinfo.value}"
    return report


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> Any:
    """Show the verdict as the test's word, inside pytest's own categories."""
    if not isinstance(report, pytest.TestReport) or report.when != "call":
        return None
    properties = {name: str(value) for name, value in report.user_properties}
    if PROPERTY in properties:
        row = evidence.from_json(properties[PROPERTY])
        category, letter, colour = _WORDS[row.verdict]
        if hasattr(report, "wasxfail"):
            return "xfailed", letter.lower(), (wording.verdict(row), colour)
        if report.failed and category == "passed":  # it changed, or the test asks for more
            category, colour = "failed", {"red": True}
        return category, letter, (wording.verdict(row), colour)
    if FAULT in properties and report.failed:
        return "error", "E", ("ERROR", {"red": True})
    return None


class _Reporter:
    """Collects evidence in the process that owns the terminal; writes the table and the file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        path = config.getoption("--evidence") or config.rootpath / "evidence.json"
        self.session = Session(_usage(expanded)(path, "--evidence"))
        _usage(self.session.check_path)()
        self.fault = ""
        store = _store(config)
        self.terminal = os.fdopen(os.dup(1), "w", errors="replace")  # stays connected while pytest captures it
        self.watcher = Watcher(store, self._write_line)
        self.watcher.start()

    def _write_line(self, line: str) -> None:
        self.terminal.write(f"\n  {line}")
        self.terminal.flush()

    def _collected(self, nodeids: Iterable[str]) -> None:
        rows = _rows(self.config) if any(_row_of(nodeid) for nodeid in nodeids) else {}
        self.session.collected |= {row for row in map(_row_of, nodeids) if row in rows}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not session.testsfailed:  # else pytest stops here, and has not selected any
            self._collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._collected(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when == "call" and PROPERTY in properties:
            row = evidence.from_json(str(properties[PROPERTY]))
            self.session.rows[row.id] = row
        elif report.failed and _row_of(report.nodeid):
            self.session.faults[_row_of(report.nodeid)] = str(properties.get(FAULT) or report.longrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.watcher.stop()
        self.terminal.close()
        if not self.session.collected:
            return
        self.session.finish(_rows(self.config).values(), _register(self.config), self._circumstances())
        try:
            self.session.write()
        except FeatdynError as error:
            self.fault = str(error)
        decided = any(row.verdict.decided for row in self.session.evidence)
        if (self.fault or not decided) and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _circumstances(self) -> dict[str, Any]:
        option = self.config.option
        return {
            "command": ["pytest", *map(str, self.config.invocation_params.args)],
            "selection": {"markers": option.markexpr, "keywords": option.keyword},
            "seeds": self.config.getoption("--seeds"),
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        rows = self.session.evidence
        if not rows:
            return
        terminalreporter.section("claims")
        colours = {str(verdict): colour for verdict, (_, _, colour) in _WORDS.items()}
        for line in terminal_table(rows, terminalreporter._tw.fullwidth):
            found = next((colour for word, colour in colours.items() if word in line), {})
            found = {"red": True} if CHANGED in line else found
            terminalreporter.write_line(line, **found)
        if not any(row.verdict.decided for row in rows):
            terminalreporter.write_line("no claim was decided: this run is no evidence, and it fails", red=True)
        if self.fault:
            terminalreporter.write_line(self.fault, red=True)
        else:
            terminalreporter.write_line(f"evidence: {self.session.target}{self.session.remark}")
