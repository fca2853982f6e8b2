"""Break the core on purpose, one mutation at a time (see ``mutations``); a claim must fail.

Run with ``pytest -m mutation -s``; each test prints which claims failed. Records go to a separate folder, so broken
measurements and good records never mix. Mutations of composites evaluate grids by definition, one composite at a time,
so that the fault reaches every claim. A test shows that this alone changes no verdict.
"""

import shutil
from collections.abc import Iterable

import pytest

from claims.meta.modules import claim_modules
from claims.meta.mutations import (
    composites,
    distances,
    drift,
    handed_out,
    linearized,
    one_step,
    regions,
    theorems,
    trainings,
    unseen,
    windows,
)
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.plan import Cell
from featdyn_core.planted import verdict_in
from featdyn_core.register.register import FAST
from featdyn_core.store.supply import Store
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

MODULES = claim_modules()
PARTS = (composites, handed_out, one_step, linearized, distances, unseen, drift, regions, theorems, windows)
MUTATIONS = {name: mutation for part in PARTS for name, mutation in part.MUTATIONS.items()}
IN_TRUE_WORLDS = composites.IN_TRUE_WORLDS | one_step.IN_TRUE_WORLDS | unseen.IN_TRUE_WORLDS


@pytest.fixture
def apart(laboratory, tmp_path) -> Laboratory:
    """Return a laboratory with the session's trajectories and records of its own."""
    again = Laboratory(laboratory.register, laboratory.rows, tmp_path, laboratory.open_store)
    assert again.measurements.records.root == tmp_path / "records" != laboratory.measurements.records.root
    return again


def trained_again(laboratory: Laboratory, recipes: Iterable[str], root) -> Laboratory:
    """Return a laboratory with copies of the session's trajectories; those of some recipes are trained again."""
    for manifest in laboratory.measurements.store.root.glob("digits-*/manifest.json"):
        name, _, _ = manifest.parent.name.rsplit("-", 2)
        if name not in recipes:
            shutil.copytree(manifest.parent, root / manifest.parent.name)
    return Laboratory(laboratory.register, laboratory.rows, root, lambda: Store(root))


def row_of(laboratory: Laboratory, claim: str) -> Cell:
    """Return the claim's row that the fast tier measures: on digits that it trains, or a theorem."""
    (row,) = (row for row in laboratory.rows.values() if (row.entry.id, row.tier, row.replayed) == (claim, FAST, False))
    return row


def decided(laboratory: Laboratory, claims: Iterable[str]) -> dict[str, Evidence]:
    return {claim: laboratory.decide(row_of(laboratory, claim).id, MODULES[claim].measure) for claim in claims}


def verdicts(laboratory: Laboratory, claims: Iterable[str]) -> dict[str, Verdict]:
    return {claim: row.verdict for claim, row in decided(laboratory, claims).items()}


def decided_as_known(laboratory: Laboratory, claims: Iterable[str]) -> dict[str, Verdict]:
    """Return the verdicts of the intact core, which must be the published ones or in accord with them.

    Controls must hold, because a control that fails anyway would detect nothing.
    """
    found = decided(laboratory, claims)
    for row in found.values():
        assert not row.changed, row.message()
        assert row.verdict.decided, row.message()
        assert row.verdict is not Verdict.INVALID, row.message()
    return {claim: row.verdict for claim, row in found.items()}


def check_red(name: str, before: dict[str, Verdict], after: dict[str, Verdict]) -> None:
    print(f"\n{name}: " + ", ".join(f"{claim} {found}" for claim, found in after.items()))
    assert Verdict.SUPPORTED not in after.values()
    assert all(after[claim] is not before[claim] for claim in before)


def test_every_claim_is_named_by_a_mutation():
    named = {claim for _, claims, *_ in (*MUTATIONS.values(), *trainings.MUTATIONS.values()) for claim in claims}
    assert named | {claim for _, claim in IN_TRUE_WORLDS.values()} == set(MODULES)


@pytest.mark.mutation
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_claim_turns_red(name, laboratory, apart, monkeypatch):
    broken, claims = MUTATIONS[name]
    before = decided_as_known(laboratory, claims)
    broken(monkeypatch)
    check_red(name, before, verdicts(apart, claims))


@pytest.mark.mutation
@pytest.mark.parametrize("name", trainings.MUTATIONS)
def test_a_claim_turns_red_where_trainings_are_broken(name, laboratory, tmp_path, monkeypatch):
    broken, claims, recipes = trainings.MUTATIONS[name]
    before = decided_as_known(laboratory, claims)
    broken(monkeypatch)
    check_red(name, before, verdicts(trained_again(laboratory, recipes, tmp_path), claims))


@pytest.mark.mutation
@pytest.mark.parametrize("name", IN_TRUE_WORLDS)
def test_a_claim_without_small_data_turns_red_in_its_true_world(name, laboratory, monkeypatch):
    broken, claim = IN_TRUE_WORLDS[name]
    module, row = MODULES[claim], next(row for row in laboratory.rows.values() if row.entry.id == claim)
    before = {claim: verdict_in(module.WORLDS["true"], row.claim, module.measure, protocol=row.protocol)}
    assert before == {claim: Verdict.SUPPORTED}
    broken(monkeypatch)
    check_red(
        name, before, {claim: verdict_in(module.WORLDS["true"], row.claim, module.measure, protocol=row.protocol)}
    )


@pytest.mark.mutation
@pytest.mark.parametrize("claim", ["memory-window", "not-convergence", "transferability"])
def test_the_literal_grid_alone_changes_no_verdict(claim, laboratory, apart, monkeypatch):
    before = decided_as_known(laboratory, [claim])
    composites.use_literal_grid(monkeypatch)
    assert verdicts(apart, [claim]) == before
