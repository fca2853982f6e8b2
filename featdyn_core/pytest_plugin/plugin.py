"""The pytest plugin: options, markers, the ``decide`` and ``judge`` fixtures, and the collection of tests.

The hooks are thin, over pure modules. Evidence travels from the test to the reporting process (see ``reporter``) as one
JSON string in ``user_properties``, which works with and without pytest-xdist.
"""

import functools
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from featdyn_core.errors import FeatdynError
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.multiverse import with_multiverse
from featdyn_core.harness.plan import Cell
from featdyn_core.harness.run import Decide, Measure
from featdyn_core.harness.sweeps import all_rows
from featdyn_core.harness.tiers import SWEEP, scales_run
from featdyn_core.planted import Judge, World, verdict_in
from featdyn_core.project import expanded, register_folder, store_root, sweeps_folder
from featdyn_core.pytest_plugin.reporter import Reporter
from featdyn_core.pytest_plugin.selection import ROW, deselect, leave_out, row_of
from featdyn_core.register.reading import load_register, parse_seeds
from featdyn_core.register.register import AUTO, FAST, FULL, Register
from featdyn_core.register.sweeps import load_sweeps
from featdyn_core.report.junit import EVIDENCE, FAULT
from featdyn_core.verdicts import documents
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

TIERS = {
    FAST: "small trainings on data that needs no download, and published records judged again",
    FULL: "the paper's data sets and networks, at one of the tier's scales (--scale)",
    SWEEP: "claims decided again with one thing varied (claims/sweeps), at one scale (--scale)",
    "calibration": "error rates of the claim tests over planted worlds",
    "mutation": "faults planted in the core; each must make a claim fail",
}
"""Marker to a description of its tests."""

COSTLY = tuple(tier for tier in TIERS if tier != FAST)
"""Tiers that run only if ``-m`` names them."""

PRECISIONS = ("fp16", "fp32", "tf32")

P = ParamSpec("P")
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add featdyn's options."""
    group = parser.getgroup("featdyn", "empirical claims about training dynamics")
    group.addoption("--device", default="auto", help="where to train and measure: auto (default), cpu, cuda, ...")
    group.addoption(
        "--scale",
        default=AUTO,
        help="a scale of the register, for its own tier and for sweeps; auto (default): the tier's first scale, or its "
        "last on a GPU; for sweeps the register's first scale",
    )
    group.addoption(
        "--store", default=None, help="--store=DIR: folder of the store (default: FEATDYN_STORE, or fixtures/cache)"
    )
    group.addoption(
        "--precision", choices=PRECISIONS, default="fp32", help="precision of composite grids; tf32 and fp16 need a GPU"
    )
    group.addoption(
        "--no-train", action="store_true", help="train nothing: a claim without its trajectories is NOT RUN"
    )
    group.addoption("--seeds", default=None, help="use these seeds, such as 0,1,2 or 0-4; the run is then exploratory")
    group.addoption("--evidence", default=None, help="--evidence=FILE: evidence file to write (default: evidence.json)")
    group.addoption("--multiverse", action="store_true", help="add each row's verdict under every other specification")
    group.addoption("--junit-evidence", action="store_true", help="keep every row's JSON in the --junitxml file")
    group.addoption(
        "--no-known-findings", action="store_true", help="fail every verdict except SUPPORTED, also known findings"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and the reporter in the process that owns the terminal."""
    config.addinivalue_line("markers", "claim(id): the claim of the register that this test decides or probes")
    for tier, text in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: {text}")
    if config.option.markexpr in TIERS and config.getoption("maxschedchunk", 1) is None:
        config.option.maxschedchunk = 1  # pytest-xdist's: tests of a tier are few and long
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        known = functools.partial(_rows, config), functools.partial(_register, config)
        config.pluginmanager.register(_usage(Reporter)(config, *known, _store(config)), "featdyn-reporter")


def _usage(function: Callable[P, T]) -> Callable[P, T]:
    """Turn featdyn's errors into pytest's one-line usage errors."""

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
    """Every row that a run may include, by its id."""
    if _ROWS not in config.stash:
        options = {"seeds": parse_seeds(config.getoption("--seeds")), "precision": config.getoption("--precision")}
        register = _register(config)
        rows = all_rows(register, load_sweeps(sweeps_folder(), register), **options)
        config.stash[_ROWS] = {row.id: row for row in rows}
    return config.stash[_ROWS]


def _claim_of(node: Any, config: pytest.Config, fixture: str) -> list[Cell]:
    """Return the rows of the claim that a test names; there is at least one.

    Raises:
        pytest.UsageError: the test names no claim, or one that the register does not have.
    """
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
    """Give each xdist worker its own GPU, if there are several."""
    import torch

    from featdyn_core.devices import cuda_devices, resolve_device

    name, worker = config.getoption("--device"), os.environ.get("PYTEST_XDIST_WORKER", "")
    if resolve_device(name) == torch.device("cuda") and worker.startswith("gw"):
        return f"cuda:{int(worker[2:]) % cuda_devices()[0]}"
    return str(name)


@pytest.fixture
def decide(request: pytest.FixtureRequest, laboratory: Laboratory) -> Decide:
    """Return a function that measures this test's claim, records the evidence and ends the test by the verdict."""
    for name in (EVIDENCE, FAULT):  # left from an earlier run, if another plugin repeats the test
        _hand_over(request.node, name)

    def run(measure: Measure) -> Evidence:
        __tracebackhide__ = True
        row = laboratory.decide(request.param, measure)
        if request.config.getoption("--multiverse"):
            row = with_multiverse(row, laboratory, measure)
        _hand_over(request.node, EVIDENCE, documents.to_json(row))
        strict = request.config.getoption("--no-known-findings") or request.config.getoption("--runxfail")
        known = bool(row.known) and not strict
        if row.verdict is Verdict.NOT_RUN:
            pytest.skip(row.message())
        if known and row.changed:
            pytest.fail(row.message(), pytrace=False)
        if row.here and known and row.verdict is not Verdict.INVALID:
            return row
        if row.verdict is not Verdict.SUPPORTED:
            (pytest.xfail if known else functools.partial(pytest.fail, pytrace=False))(row.message())
        return row

    return run


def _hand_over(item: pytest.Item, name: str, *values: str) -> None:
    """Leave a property for the reporting process; it replaces one of the same name."""
    item.user_properties[:] = [(known, value) for known, value in item.user_properties if known != name]
    item.user_properties += [(name, value) for value in values]


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Return a function that judges this test's claim in a planted world, and asserts the expected verdict.

    Bounds and numbers come from the first scale and subject that the register has for the claim. If that scale is like
    another row, they come from that row, because planted networks have its depths.
    """
    row = _claim_of(request.node, request.config, "judge")[0]
    is_like = row.scale.model[1] in row.entry.subjects
    place = row.scale.model if is_like else (row.scale.name, row.subject)
    claim, protocol = row.entry.claim(*place), row.entry.protocol_of(*place)

    def run(measure: Measure, world: World) -> Verdict:
        verdict = verdict_in(world, claim, measure, protocol=protocol)
        assert world.verdict in (None, verdict), (
            f"{row.entry.id}: {verdict} in a world where {world.verdict} is expected"
        )
        return verdict

    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a claim test once for every row that the register has for it, each row in its tier."""
    if "decide" not in metafunc.fixturenames:
        return
    chosen = _claim_of(metafunc.definition, metafunc.config, "decide")
    parameters = [pytest.param(row.id, marks=getattr(pytest.mark, row.tier), id=row.id) for row in chosen]
    metafunc.parametrize("decide", parameters, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put tests that probe a claim without deciding it, such as planted worlds, into the fast tier."""
    if item.get_closest_marker("claim") and not any(item.get_closest_marker(name) for name in TIERS):
        item.add_marker(getattr(pytest.mark, FAST))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check that every test of a claim belongs to one tier, and select one scale of the full tier and of sweeps.

    Costly tiers run only if ``-m`` names them. Tests that may train come first, so that processes that share the work
    end at about the same time.

    Raises:
        pytest.UsageError: a test of a claim has no tier, or several.
    """
    for item in items:
        tiers = [name for name in TIERS if item.get_closest_marker(name)]
        if item.get_closest_marker("claim") and len(tiers) != 1:
            raise pytest.UsageError(f"{item.nodeid} must have exactly one of the markers {tuple(TIERS)}, has {tiers}")
    leave_out(config, items, COSTLY)
    items.sort(key=lambda item: not _may_train(item, config))
    large = [tier for tier in (FULL, SWEEP) if any(item.get_closest_marker(tier) for item in items)]
    if not large:
        return
    scales = _scales(config, large)
    other = {name for name, row in _rows(config).items() if scales.get(row.tier, row.scale.name) != row.scale.name}
    deselect(config, items, [item for item in items if row_of(item) in other])


def _may_train(item: pytest.Item, config: pytest.Config) -> bool:
    """Whether a test decides a claim on trainings, rather than on published records."""
    return bool(row_of(item)) and not _rows(config)[row_of(item)].replayed


@_usage
def _scales(config: pytest.Config, tiers: list[str]) -> dict[str, str]:
    chosen, device = config.getoption("--scale"), config.getoption("--device")
    return scales_run(_register(config), tiers, chosen=chosen, device=device)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show featdyn's errors in a claim's tests by their message alone: a missing measurement is not a failed claim."""
    fault = bool(call.excinfo and call.excinfo.errisinstance(FeatdynError) and item.get_closest_marker("claim"))
    if call.excinfo and fault:
        _hand_over(item, FAULT, str(call.excinfo.value))
    report = yield
    setattr(report, ROW, row_of(item))
    if call.excinfo and fault:
        report.longrepr = f"{call.excinfo.typename}: {call.excinfo.value}"
    return report
