"""Branches as recipes: what they take from their parent, their text, and their identity."""

import json

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.tests.tiny import tiny_branch, tiny_continuation, tiny_recipe
from featdyn_core.trajectories.recipe import BranchSpec, load_recipe, restore_recipe
from featdyn_core.trajectories.specs import OptimizerSpec, ScheduleSpec

PARENT = """
schema = 1
[data]
set = "digits"
subset = 200
[network]
name = "mlp"
hidden = [12]
[optimizer]
name = "sgd"
learning_rate = 0.1
momentum = 0.9
[schedule]
milestones = [3]
[training]
epochs = 4
batch_size = 50
checkpoints = [[0, 4, 2]]
"""
BRANCH = """
schema = 1
[branch]
parent = "parent"
at_epoch = 2
keep = "hidden1"
[optimizer]
learning_rate = 0.5
[training]
epochs = 6
checkpoints = [[2, 6, 1]]
"""


@pytest.fixture
def write(tmp_path):
    """Write the recipes of a parent and a branch, and read the branch."""

    def written(branch: str = BRANCH, parent: str = PARENT, called: str = "parent"):
        for name, text in ((called, parent), ("branch", branch)):
            (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        return load_recipe(tmp_path / "branch.toml")

    return written


def test_what_a_branch_does_not_say_is_as_in_its_parent(write):
    found = write()
    parent = found.branch.parent
    assert found.branch == BranchSpec(parent, 2, keep="hidden1")
    assert parent == load_recipe(found.source.replace("branch.toml", "parent.toml"))
    assert (found.data, found.network, found.schedule) == (parent.data, parent.network, ScheduleSpec((3,)))
    assert found.optimizer == OptimizerSpec("sgd", 0.5, momentum=0.9)
    assert (found.training.epochs, found.training.batch_size) == (6, 50)
    assert found.training.checkpoints == (2, 3, 4, 5, 6)
    assert (found.first_epoch, parent.first_epoch) == (2, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("momentum = 0.9", "momentum = 0.8"),
        ("subset = 200", "subset = 199"),
        ("epochs = 4\n", "epochs = 5\n"),
        ("[0, 4, 2]", "[0, 4, 1]"),
    ],
)
def test_a_digest_follows_the_parent_even_in_overridden_fields(write, old, new):
    branch = BRANCH.replace("[optimizer]", "[optimizer]\nmomentum = 0.9")
    other = PARENT.replace(old, new).replace("[[0, 4, 2]]", "[[0, 4, 2], [5, 5, 1]]" if "5\n" in new else "[[0, 4, 2]]")
    assert other != PARENT
    assert write(branch, other).digest != write(branch).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("at_epoch = 2", "at_epoch = 0"), ('keep = "hidden1"', 'freeze = "hidden1"'), ('keep = "hidden1"', "")],
)
def test_digest_changes_with_every_field_of_a_branch(write, old, new):
    assert write(BRANCH.replace(old, new)).digest != write().digest


def test_digest_does_not_change_with_the_name_of_the_parent(write):
    assert write(BRANCH.replace('"parent"', '"other"'), called="other").digest == write().digest


def test_a_branch_is_not_its_parent_even_if_it_changes_nothing():
    assert tiny_branch().digest != tiny_recipe().digest
    assert "branch" not in tiny_recipe().to_dict()


def test_a_branch_is_restored_from_what_a_manifest_holds(write):
    recipe = write()
    tables = json.loads(json.dumps(recipe.to_dict()))
    found = restore_recipe(tables, name=recipe.name)
    assert found == recipe
    assert found.branch.parent.name == "parent"
    with pytest.raises(RecipeError, match=r"recipe 'parent'.* has schema 0"):
        restore_recipe(tables | {"branch": tables["branch"] | {"parent": {"schema": 0, "name": "parent"}}}, "some")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('parent = "parent"\n', "", "branch, parent: expected the name of a recipe, found None"),
        ('"parent"', "3", "branch, parent: expected the name of a recipe, found 3"),
        ("[branch]", "[[branch]]", "branch, parent: expected the name of a recipe, found None"),
        ('"parent"', '"branch"', "branch, parent: 'branch' is a branch itself; name a training that is not a branch"),
        ("at_epoch = 2\n", "", "branch: field 'at_epoch' is missing"),
        ("at_epoch = 2", "at_epoch = 3", "branch, at_epoch: parent has no such checkpoint; it has 0, 2, 4"),
        ('keep = "hidden1"', "keep = 1", "branch, keep: expected str, found 1"),
        ("keep", "kept", "branch: unknown field 'kept'; did you mean 'keep'\\? its fields are parent"),
        ("[[2, 6, 1]]", "[[0, 6, 1]]", "training, checkpoints: none before epoch 2; those belong to"),
        ("[[2, 6, 1]]", "[]", "training, checkpoints: the last must be the last epoch, 6"),
        ("epochs = 6\ncheckpoints = [[2, 6, 1]]", "epochs = 2\ncheckpoints = [[2, 2, 1]]", "more than at_epoch"),
        ("[optimizer]", "[labels]\npermuted = true\n[optimizer]", "data, labels, network: the parent's are used"),
        ("[optimizer]", "[network]\nhidden = [3]\n[optimizer]", "data, labels, network: the parent's are used"),
        ("[optimizer]", "[data]\nsubset = 10\n[optimizer]", "data, labels, network: the parent's are used"),
    ],
)
def test_what_is_no_branch_is_refused(write, old, new, message):
    assert old in BRANCH
    with pytest.raises(RecipeError, match=f"^recipe 'branch'.*{message}"):
        write(BRANCH.replace(old, new, 1))


def test_an_unknown_parent_is_an_error_with_the_known_ones(write):
    with pytest.raises(RecipeError, match=r"unknown recipe 'nobody'; .* holds: branch, parent$"):
        write(BRANCH.replace('"parent"', '"nobody"'))


def test_a_branch_of_a_branch_is_refused_however_it_is_made():
    branch = tiny_branch()
    with pytest.raises(RecipeError, match="branch, parent: branch is a branch itself"):
        branch.replace(branch=BranchSpec(branch, 1))


KEPT = BRANCH.replace("at_epoch = 2", "at_epoch = 4").replace('keep = "hidden1"', 'optimizer = "kept"')
KEPT = KEPT.replace("[[2, 6, 1]]", "[[4, 6, 1]]")


def test_a_kept_optimizer_is_read_and_part_of_the_digest(write):
    found, anew = write(KEPT), write(KEPT.replace('optimizer = "kept"\n', ""))
    assert found.branch == BranchSpec(found.branch.parent, 4, optimizer="kept")
    assert restore_recipe(json.loads(json.dumps(found.to_dict())), name="branch") == found
    assert found.digest != anew.digest
    assert "optimizer" not in anew.to_dict()["branch"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"kept"', '"new"', "branch, optimizer: write kept, or leave it out"),
        ('"kept"', "true", "branch, optimizer: expected str, found True"),
        ("at_epoch = 4", "at_epoch = 2", "branch, optimizer: it is kept only at the last epoch of parent, 4"),
        ('"kept"', '"kept"\nkeep = "hidden1"', "branch, optimizer: it cannot be kept beside keep"),
        (
            "learning_rate",
            'momentum = 0\nname = "adam"\nlearning_rate',
            "optimizer, name: sgd, because the optimiser of parent",
        ),
    ],
)
def test_what_keeps_no_optimizer_is_refused(write, old, new, message):
    assert old in KEPT
    with pytest.raises(RecipeError, match=f"^recipe 'branch'.*{message}"):
        write(KEPT.replace(old, new, 1))


def test_a_continuation_is_neither_its_parent_nor_a_branch_anew():
    digests = {tiny_continuation().digest, tiny_recipe().digest, tiny_branch().digest}
    assert len(digests) == 3
