"""The plan of a small register: its rows, their needs, and registers without a plan."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import Needed, _recipe_at, all_cells, cells, most_useful_first, requests, trainings
from featdyn_core.project import records_folder, register_folder
from featdyn_core.records.request import Request
from featdyn_core.register.reading import load_register
from featdyn_core.store.published import publish, published
from featdyn_core.tests.store.made import record_of
from featdyn_core.tests.toy import RECIPE, edit, entry, write_project
from featdyn_core.trajectories.recipe import load_recipe
from featdyn_core.verdicts.claim import Verdict

LATE = {"images": 20, "deep": 3}
COLUMN = LATE | {"shallow": [1, 2, 3], "policy": "carry", "frozen": False, "precision": "fp32"}
OTHERS = """
[records]
averages = { kind = "averages", window = "late" }
closeness = { kind = "closeness", window = "late" }
errors = { kind = "errors", window = "late", corrupted = true }
changes = { kind = "changes", window = "late", split = "training" }
several = { kind = "changes", window = "late", points = 3 }
losses = { kind = "losses", window = "late" }
linearised = { kind = "linearised" }
path = { kind = "path" }
features = { kind = "features", window = "late" }
log = { kind = "log" }
surrogates = { kind = "surrogates", window = "late" }
last_layer = { kind = "last_layer", window = "late", splits = ["training"] }
flatness = { kind = "flatness", window = "late", points = 1 }
among = { kind = "flatness", window = "late", points = 1, drawn = true }
descent = { kind = "descent", regime = "linearised", frozen = true }
labels = { kind = "labels" }
frozen = { kind = "column", window = "late", deep = "first", frozen = true, every = 2, splits = ["training"] }
"""
PROTOCOL = """
[protocol]
draws = 2
updates = { small = 5, reduced = 6 }
samples = 2
grid_points = 2
grid_images = 10
points = 2
images = 12
steps = 4
every = 2
frozen_from = 2
projections = 8
directions = 5
shuffles = 3
"""


def other_kinds() -> str:
    """Return a claim that reads every kind of record but a stranger."""
    before, rest = entry().split("[records]")
    return before + PROTOCOL + OTHERS + rest[rest.index("[decides") :]


# Rows


def test_rows_are_claims_by_subjects_of_a_scale_in_paper_order(register):
    found = register(
        late=entry(section="4.10"), early=entry(section="4.2 and 5").replace('"digits"', '"digits", "cifar100"')
    )
    assert [row.id for row in cells(found, "reduced")] == [
        "demo-reduced-digits",
        "early-reduced-digits",
        "early-reduced-cifar100",
        "late-reduced-digits",
    ]
    row = cells(found, "small")[0]
    assert (row.id, row.tier, row.seeds, row.replayed, row.exploratory) == (
        "demo-small-digits",
        "fast",
        (0, 1, 2),
        False,
        False,
    )
    assert row.recipes == {"clean": load_recipe("toy")}
    assert (row.windows["late"].first, row.windows["late"].last) == (1, 3)


def test_seeds_in_place_of_the_registers_are_exploratory(register):
    (row,) = cells(register(), "small", seeds=[7, 8, 9])
    assert (row.seeds, row.exploratory) == ((7, 8, 9), True)
    (row,) = cells(register(), "small", seeds=[0, 1, 2])
    assert not row.exploratory


@pytest.mark.parametrize("seeds", [[0, 0, 1], [0, 1], [0, 1, 100]], ids=["repeated", "few", "pilot"])
def test_seeds_on_which_no_claim_can_be_judged_are_refused(register, seeds):
    with pytest.raises(RecipeError, match="seeds "):
        cells(register(), "small", seeds=seeds)


def test_a_scale_that_the_register_lacks_is_named(register):
    with pytest.raises(RecipeError, match="unknown scale 'paper'; the register has small, reduced"):
        cells(register(), "paper")


def test_a_recipe_that_is_not_there_is_named(register, project):
    found = register()
    (project / "fixtures/recipes/toy.toml").unlink()
    with pytest.raises(RecipeError, match=r"unknown recipe .*toy"):
        cells(found, "small")


def test_recipes_are_those_of_the_project_that_one_stands_in(register, project, monkeypatch):
    before = cells(register(), "small")[0].recipes["clean"]
    elsewhere = write_project(project / "elsewhere")
    edit(elsewhere / "fixtures/recipes/toy.toml", "0.1", "0.3")
    monkeypatch.chdir(elsewhere)
    after = cells(load_register(register_folder()), "small")[0].recipes["clean"]
    assert (before.optimizer.learning_rate, after.optimizer.learning_rate) == (0.1, 0.3)


def test_a_known_finding_is_of_its_scale_and_subject(register):
    rows = all_cells(register(demo=entry(more='found = { "small/digits" = "REFUTED" }')))
    assert {row.id: row.known for row in rows} == {"demo-small-digits": Verdict.REFUTED, "demo-reduced-digits": None}


def test_the_stranger_is_the_next_seed_and_of_the_last_the_first(register):
    (row,) = cells(register(), "small")
    assert [row.neighbour(seed) for seed in row.seeds] == [1, 2, 0]


# Requests


def test_what_a_claim_reads_of_one_seed(register):
    (row,) = cells(register(), "small")
    toy = row.recipes["clean"]
    assert row.requests(2) == {
        Needed("column", "clean", split): Request(toy, 2, "column", COLUMN | {"split": split})
        for split in ("held-out", "training")
    } | {Needed("stranger", "clean"): Request(toy, 2, "stranger", LATE | {"split": "held-out", "partner": 0})}


def test_other_kinds_take_their_numbers_from_window_and_protocol(register):
    (row,) = (row for row in cells(register(other=other_kinds()), "small") if row.entry.id == "other")
    found = {needed.record: request.parameters for needed, request in row.requests(0).items()}
    assert found == {
        "averages": {"images": 20, "split": "held-out", "partner": 1, "epochs": [1, 2, 3]},
        "closeness": {"images": 20, "split": "held-out", "draws": 2, "shallow": 1, "deep": 3},
        "errors": {"epochs": [1, 2, 3], "images": 20, "corrupted": True},
        "changes": {"updates": 5, "samples": 2, "epochs": [1, 3], "split": "training", "images": 20},
        "several": {"updates": 5, "samples": 2, "epochs": [1, 2, 3], "split": "held-out", "images": 20},
        "losses": {"epochs": [1, 3], "images": 10},
        "linearised": {"images": 12, "steps": 4, "every": 2, "frozen_from": 2},
        "path": {"frozen": False},
        "features": {"images": 20, "split": "held-out", "frozen": False, "epochs": [1, 2, 3]},
        "log": {},
        "flatness": {"images": 12, "directions": 5, "shallow": [1], "deep": 3, "split": "training"},
        "among": {"images": 12, "directions": 5, "shallow": [1], "deep": 3, "drawn": True, "split": "training"},
        "descent": {"images": 12, "steps": 4, "every": 2, "regime": "linearised", "frozen": True},
        "labels": {"images": 20},
        "surrogates": {"images": 12, "projections": 8, "shuffles": 3, "epochs": [1, 2, 3]},
        "last_layer": {"epochs": [1, 3], "images": 12, "split": "training"},
        "frozen": COLUMN | {"shallow": [1, 3], "deep": 1, "frozen": True, "split": "training"},
    }


def test_a_record_is_a_column_per_corruption_or_of_random_images(register):
    text = entry().replace(
        "[records]",
        """[protocol]
severity = 4
kinds = { digits = ["fog", "snow"] }

[records]
corrupted = { kind = "column", window = "late", deep = "last", corruption = "kinds" }
random = { kind = "column", window = "late", deep = "last", corruption = "random" }""",
    )
    (row,) = cells(register(demo=text), "small")
    common = COLUMN | {"split": "held-out"}
    found = {needed: request.parameters for needed, request in row.requests(0).items()}
    assert {needed: parameters for needed, parameters in found.items() if "corruption" in parameters} == {
        Needed("corrupted", "clean", "fog"): common | {"corruption": {"kind": "fog", "severity": 4}},
        Needed("corrupted", "clean", "snow"): common | {"corruption": {"kind": "snow", "severity": 4}},
        Needed("random", "clean"): common | {"corruption": {"kind": "random"}},
    }
    assert sum(request.kind == "column" for request in requests([row])) == 3 * 5


def test_arms_have_recipes_of_their_own(register, project):
    for base in ("toy", "toy-reduced"):
        (project / f"fixtures/recipes/{base}-fast.toml").write_text(RECIPE.replace("0.1", "0.7"))
    text = entry(more='arms = { clean = "", quick = "-fast" }').replace(
        'column = { kind = "column",', 'column = { kind = "column", arms = ["clean", "quick"],'
    )
    (row,) = cells(register(demo=text), "small")
    assert row.recipes["quick"].optimizer.learning_rate == 0.7
    assert Counter(needed.arm for needed in row.requests(0)) == {"clean": 3, "quick": 2}
    assert {recipe.name for recipe, _ in trainings([row])} == {"toy", "toy-fast"}


EACH = """
[protocol]
deep_epochs = 2

[records]
columns = { kind = "column", window = "late", deep = "each", splits = ["held-out"] }
turned = { kind = "column", window = "late", deep = "each", splits = ["held-out"], every = 2, planted = "steady" }
path = { kind = "path", window = "late", planted = "slowing" }
"""


def several_deep_epochs() -> str:
    """Return a claim that reads columns of the first and the last epoch of its window."""
    before, rest = entry().split("[records]")
    return before + EACH + rest[rest.index("[decides") :]


def test_a_record_of_deep_epochs_has_for_each_a_column_up_to_it(register):
    (row,) = cells(register(demo=several_deep_epochs()), "small")
    held = COLUMN | {"split": "held-out"}
    found = {(needed.record, needed.split, needed.deep): item.parameters for needed, item in row.requests(0).items()}
    assert found == {
        ("columns", "held-out", 1): held | {"deep": 1, "shallow": [0, 1]},
        ("columns", "held-out", 3): held | {"deep": 3, "shallow": [0, 1, 2, 3]},
        ("turned", "held-out", 1): held | {"deep": 1, "shallow": [1], "planted": {"pace": "steady", "duration": 3}},
        ("turned", "held-out", 3): held | {"deep": 3, "shallow": [1, 3], "planted": {"pace": "steady", "duration": 3}},
        ("path", "", None): {"frozen": False, "planted": {"pace": "slowing", "duration": 3}},
    }


def test_columns_of_deep_epochs_are_shared_with_other_claims(register):
    rows = cells(register(demo=entry(first=2), deep=several_deep_epochs()), "small")
    wanted = [item.parameters for item in requests(rows) if item.kind == "column" and item.seed == 0]
    real = {(item["split"], item["deep"]): item["shallow"] for item in wanted if "planted" not in item}
    assert len(wanted) == len(real) + 2
    assert real == {("held-out", 1): [0, 1], ("held-out", 3): [0, 1, 2, 3], ("training", 3): [2, 3]}


def test_an_arm_without_a_recipe_costs_its_own_row_only(register, project):
    text = entry(more='arms = { clean = "", noisy = "-noisy" }')
    found = register(demo=text, whole=entry())
    rows = {row.entry.id: row for row in cells(found, "small")}
    assert rows["demo"].lacking == "fixtures/recipes has no toy-noisy.toml for the arm 'noisy'"
    assert rows["whole"].lacking == ""
    assert {request.recipe.name for request in requests(rows.values())} == {"toy"}
    assert {seed for _, seed in trainings(rows.values())} == {0, 1, 2}
    assert trainings([rows["demo"]]) == requests([rows["demo"]]) == []
    (project / "fixtures/recipes/toy-noisy.toml").write_text(RECIPE)
    assert {row.entry.id: row.lacking for row in cells(found, "small")} == {"demo": "", "whole": ""}


ADOPTED = """
[adopted]
unknown = ["batch_size"]
[adopted.checkpoints]
"""


@pytest.mark.parametrize(
    ("record", "adopted", "lacking"),
    [
        ('log = { kind = "log" }', "", "nobody knows the log of toy, which its record 'log' needs"),
        (
            'changes = { kind = "changes", window = "late", split = "held-out" }',
            "",
            "nobody knows the batch size of toy, which its record 'changes' needs; if you do, adopt its checkpoints "
            "again with --batch-size",
        ),
        ("", "", "nobody knows the batch size of toy, which its record 'stranger' needs"),
        ("", "normalised = false", ""),
        ('log = { kind = "log" }', "normalised = false", "nobody knows the log of toy, which its record 'log' needs"),
    ],
)
def test_a_row_that_needs_what_nobody_knows_says_so(register, project, record, adopted, lacking):
    digests = "".join(f'{seed} = "{seed:064d}"\n' for seed in range(3))
    protocol = "[protocol]\nupdates = 5\nsamples = 2\n"
    before, rest = entry().split("[records]")
    found = register(demo=f"{before}{protocol}[records]\n{record}{rest}")
    text = RECIPE + ADOPTED.replace("[adopted]", f"[adopted]\n{adopted}", 1) + digests
    (project / "fixtures/recipes/toy.toml").write_text(text)
    (row,) = cells(found, "small")
    assert row.lacking.startswith(lacking)
    assert bool(row.lacking) is bool(lacking)
    assert bool(requests([row])) is not bool(lacking)


def test_arms_may_differ_by_scale(register):
    text = entry(more='arms = { clean = { small = "-reduced", reduced = "" } }')
    found = register(demo=text)
    assert [cells(found, scale)[0].recipes["clean"].name for scale in ("small", "reduced")] == ["toy-reduced"] * 2


def test_requests_of_several_claims_are_the_fewest_records(register):
    rows = cells(register(demo=entry(first=2), wide=entry(first=0), middle=entry(first=1)), "small")
    wanted = requests(rows)
    assert Counter(request.kind for request in wanted) == {"column": 6, "stranger": 3}
    assert {tuple(request.parameters["shallow"]) for request in wanted if request.kind == "column"} == {(0, 1, 2, 3)}
    for row in rows:
        for seed in row.seeds:
            for request in row.requests(seed).values():
                assert sum(other.covers(request) for other in wanted) == 1, f"{row.id}: {request}"


def test_every_composite_stands_in_one_request(register):
    """Also for claims with overlapping windows, and for frozen networks."""
    rows = cells(register(demo=entry(first=2), wide=entry(first=0), other=other_kinds()), "small")
    evaluated = Counter(
        (request.seed, *sorted((name, value) for name, value in request.parameters.items() if name != "shallow"), epoch)
        for request in requests(rows)
        if request.kind == "column"
        for epoch in request.parameters["shallow"]
    )
    assert set(evaluated.values()) == {1}
    assert len(evaluated) == 3 * (2 * 4 + 2)


def test_trainings_are_named_once_seed_by_seed(register):
    rows = all_cells(register(demo=entry(), more=entry()))
    assert [(recipe.name, seed) for recipe, seed in trainings(rows)] == [
        *(("toy", seed) for seed in (0, 1, 2)),
        *(("toy-reduced", seed) for seed in (3, 4, 5)),
    ]


def test_plain_recipes_come_first_and_branches_last(register, project):
    recipes = project / "fixtures/recipes"
    (recipes / "toy-noisy.toml").write_text(RECIPE.replace("0.1", "0.7"))
    branch = 'schema = 1\nbranch = { parent = "toy", at_epoch = 1 }\ntraining = { checkpoints = [[1, 3, 1]] }'
    (recipes / "toy-longer.toml").write_text(branch)
    arms = 'arms = { longer = "-longer", noisy = "-noisy", plain = "" }'
    rows = cells(register(demo=entry(more=arms)), "small")
    assert [(recipe.name, seed) for recipe, seed in most_useful_first(trainings(rows), rows[0].scale)] == [
        (name, seed) for name in ("toy", "toy-noisy", "toy-longer") for seed in (0, 1, 2)
    ]


@pytest.mark.parametrize("arms", ['clean = "-frozen"', 'clean = "-frozen", other = "-continued", plain = ""'])
def test_a_parent_is_trained_before_its_branches_even_if_no_arm(register, project, arms):
    for name, freeze in (("frozen", "hidden1"), ("continued", "")):
        text = f"""
schema = 1
branch = {{ parent = "toy", at_epoch = 1, freeze = "{freeze}" }}
training = {{ checkpoints = [[1, 3, 1]] }}
"""
        (project / f"fixtures/recipes/toy-{name}.toml").write_text(text)
    (row,) = cells(register(demo=entry(more=f"arms = {{ {arms} }}")), "small")
    names = [recipe.name for recipe, seed in trainings([row]) if seed == 1]
    assert names[0] == "toy"
    assert sorted(names) == sorted({"toy", *(recipe.name for recipe in row.recipes.values())})


# Registers that cannot be planned


BAD = {
    "no kind": ('kind = "column", ', "", "it says no kind; the kinds are column, churn, stranger"),
    "unknown kind": ('kind = "column"', 'kind = "guess"', "unknown kind 'guess'; the kinds are column"),
    "no window": ('"column", window = "late"', '"column"', "field .window. is missing"),
    "unknown window": ('"column", window = "late"', '"column", window = "early"', "'early'"),
    "unknown field": ('"column", window', '"column", colour = "red", window', "'colour'"),
    "unknown arm": (
        '"column", window',
        '"column", arms = ["noisy"], window',
        "unknown arm 'noisy'; the claim has clean",
    ),
    "no arm": ('"column", window', '"column", arms = [], window', r"arms are \[\]"),
    "arms of arms": ('"column", window', '"column", arms = [["clean"]], window', r"arms are \[\['clean'\]\]"),
    "arms as text": ('"column", window', '"column", arms = "clean", window', "arms are 'clean'"),
    "unknown split": ('"column", window', '"column", splits = ["test"], window', "its split is 'test'"),
    "no list of corruptions": ('"column", window', '"column", corruption = "kinds", window', "'kinds'"),
    "unknown end": ('"late", deep = "last" }\nstr', '"late", deep = "middle" }\nstr', "neither first nor last"),
    "every nought": ('"column", window', '"column", every = 0, window', "every = 0 is not a step"),
    "no checkpoint": ("late = [1, 3]", "late = [1, 4]", "window 'late' ends at epoch 4, where toy has no checkpoint"),
    "planted outside a window": (
        '"column", window = "late", deep = "last"',
        '"path", planted = "slowing"',
        "there is no window ''; the claim has late",
    ),
    "no number": ('kind = "column", window', 'kind = "closeness", window', "'draws'"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_planned_is_named_with_its_claim(register, old, new, message):
    text = entry()
    assert old in text
    with pytest.raises(RecipeError, match=message) as found:
        requests(cells(register(demo=text.replace(old, new)), "small"))
    assert "claim 'demo', record 'column'" in str(found.value)
    assert "\n" not in str(found.value)


# Published records


@pytest.fixture
def publication(register):
    """Publish the records of the reduced scale that a rule on requests chooses; return the register."""

    def make(chosen=lambda _: True, **entries: str):
        found = register(**entries)
        wanted = [request for request in requests(cells(found, "reduced")) if chosen(request)]
        publish(records_folder() / "reduced", [record_of(request) for request in wanted])
        published.cache_clear()
        return found

    return make


def test_published_rows_are_replayed_fast_beside_their_claim(publication):
    rows = all_cells(publication(demo=entry(), later=entry(section="2")))
    assert [(row.id, row.tier) for row in rows] == [
        ("demo-small-digits", "fast"),
        ("demo-reduced-digits", "full"),
        ("demo-reduced-digits-replayed", "fast"),
        ("later-small-digits", "fast"),
        ("later-reduced-digits", "full"),
        ("later-reduced-digits-replayed", "fast"),
    ]


def test_other_seeds_are_not_replayed(publication):
    rows = all_cells(publication(), seeds=[7, 8, 9])
    assert {row.id: row.seeds for row in rows} == {
        "demo-small-digits": (7, 8, 9),
        "demo-reduced-digits": (7, 8, 9),
        "demo-reduced-digits-replayed": (3, 4, 5),
    }


def test_a_partly_published_row_is_not_dropped_silently(publication):
    rows = all_cells(publication(lambda request: request.seed == 4 and request.kind == "stranger"))
    assert [row.id for row in rows if row.replayed] == ["demo-reduced-digits-replayed"]


def test_a_row_without_published_records_is_left_out(publication):
    wide = entry().replace('"digits"', '"digits", "cifar100"')
    rows = all_cells(publication(lambda request: request.recipe.data.set == "digits", demo=wide))
    assert [row.id for row in rows if row.replayed] == ["demo-reduced-digits-replayed"]


def test_rows_of_damaged_published_records_stay_to_report_it(publication, project):
    found = publication()
    edit(project / "fixtures/recipes/toy-reduced.toml", "0.2", "0.3")
    _recipe_at.cache_clear()
    foreign = [row.id for row in all_cells(found) if row.replayed]
    (project / "fixtures/records/reduced/manifest.json").write_text("{")
    published.cache_clear()
    damaged = [row.id for row in all_cells(found) if row.replayed]
    assert foreign == damaged == ["demo-reduced-digits-replayed"]


def test_a_grid_of_losses_lies_on_checkpoints(register):
    """Evenly spaced points move to the nearest checkpoint, and equal points become one."""
    found = register(other=other_kinds().replace("grid_points = 2", "grid_points = 9"))
    (row,) = (row for row in cells(found, "small") if row.entry.id == "other")
    assert row.requests(0)[Needed("losses", "clean")].parameters["epochs"] == [1, 2, 3]
    checkpoints = np.array([0, 1, 3])
    training = dataclasses.replace(row.recipes["clean"].training, checkpoints=tuple(checkpoints.tolist()))
    sparse = dataclasses.replace(row, recipes={"clean": row.recipes["clean"].replace(training=training)})
    assert sparse.requests(0)[Needed("losses", "clean")].parameters["epochs"] == [1, 3]


def test_a_discrete_number_lacks_seeds_before_it_is_measured():
    """The claim is ``semantic-structure``, whose control is counted seed by seed."""
    found = {
        count: {row.entry.id: row.lacking for row in cells(load_register(register_folder()), "reduced", seeds=seeds)}
        for count, seeds in {3: (20, 21, 22), 6: (20, 21, 22, 23, 24, 25)}.items()
    }
    assert found[3]["semantic-structure"].endswith("is judged on at least 6 seeds; add some to --seeds")
    assert found[6]["semantic-structure"] == found[3]["memory-window"] == ""


def test_nothing_is_known_of_seeds_that_are_not_the_registers():
    register = load_register(register_folder())
    usual = {row.id: row.known for row in cells(register, "small")}
    assert any(usual.values())
    assert not any(row.known for row in cells(register, "small", seeds=(1, 2, 3)))


def test_another_network_under_the_same_name_inherits_no_finding(register, project):
    text = entry(more='found = { "small/digits" = "REFUTED" }')
    digest = "202464ca63a9"

    def known(digits: str):
        register(demo=text)
        edit(project / "claims/register/scales.toml", f'"{digest}"', f'"{digits}"')
        return cells(load_register(register_folder()), "small")[0].known

    register(demo=text)
    assert load_recipe("toy").digest.startswith(digest)
    assert known(digest) is Verdict.REFUTED
    assert known("0" * 12) is None
    with pytest.raises(RecipeError, match="digits: 'toy' is not the first 12 digits of a digest"):
        known("toy")


def test_a_finding_on_a_network_that_is_not_named_is_refused(register, project):
    register()
    scales = project / "claims/register/scales.toml"
    (line,) = (line for line in scales.read_text().splitlines(keepends=True) if line.startswith("found_on"))
    edit(scales, line, "")
    assert all(row.foreign for row in cells(load_register(register_folder()), "small"))
    path = project / "claims/register/demo.toml"
    path.write_text('found = { "small/digits" = "REFUTED" }\n' + path.read_text())
    with pytest.raises(RecipeError, match="claim 'demo', found: small/digits was found on an unknown network"):
        load_register(register_folder())


def test_findings_of_the_register_are_of_its_recipes():
    register = load_register(register_folder())
    rows = [row for scale in register.scales for row in cells(register, scale)]
    assert any(row.known for row in rows)
    assert not [row.id for row in rows if row.foreign and f"{row.scale.name}/{row.subject}" in row.entry.found]
