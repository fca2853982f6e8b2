"""A project on a user's trainings: few files, unedited claims, and windows that are fixed with it."""

import dataclasses
import json
import shutil

import pytest

from featdyn_core.errors import FeatdynError, ModelError, RecipeError
from featdyn_core.harness.plan import all_cells, cells
from featdyn_core.project import checkout
from featdyn_core.register.multiverse import choices
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Window
from featdyn_core.scaffold.own import write_own_project
from featdyn_core.trajectories.recipe import load_recipe

SOURCE = checkout()
STRANGERS = SOURCE / "fixtures" / "recipes" / "cifar10-strangers.toml"
SMALL = SOURCE / "fixtures" / "recipes" / "digits-small.toml"
NINE = {
    *("memory-window", "beyond-churn", "beyond-closeness", "transferability", "forgetting", "window-growth"),
    *("weight-averages", "epsilon-window", "flat-drift"),
}


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Return a function that creates a project in a folder and makes it the working directory."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def make(source=STRANGERS, window=(14, 20), recipe=None, **options):
        return write_own_project(folder, recipe or load_recipe(source), source=source, window=window, **options)

    make.folder = folder
    return make


def test_adopted_trainings_have_the_claims_that_need_no_more(begin):
    written = begin()
    files = [path for path in begin.folder.rglob("*") if path.is_file()]
    assert written == len(files) <= 30
    found = load_register(begin.folder / "claims" / "register")
    assert set(found.entries) == NINE
    rows = cells(found, "own")
    assert {row.entry.id: row.lacking for row in rows} == dict.fromkeys(NINE, "")
    assert {row.tier for row in rows} == {"fast"}
    assert {row.seeds for row in rows} == {(0, 1, 2, 3)}
    assert len(all_cells(found)) == len(rows)
    windows = {name: window for row in rows for name, window in row.windows.items()}
    assert windows == {
        **dict.fromkeys(("memory", "transfer", "far"), Window(14, 20)),
        **dict.fromkeys(("forgetting", "training"), Window(4, 20)),
        "growth": Window(8, 20),
    }


def test_claims_that_are_not_asked_are_reported_with_the_mend(begin):
    known, told = load_recipe(STRANGERS), []
    normalised = dataclasses.replace(known.adopted, normalised=True, unknown=("batch_size", "augmentation"))
    begin(recipe=known.replace(adopted=normalised), say=told.append)
    mend = "; if you do, adopt its checkpoints again with --batch-size and --augmentation"
    assert told == [
        "not asked: memory-window, beyond-closeness, transferability, forgetting, weight-averages: "
        f"nobody knows the batch size and augmentation of cifar10-strangers{mend}",
        "not asked: not-convergence: nobody knows the log of cifar10-strangers",
    ]


def test_the_files_of_claims_are_those_of_the_paper(begin):
    begin()
    for claim in NINE:
        for name in (f"claims/register/{claim}.toml", f"claims/test_{claim.replace('-', '_')}.py"):
            assert (begin.folder / name).read_bytes() == (SOURCE / name).read_bytes(), name


def test_bounds_are_those_of_the_row_it_is_like(begin):
    begin()
    own, theirs = load_register(begin.folder / "claims" / "register"), load_register(SOURCE / "claims" / "register")
    for claim in NINE:
        ours = own.entry(claim).claim("own", "cifar10-strangers")
        assert ours == theirs.entry(claim).claim("reduced", "cifar10"), claim


def test_everything_that_a_repository_needs_is_there(begin):
    begin()
    assert "fixtures/cache/" in (begin.folder / ".gitignore").read_text()
    assert "fixtures/records/** -text" in (begin.folder / ".gitattributes").read_text()
    assert "pytest" in (begin.folder / ".github/workflows/claims.yml").read_text()
    readme = (begin.folder / "README.md").read_text()
    assert "9 claims of one paper" in readme
    assert len(readme.splitlines()) < 40
    assert not list(begin.folder.rglob("__pycache__"))


def test_a_recipe_of_ones_own_with_chosen_claims(begin):
    claims = ("random-label-collapse", "memory-window", "not-convergence")
    begin(SMALL, (14, 28), claims=claims, seeds=(3, 4, 5, 6))
    rows = {row.entry.id: row for row in cells(load_register(begin.folder / "claims" / "register"), "own")}
    assert set(rows) == set(claims)
    assert {row.seeds for row in rows.values()} == {(3, 4, 5, 6)}
    assert {row.lacking for row in rows.values()} == {""}  # its arms lie beside it, and are copied with it
    assert (begin.folder / "fixtures/recipes/digits-small.toml").read_bytes() == SMALL.read_bytes()


def test_an_arm_that_is_not_there_costs_its_row(begin, tmp_path):
    alone = tmp_path / "alone.toml"
    shutil.copyfile(SMALL, alone)
    begin(alone, (14, 28), claims=("random-label-collapse", "memory-window"))
    rows = {row.entry.id: row.lacking for row in cells(load_register(begin.folder / "claims" / "register"), "own")}
    assert rows["memory-window"] == ""
    assert rows["random-label-collapse"].startswith("fixtures/recipes has no alone-")


def test_what_needs_a_log_may_be_asked_and_is_not_run(begin):
    begin(claims=("not-convergence", "memory-window"))
    rows = {row.entry.id: row.lacking for row in cells(load_register(begin.folder / "claims" / "register"), "own")}
    assert rows["memory-window"] == ""
    assert rows["not-convergence"].startswith("nobody knows the log of cifar10-strangers")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": (14, 21)}, "--window 14-21: its ends must be checkpoints of cifar10-strangers: 4, 5"),
        ({"window": (20, 14)}, "--window 20-14: its ends must be checkpoints"),
        ({"window": (4, 20)}, "it begins at the first checkpoint; take a late part of the training"),
        ({"claims": ("memory",)}, "unknown claim 'memory'"),
        ({"claims": ("theorem-2",)}, "unknown claim of trained networks 'theorem-2'"),
        ({"seeds": (0, 1)}, "a claim is judged on at least 3"),
        ({"seeds": (100, 1, 2)}, "bounds came from the pilot seeds 100"),
    ],
)
def test_what_cannot_be_judged_is_refused(begin, options, told):
    with pytest.raises(RecipeError) as caught:
        begin(**options)
    assert told in str(caught.value)
    assert not list(begin.folder.iterdir())


def cut_at(folder, *cuts):
    """Return the strangers' recipe with other cuts."""
    path = folder / "other.toml"
    path.write_text(STRANGERS.read_text().replace('["1", "3", "5"]', json.dumps(cuts)))
    return path


def lists(folder, *claims):
    """The lists of depths of each claim's row."""
    rows = {row.entry.id: row.protocol for row in cells(load_register(folder / "claims" / "register"), "own")}
    return [rows[claim].get(name) for claim, name in claims]


def depths(*numbers):
    return [f"depth {number}" for number in numbers]


@pytest.mark.parametrize(
    ("cuts", "all_depths", "inner", "last"),
    [
        (("1",), depths(1), depths(1), depths(1)),
        (("1", "5"), depths(1, 2), depths(1), depths(2)),
        (("0", "1", "2", "3", "5"), depths(1, 2, 3, 4, 5), depths(1, 2, 3, 4), depths(5)),
        (("0", "1", "2"), depths(1, 2, 3), depths(1, 2, 3), depths(3)),
    ],
)
def test_lists_of_depths_follow_the_cuts(begin, tmp_path, cuts, all_depths, inner, last):
    begin(cut_at(tmp_path, *cuts))
    found = lists(
        begin.folder,
        ("memory-window", "depths"),
        ("beyond-closeness", "directions"),
        ("beyond-churn", "inner_cuts"),
        ("flat-drift", "last_cut"),
    )
    assert found == [all_depths, all_depths, inner, last]
    register = load_register(begin.folder / "claims" / "register")
    assert {entry for entry in register.entries} == NINE
    for entry in register.entries.values():
        assert choices(entry, "own", "other", few=True), entry.id


def test_behind_the_last_non_linearity_there_is_no_inner_cut(begin, tmp_path):
    last = cut_at(tmp_path, "5", "6")
    with pytest.raises(RecipeError, match="beyond-churn is about inner_cuts, and other has none; leave the claim"):
        begin(last, claims=("memory-window", "beyond-churn"))
    begin(last)
    assert set(load_register(begin.folder / "claims" / "register").entries) == NINE - {"beyond-churn"}


def test_a_network_that_cannot_be_measured_is_refused(begin, tmp_path):
    with pytest.raises(ModelError, match="no submodule"):
        begin(cut_at(tmp_path, "one"))
    assert not list(begin.folder.iterdir())


def test_what_is_there_stays_as_it_is(begin):
    (begin.folder / "README.md").write_text("mine")
    with pytest.raises(FeatdynError, match=r"README.md is there already"):
        begin()
    assert [path.name for path in begin.folder.iterdir()] == ["README.md"]
