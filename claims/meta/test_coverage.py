"""Register, claim files and README say the same: nothing is claimed that is not tested, nothing tested in silence."""

import statistics

import pytest

from claims.meta.modules import HERE, claim_modules
from featdyn_core.harness.plan import cells, requests
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Register
from featdyn_core.report.markdown import claims_table, read_meanings, results_table, summary_table
from featdyn_core.report.sweeps import sweep_lines
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Draws, Verdict
from featdyn_core.verdicts.evidence import read_evidence

README = HERE.parent / "README.md"
CLAIMS = HERE.parent / "docs" / "claims.md"
FINDINGS = HERE.parent / "evidence" / "README.md"
MEANINGS = HERE.parent / "evidence" / "meanings.toml"
PUBLISHED = sorted((HERE.parent / "evidence").glob("*/evidence.json"))
MODULES = claim_modules()


@pytest.fixture(scope="module")
def register() -> Register:
    return load_register(HERE / "register")


def test_every_claim_of_the_register_has_its_file_and_the_other_way_round(register):
    assert set(MODULES) == set(register.entries)
    for claim, module in MODULES.items():
        assert module.__name__ == f"claims.test_{claim.replace('-', '_')}"


def test_the_documentation_has_the_table_that_the_register_gives(register):
    _check(CLAIMS, claims_table(register), "featdyn claims > docs/claims.md, below its head")
    shown = [line for line in CLAIMS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(shown) == len(register.entries)


def test_published_evidence_is_in_the_documents(register):
    """Every claim in the README, with what was found and what it means; every decided row in the evidence's own."""
    rows = [row for path in PUBLISHED for row in read_evidence(path)]
    _check(README, summary_table(register, rows, read_meanings(MEANINGS)), "featdyn summary")
    for path in PUBLISHED:
        shown = read_evidence(path)
        _check(FINDINGS, results_table(shown) + sweep_lines(shown), f"featdyn results {path.relative_to(HERE.parent)}")


def test_every_claim_that_was_decided_has_its_meaning(register):
    decided = {row.claim for path in PUBLISHED for row in read_evidence(path) if row.verdict.decided}
    assert decided <= set(read_meanings(MEANINGS)) <= set(register.entries)


def _check(document, lines, command):
    known = document.read_text(encoding="utf-8").splitlines()
    missing = [line for line in lines if line not in known]
    assert not missing, f"put what `{command}` prints into {document.name}:\n" + "\n".join(missing)


@pytest.mark.parametrize("scale", load_register(HERE / "register").scales)
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
    assert statistics.median(files) <= 80
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in entries) <= 40
