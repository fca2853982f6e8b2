"""Register, claim files and README say the same: nothing is claimed that is not tested, nothing tested in silence."""

import statistics

import pytest

from claims.meta.modules import HERE, claim_modules
from featdyn_core.harness.plan import cells, requests
from featdyn_core.report.markdown import claims_table, results_table
from featdyn_core.report.sweeps import sweep_lines
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Draws, Verdict
from featdyn_core.verdicts.evidence import read_evidence
from featdyn_core.verdicts.register import EMPIRICAL, THEOREM, Register, load_register

README = HERE.parent / "README.md"
PUBLISHED = sorted((HERE.parent / "evidence").glob("*/evidence.json"))
SWEEPS = [path for path in PUBLISHED if path.parent.name.startswith("sweep")]
MODULES = claim_modules()


@pytest.fixture(scope="module")
def register() -> Register:
    return load_register(HERE / "register")


def test_every_claim_of_the_register_has_its_file_and_the_other_way_round(register):
    assert set(MODULES) == set(register.entries)
    for claim, module in MODULES.items():
        assert module.__name__ == f"claims.test_{claim.replace('-', '_')}"


def test_readme_has_the_table_that_the_register_gives(register):
    lines = README.read_text(encoding="utf-8").splitlines()
    missing = [line for line in claims_table(register) if line not in lines]
    assert not missing, "put what `featdyn claims` prints into the README:\n" + "\n".join(missing)
    known = {line.split("`")[1] for line in lines if line.startswith("| `")}
    assert known <= set(register.entries)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_readme_has_the_results_that_the_published_evidence_gives(path):
    lines = README.read_text(encoding="utf-8").splitlines()
    missing = [line for line in results_table(read_evidence(path)) if line not in lines]
    assert not missing, "put what `featdyn results` prints into the README:\n" + "\n".join(missing)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.parent.name)
def test_the_evidence_page_has_the_tables_of_published_sweeps(path):
    lines = (path.parents[1] / "README.md").read_text(encoding="utf-8").splitlines()
    wanted = sweep_lines(read_evidence(path))
    assert wanted
    missing = [line for line in wanted if line not in lines]
    assert not missing, "put what `featdyn results` prints into evidence/README.md:\n" + "\n".join(missing)


@pytest.mark.parametrize("scale", ["small", "reduced", "paper"])
def test_every_record_of_the_register_can_be_planned(register, scale):
    rows = cells(register, scale)
    wanted = requests(rows)
    assert len({request.identity for request in wanted}) == len(wanted)
    for row in rows:
        for seed in row.seeds:
            for request in row.requests(seed).values():
                assert sum(other.covers(request) for other in wanted) == 1, request


@pytest.mark.parametrize("claim", MODULES)
def test_every_claim_has_worlds_of_every_verdict_of_its_kind(claim, register):
    """A theorem is not INCONCLUSIVE, since no mean is taken, and has no null world, since no chance is in it."""
    always = {Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INVALID}
    due = {EMPIRICAL: {*always, Verdict.INCONCLUSIVE, None}, THEOREM: always}
    assert {world.verdict for world in MODULES[claim].WORLDS.values()} == due[register.entries[claim].kind]


def test_planted_draws_are_counted_where_they_are_drawn():
    module = MODULES["anisotropy-rejection"]
    run = module.WORLDS["true"].make(numpy_generator(0, "measure", "world"))
    counted = [number for number in module.measure(run).numbers.values() if isinstance(number, Draws)]
    assert {number.draws for number in counted} == {run.protocol["planted_draws"]}
    assert len(counted) == 2


def test_adding_a_claim_stays_small():
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in HERE.glob("test_*.py")]
    entries = [path for path in (HERE / "register").glob("*.toml") if path.stem != "scales"]
    assert statistics.median(files) <= 100
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in entries) <= 40
