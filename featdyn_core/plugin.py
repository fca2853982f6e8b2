"""The pytest plugin: options, markers, the ``decide`` fixture, verdict words, the table at the end.

Thin hooks over pure modules. Evidence travels from the test to the reporting process as one JSON string in
``user_properties``, which works with and without pytest-xdist and ends up in JUnit files.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from featdyn_core.errors import (
    AbsentDataError,
    DataError,
    FeatdynError,
    MissingTrajectoryError,
    StoreError,
    TrainingError,
)
from featdyn_core.harness.register import Measure, Measured, Register, Runs, Scale, load_register, parse_seeds
from featdyn_core.launch.progress import Watcher
from featdyn_core.measures.composites.engine import PRECISIONS
from featdyn_core.numerics import resolve_device
from featdyn_core.report.html import terminal_table
from featdyn_core.store.heartbeats import grid_beats
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import load_recipe, recipes_folder
from featdyn_core.verdicts import evidence
from featdyn_core.verdicts.claim import Evidence, Verdict

PROPERTY = "featdyn-evidence"
FAULT = "featdyn-fault"
TIERS = ("fast", "full", "calibration", "mutation")

_WORDS = {
    Verdict.SUPPORTED: ("passed", "S", {"green": True}),
    Verdict.REFUTED: ("failed", "R", {"red": True}),
    Verdict.INCONCLUSIVE: ("failed", "?", {"yellow": True}),
    Verdict.INVALID: ("error", "I", {"red": True}),
    Verdict.NOT_RUN: ("skipped", "-", {"yellow": True}),
}
"""Verdict to pytest's category (which keeps colours and exit codes right), letter and colour."""

Decide = Callable[[Measure], Evidence]
Judge = Callable[[Measured], Verdict]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add featdyn's options."""
    group = parser.getgroup("featdyn", "empirical claims about training dynamics")
    group.addoption("--device", default="auto", help="where to train and measure: auto (default), cpu, cuda, ...")
    group.addoption(
        "--scale",
        choices=["auto", "reduced", "paper"],
        default="auto",
        help="scale of the full tier: paper (the default with a GPU) or reduced (without)",
    )
    group.addoption(
        "--store", default=None, help="--store=DIR: of trajectories (default: FEATDYN_STORE, fixtures/cache)"
    )
    group.addoption(
        "--precision", choices=sorted(PRECISIONS), default="fp32", help="of composite grids; tf32 and fp16 are for GPUs"
    )
    group.addoption("--no-train", action="store_true", help="a claim whose trajectories are missing is NOT RUN")
    group.addoption("--seeds", default=None, help="training seeds, such as 0,1,2, in place of the register's")
    group.addoption("--evidence", default=None, help="--evidence=FILE: to be written (default: evidence.json)")
    parser.addini("featdyn_register", "path of the claims' register", default="claims/register.toml")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, in the process that owns the terminal, the reporter."""
    for line in (
        "claim(id): the claim of the register that this test decides or probes",
        "fast: small variants on data that needs no download",
        "full: the paper's data sets and networks (--scale reduced or paper)",
        "calibration: error rates of the claim tests over planted worlds",
        "mutation: breaks the core on purpose; a claim must turn red",
    ):
        config.addinivalue_line("markers", line)
    if _is_worker(config) or config.option.collectonly:
        return
    config.pluginmanager.register(_Reporter(config, _store(config).root), "featdyn-reporter")


def _store(config: pytest.Config) -> Store:
    """Return the store that the options name, on this process's device."""
    chosen = config.getoption("--store")
    try:
        return Store(Path(chosen) if chosen else None, device=_device(config.getoption("--device")))
    except FeatdynError as error:
        raise pytest.UsageError(str(error)) from error


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


class _Laboratory:
    """What all claim tests of a process share: register, store, scale, seeds."""

    def __init__(self, config: pytest.Config) -> None:
        self.register: Register = load_register(config.rootpath / config.getini("featdyn_register"))
        self.store = _store(config)
        self.store.download = not config.getoption("--no-train")
        self.train = not config.getoption("--no-train")
        try:
            self.seeds = parse_seeds(config.getoption("--seeds"))
        except FeatdynError as error:
            raise pytest.UsageError(str(error)) from error
        self.full_scale = config.getoption("--scale")
        self.precision = config.getoption("--precision")

    def scale(self, tier: str) -> Scale:
        return self.register.scale(tier, self.full_scale, self.store.device)

    def decide(self, claim: str, tier: str, subject: str, measure: Measure) -> Evidence:
        """Measure and judge one claim on one subject."""
        started = time.monotonic()
        entry, scale = self.register.entry(claim), self.scale(tier)
        seeds = self.seeds or scale.seeds
        facts: dict[str, Any] = {"claim": claim, "section": entry.section, "subject": subject, "tier": tier}
        facts |= {"scale": scale.name, "environment": evidence.environment(str(self.store.device))}
        try:
            runs = self._runs(claim, scale, subject, seeds)
        except (AbsentDataError, MissingTrajectoryError) as error:
            return Evidence(**facts, verdict=Verdict.NOT_RUN, reason=str(error))
        with grid_beats(self.store.root, claim, subject) as progress:
            runs = dataclasses.replace(runs, precision=self.precision, progress=progress)
            measured = measure(runs)
        if runs.flip_rates:
            facts["environment"] |= {"precision of grids": self.precision, "flip rate": max(runs.flip_rates)}
        verdict, findings = entry.claim(scale.name).judge(measured.values, confidence=scale.confidence)
        used = [trajectory for arm in runs.arms.values() for trajectory in arm]
        facts |= evidence.provenance(used)
        return Evidence(
            verdict=verdict,
            findings=findings,
            seeds=tuple(seeds),
            curves=measured.curves,
            seconds=round(time.monotonic() - started, 2),
            **facts,
        )

    def _runs(self, claim: str, scale: Scale, subject: str, seeds: tuple[int, ...]) -> Runs:
        entry = self.register.entry(claim)
        recipes = {}
        for arm, suffix in entry.arms_of(scale.name).items():
            name = scale.recipes.get(subject, f"{subject}-{scale.name}") + suffix
            if not (recipes_folder() / f"{name}.toml").is_file():
                raise AbsentDataError(
                    f"there is no recipe {name!r}: {subject} has no {scale.name} scale for this claim"
                )
            recipes[arm] = load_recipe(name)
        requests = [(recipe, seed) for seed in seeds for recipe in recipes.values()]
        found = [
            dataclasses.replace(trajectory, evaluation_images=scale.images)
            for trajectory in self.store.get_many(requests, train=self.train)
        ]
        arms = {arm: found[position :: len(recipes)] for position, arm in enumerate(recipes)}
        return Runs(arms, entry.windows_of(scale.name, subject))


def _device(name: str) -> str:
    """Give each xdist worker its own GPU, where there are several."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if resolve_device(name) == torch.device("cuda") and worker.startswith("gw"):
        return f"cuda:{int(worker[2:]) % torch.cuda.device_count()}"
    return name


@pytest.fixture(scope="session")
def laboratory(request: pytest.FixtureRequest) -> Iterator[_Laboratory]:
    """Register, store and scale of this session."""
    before = torch.get_num_threads()
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    only_fast = not any(item.get_closest_marker("full") for item in request.session.items)
    torch.set_num_threads(1 if only_fast else max(1, before // workers))
    yield _Laboratory(request.config)
    torch.set_num_threads(before)


@pytest.fixture
def decide(request: pytest.FixtureRequest, laboratory: _Laboratory) -> Decide:
    """Return a function that measures this test's claim, records the evidence and ends the test by the verdict."""
    claim = request.node.get_closest_marker("claim").args[0]
    tier = "full" if request.node.get_closest_marker("full") else "fast"

    def run(measure: Measure) -> Evidence:
        __tracebackhide__ = True
        row = laboratory.decide(claim, tier, request.param, measure)
        request.node.user_properties.append((PROPERTY, evidence.to_json(row)))
        if row.verdict is Verdict.NOT_RUN:
            pytest.skip(row.message())
        if row.verdict is not Verdict.SUPPORTED:
            pytest.fail(row.message(), pytrace=False)
        return row

    return run


@pytest.fixture
def judge(request: pytest.FixtureRequest, laboratory: _Laboratory) -> Judge:
    """Return a function that judges measurements by this test's claim at small scale, for worlds that are planted."""
    scale = laboratory.scale("fast")
    claim = laboratory.register.entry(request.node.get_closest_marker("claim").args[0]).claim(scale.name)
    return lambda measured: claim.judge(measured.values, confidence=scale.confidence)[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a claim test once for every subject that its tier has."""
    if "decide" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("claim")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} uses decide without @pytest.mark.claim(<id>)")
    try:
        register = load_register(metafunc.config.rootpath / metafunc.config.getini("featdyn_register"))
        entry = register.entry(marker.args[0])
    except FeatdynError as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from error
    full = metafunc.definition.get_closest_marker("full")
    scales = ["paper", "reduced"] if full else ["small"]
    subjects = dict.fromkeys(subject for scale in scales for subject in register.scales[scale].recipes)
    chosen = [subject for subject in subjects if not full or not entry.subjects or subject in entry.subjects]
    metafunc.parametrize("decide", chosen, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of a claim belongs to exactly one tier."""
    for item in items:
        tiers = [name for name in TIERS if item.get_closest_marker(name)]
        if item.get_closest_marker("claim") and len(tiers) != 1:
            raise pytest.UsageError(f"{item.nodeid} must have exactly one of the markers {TIERS}, has {tiers}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show featdyn's own errors as their message alone; a fault of store, data or training is an error, no failure."""
    if call.excinfo and call.excinfo.errisinstance((StoreError, DataError, TrainingError)):
        item.user_properties.append((FAULT, str(call.excinfo.value)))
    report = yield
    if call.excinfo and call.excinfo.errisinstance(FeatdynError):
        report.longrepr = f"{call.excinfo.typename}: {call.excinfo.value}"
    return report


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> Any:
    """Show the verdict as the test's word, inside pytest's own categories."""
    if not isinstance(report, pytest.TestReport) or report.when != "call":
        return None
    properties = {name: str(value) for name, value in report.user_properties}
    if PROPERTY in properties:
        verdict = evidence.from_json(properties[PROPERTY]).verdict
        category, letter, colour = _WORDS[verdict]
        return category, letter, (str(verdict), colour)
    if FAULT in properties and report.failed:
        return "error", "E", ("ERROR", {"red": True})
    return None


class _Reporter:
    """Collects evidence in the process that owns the terminal; writes the table and the file."""

    def __init__(self, config: pytest.Config, root: Path) -> None:
        self.path = Path(config.getoption("--evidence") or config.rootpath / "evidence.json")
        self.rows: dict[str, Evidence] = {}
        self.terminal = os.fdopen(os.dup(1), "w")  # stays connected while pytest captures file descriptor 1
        self.watcher = Watcher(root, self._write_line)
        self.watcher.start()

    def _write_line(self, line: str) -> None:
        self.terminal.write(f"\n  {line}")
        self.terminal.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when == "call" and PROPERTY in properties:
            self.rows[report.nodeid] = evidence.from_json(str(properties[PROPERTY]))

    @property
    def ordered(self) -> list[Evidence]:
        """Rows in the order of the tests' names in their files: the same with and without xdist."""
        return [self.rows[name] for name in sorted(self.rows)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.watcher.stop()
        self.terminal.close()
        if self.rows:
            evidence.write_evidence(self.path, self.ordered)
            if all(row.verdict is Verdict.NOT_RUN for row in self.rows.values()) and not session.exitstatus:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.rows:
            return
        terminalreporter.section("claims")
        colours = {str(verdict): colour for verdict, (_, _, colour) in _WORDS.items()}
        for line in terminal_table(self.ordered, terminalreporter._tw.fullwidth):
            found = next((colour for word, colour in colours.items() if word in line), {})
            terminalreporter.write_line(line, **found)
        if all(row.verdict is Verdict.NOT_RUN for row in self.rows.values()):
            terminalreporter.write_line("no claim was decided: this run is no evidence, and it fails", red=True)
        terminalreporter.write_line(f"evidence: {self.path}")
