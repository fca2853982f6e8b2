"""Register, claim files and documents agree: every claim is tested, and every test belongs to a claim."""

import dataclasses
import re
import statistics

import numpy as np
import pytest

from claims.meta.modules import HERE, claim_modules
from featdyn_core.harness.plan import cells, requests
from featdyn_core.harness.sweeps import swept
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Register
from featdyn_core.register.sweeps import load_sweeps
from featdyn_core.report.marked_tables import documents, outdated, tables
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import EMPIRICAL, Verdict
from featdyn_core.verdicts.criterion import Role
from featdyn_core.verdicts.units import Unit

ROOT = HERE.parent
MODULES = claim_modules()


@pytest.fixture(scope="module")
def register() -> Register:
    return load_register(HERE / "register")


def test_claims_of_the_register_and_claim_files_correspond(register):
    assert set(MODULES) == set(register.entries)
    for claim, module in MODULES.items():
        assert module.__name__ == f"claims.test_{claim.replace('-', '_')}"


def test_documents_say_what_register_and_evidence_say():
    """The README has every claim with its finding and meaning, and the evidence page has every decided row."""
    assert not outdated(ROOT), "mend it with: featdyn docs"
    places = [name for names in documents(ROOT).values() for name in names]
    assert sorted(places) == sorted(tables(ROOT))


@pytest.mark.parametrize("scale", load_register(HERE / "register").scales)
def test_every_record_of_the_register_can_be_planned(register, scale):
    rows = cells(register, scale)
    wanted = requests(rows)
    assert len({request.identity for request in wanted}) == len(wanted)
    # The strangers' trainings have no log; every other row can be run.
    lacking = {"not-convergence-strangers-cifar10-strangers"} if scale == "strangers" else set()
    assert {row.id for row in rows if row.lacking} == lacking
    for row in (row for row in rows if not row.lacking):
        for seed in row.seeds:
            for request in row.requests(seed).values():
                assert sum(other.covers(request) for other in wanted) == 1, request


def test_a_variation_asks_of_no_depth_that_its_network_lacks(register):
    for sweep in load_sweeps(HERE / "sweeps", register):
        for row in swept(register, sweep):
            lists = {name: value for name, value in row.protocol.items() if "depth 1" in np.atleast_1d(value)}
            for name, asked in lists.items() if "depths" in lists else ():
                assert {*asked} <= {*lists["depths"]}, f"{row.id}: {name}"


@pytest.mark.parametrize("claim", MODULES)
def test_every_claim_has_worlds_of_every_verdict_of_its_kind(claim, register):
    """A theorem is never INCONCLUSIVE, because no mean is taken, and has no null world, because it involves no chance.

    EQUIVALENT is required if there are margins.
    """
    entry = register.entries[claim]
    due: set[Verdict | None] = {Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INVALID}
    if entry.kind == EMPIRICAL:
        due |= {Verdict.INCONCLUSIVE, None}
    asked = entry.criteria[Role.DECIDES].values()
    if all(one.margin is not None for one in asked):
        due |= {Verdict.EQUIVALENT}
    assert {world.verdict for world in MODULES[claim].WORLDS.values()} == due


def test_planted_draws_are_counted_where_they_are_drawn(register):
    module = MODULES["anisotropy-rejection"]
    protocol = register.entry("anisotropy-rejection").protocol_of("small", "digits")
    run = dataclasses.replace(module.WORLDS["true"].make(numpy_generator(0, "measure", "world")), protocol=protocol)
    asked = register.entry("anisotropy-rejection").claim("small", "digits").criteria
    numbers = module.measure(run).values
    counted = [numbers[item.name].of for item in asked if item.unit is Unit.DRAWS]
    assert counted == [protocol["planted_draws"]] * 2


def test_claims_take_what_they_use_from_the_public_names():
    for path in HERE.glob("test_*.py"):
        imported = re.findall(
            r"^\s*(?:from|import) (featdyn_core[\w.]*)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert set(imported) == {"featdyn_core"}, path.name


def test_adding_a_claim_stays_small():
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in HERE.glob("test_*.py")]
    entries = [path for path in (HERE / "register").glob("*.toml") if path.stem != "scales"]
    assert statistics.median(files) <= 100
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in entries) <= 60
