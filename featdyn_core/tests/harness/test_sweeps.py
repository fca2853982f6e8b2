"""Rows of sweeps: what varies, what does not, and an error for an override that changes nothing."""

import dataclasses
from pathlib import Path

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.harness import sweeps
from featdyn_core.harness.laboratory import decide, described
from featdyn_core.harness.plan import cells, requests, trainings
from featdyn_core.harness.sweeps import all_rows, swept
from featdyn_core.project import records_folder, sweeps_folder
from featdyn_core.records.kinds import KINDS
from featdyn_core.register.reading import load_register
from featdyn_core.register.sweeps import Sweep, Variation, load_sweeps
from featdyn_core.store.published import publish, published
from featdyn_core.tests.store.made import record_of
from featdyn_core.tests.toy import entry, write_sweeps
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.measured import Measured

RECALIBRATED = Variation("again", "re-estimated", records={"column": {"policy": "recalibrate"}})
SLOW = Variation("slow", "another rate", recipe={"optimizer": {"learning_rate": 0.05}})
CUTS = Variation("cuts", "all cuts", records={"column": {"cuts": "all"}, "stranger": {"cuts": "all"}})


def sweep(*variations: Variation, **more) -> Sweep:
    return Sweep("some", "small", "digits", {"demo": "effect"}, {item.name: item for item in variations}, **more)


@pytest.fixture
def toy(register):
    return register()


def test_each_variation_of_a_claim_has_a_row_with_its_own_name(toy):
    rows = swept(toy, sweep(SLOW, RECALIBRATED, CUTS))
    assert [row.id for row in rows] == [f"demo-small-digits-{name}" for name in ("slow", "again", "cuts")]
    assert {row.tier for row in rows} == {"sweep"}
    assert {row.seeds for row in rows} == {(0, 1, 2)}
    (base,) = cells(toy, "small")
    for row in rows:
        assert row.claim == base.claim, row.id
        assert (row.windows, row.protocol) == (base.windows, base.protocol), row.id
        facts = described(row)
        assert (facts["variation"], facts["effect"]) == (row.variation.name, "effect"), row.id
        assert facts["protocol"] == described(base)["protocol"] | row.variation.overrides, row.id


def test_recipes_are_varied_in_what_the_variation_says(toy):
    (row,), (base,) = swept(toy, sweep(SLOW)), cells(toy, "small")
    assert row.recipes["clean"].name == "toy-slow"
    assert row.recipes["clean"].optimizer == dataclasses.replace(base.recipes["clean"].optimizer, learning_rate=0.05)
    assert row.recipes["clean"].replace(optimizer=base.recipes["clean"].optimizer, name="toy") == base.recipes["clean"]
    assert not {(recipe.digest, seed) for recipe, seed in trainings([row])} & {
        (recipe.digest, seed) for recipe, seed in trainings([base])
    }


def test_equal_trainings_are_shared(toy):
    twin = dataclasses.replace(SLOW, name="twin")
    rows = swept(toy, sweep(SLOW, twin, RECALIBRATED, CUTS))
    assert len(trainings(rows)) == 2 * 3
    assert len(requests(rows)) == (3 + 3 + 3) * 3  # two columns and a stranger, and none of a twin's own
    assert len({request.identity for request in requests(rows)}) == len(requests(rows))


def test_records_are_varied_in_what_the_variation_says(toy):
    again, every = swept(toy, sweep(RECALIBRATED, CUTS))
    (base,) = cells(toy, "small")
    for found, change, kinds in (
        (again, {"policy": "recalibrate"}, {"column"}),
        (every, {"cuts": "all"}, {"column", "stranger"}),
    ):
        for needed, request in found.requests(0).items():
            before = base.requests(0)[needed]
            assert request.recipe == before.recipe, needed
            expected = {**before.parameters, **(change if request.kind in kinds else {})}
            assert request.parameters == expected, needed


def test_seeds_are_of_the_sweep_the_scale_or_an_exploratory_run(toy):
    (own,) = swept(toy, sweep(SLOW, seeds=(7, 8, 9)))
    (other,) = swept(toy, sweep(SLOW), seeds=(3, 4, 5))
    (same,) = swept(toy, sweep(SLOW), seeds=(0, 1, 2))
    assert [row.seeds for row in (own, other, same)] == [(7, 8, 9), (3, 4, 5), (0, 1, 2)]
    assert [row.exploratory for row in (own, other, same)] == [False, True, False]


def test_known_is_what_the_variation_found_and_not_the_register(register):
    toy = register(demo=entry(more='found = { "small/digits" = "REFUTED" }'))
    found = dataclasses.replace(SLOW, found={"demo": Verdict.INCONCLUSIVE})
    assert [row.known for row in swept(toy, sweep(SLOW))] == [None]
    assert [row.known for row in swept(toy, sweep(found))] == [Verdict.INCONCLUSIVE]
    assert [row.known for row in swept(toy, sweep(found), seeds=(5, 6, 7))] == [None]


def test_a_row_is_decided_as_any_other(toy, laboratory):
    (row,) = swept(toy, sweep(SLOW))
    seen = []

    def measure(run):
        columns = run.columns("column")
        seen.append(columns["held-out"].epochs.tolist())
        return Measured({"effect": 0.9 + run.seed / 100, "null": 0.0})

    found = decide(row, measure, lambda request: laboratory.measurements.get(request))
    assert (found.verdict, found.variation, found.effect) == ("SUPPORTED", "slow", "effect")
    assert found.recipes == {"toy-slow": row.recipes["clean"].digest}
    assert set(found.checkpoints) == {f"toy-slow/{seed}" for seed in (0, 1, 2)}
    assert seen == [[1, 2, 3]] * 3


# Published records


def replayed(toy, *variations, chosen=lambda _: True, **more) -> dict[str, tuple]:
    """Publish the records of sweep and scale that the rule chooses; return the rows that are judged again."""
    large = dataclasses.replace(sweep(*variations, **more), scale="reduced")
    wanted = requests(cells(toy, "reduced")) + [r for r in requests(swept(toy, large)) if chosen(r)]
    publish(records_folder() / "reduced", [record_of(request) for request in wanted])
    published.cache_clear()
    rows = all_rows(toy, [large])
    assert len({row.id for row in rows}) == len(rows)
    return {row.id: (row.tier, row.seeds, row.exploratory) for row in rows if row.replayed and row.variation}


def test_rows_of_sweeps_are_replayed_in_the_fast_tier(toy):
    assert replayed(toy, SLOW, RECALIBRATED, seeds=(3, 5, 4)) == {
        "demo-reduced-digits-slow-replayed": ("fast", (3, 5, 4), False),
        "demo-reduced-digits-again-replayed": ("fast", (3, 5, 4), False),
    }


def test_records_shared_with_the_original_publish_no_variation(toy):
    assert not replayed(toy, SLOW, RECALIBRATED, CUTS, chosen=lambda _: False)


def test_a_sweep_row_with_one_published_seed_is_not_dropped(toy):
    assert list(replayed(toy, SLOW, chosen=lambda request: request.seed == 4)) == ["demo-reduced-digits-slow-replayed"]


def test_all_rows_are_the_registers_and_the_sweeps(toy):
    rows = all_rows(toy, [sweep(SLOW)], seeds=[7, 8, 9])
    assert {row.id: (row.tier, row.seeds) for row in rows} == {
        "demo-small-digits": ("fast", (7, 8, 9)),
        "demo-reduced-digits": ("full", (7, 8, 9)),
        "demo-small-digits-slow": ("sweep", (7, 8, 9)),
    }


# Overrides that nothing notices


def test_an_override_without_effect_is_an_error(toy):
    idle = dataclasses.replace(SLOW, recipe={"optimizer": {"learning_rate": 0.1}})
    with pytest.raises(RecipeError, match="sweep 'some', variation 'slow': it changes nothing of the recipe toy"):
        swept(toy, sweep(idle))


def test_overrides_of_recipes_that_are_ignored_are_reported(toy, monkeypatch):
    monkeypatch.setattr(sweeps, "varied", lambda recipe, _, name: recipe.replace(name=f"{recipe.name}-{name}"))
    with pytest.raises(RecipeError, match="sweep 'some', variation 'slow': it changes nothing of the recipe toy"):
        swept(toy, sweep(SLOW))


def test_overrides_of_records_that_are_ignored_are_reported(toy, monkeypatch):
    kind = KINDS["column"]

    def ignoring(options, scope):
        return kind.resolve(dataclasses.replace(options, policy="carry"), scope)

    monkeypatch.setitem(KINDS, "column", dataclasses.replace(kind, resolve=ignoring))
    with pytest.raises(RecipeError, match="variation 'again': it changes nothing of what claim 'demo' is measured by"):
        swept(toy, sweep(RECALIBRATED))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"changes": {"split": "training"}}, "is of records of the kinds changes, and claim 'demo' has none of them"),
        ({"column": {"policies": "recalibrate"}}, "record 'column': options of 'column': unknown field 'policies'"),
        ({"column": {"cuts": "some"}}, "cuts = 'some' is neither depths nor all"),
        ({"column": {"policy": "carry"}}, "changes nothing of what claim 'demo' is measured by"),
    ],
)
def test_options_of_records_that_do_not_fit_are_reported(toy, records, message):
    with pytest.raises(RecipeError, match=message):
        swept(toy, sweep(Variation("odd", "odd", records=records)))


# The project's own


def test_every_sweep_can_be_planned_and_varies_every_row():
    from featdyn_core.project import register_folder
    from featdyn_core.register.reading import load_register

    register = load_register(register_folder())
    found = load_sweeps(sweeps_folder(), register)
    assert {item.name for item in found} >= {"small", "reduced"}
    for item in found:
        rows = swept(register, item)
        rows_of_scale = cells(register, item.scale, seeds=item.seeds)
        base = {row.entry.id: row for row in rows_of_scale if row.subject == item.subject}
        assert len({row.id for row in rows}) == len(rows), item.name
        for row in rows:
            seed = row.seeds[0]
            assert row.requests(seed) != base[row.entry.id].requests(seed), row.id
        assert Path(sweeps_folder() / f"{item.name}.toml").is_file()


@pytest.mark.parametrize("name", ["._demo.toml", ".#demo.toml", ".demo.toml.swp", "NOTES.md"])
def test_what_editors_and_other_machines_leave_costs_nothing(project, name):
    """Files of a Mac, of Emacs (a broken link) and of Vim, and notes of a user."""
    write_sweeps(project)
    folders = [project / place for place in ("claims/register", "claims/sweeps", "fixtures/records/small")]
    register = load_register(folders[0])
    rows = [row.id for row in all_rows(register, load_sweeps(folders[1], register))]
    for folder in folders:
        folder.mkdir(exist_ok=True, parents=True)
        (folder / name).symlink_to("me@here.1") if "#" in name else (folder / name).write_bytes(b"\0\5\x16\7")
    published.cache_clear()
    again = load_register(folders[0])
    assert again.digest == register.digest
    assert [row.id for row in all_rows(again, load_sweeps(folders[1], again))] == rows
