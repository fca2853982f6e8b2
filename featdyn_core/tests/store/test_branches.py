"""Branches in the store: the parent is trained once and found again, and only its folder has its part."""

import dataclasses
import shutil
import threading
import time
from pathlib import Path

import pytest

from featdyn_core.errors import DamagedTrajectoryError, MissingTrajectoryError, StoreError, TrainingError
from featdyn_core.store import locks
from featdyn_core.store.layout import OPTIMIZER
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.verification import verify_folder, verify_store
from featdyn_core.tests.store.edits import edit_manifest, flip
from featdyn_core.tests.store.watched import FILES, StoppedError, Watched, assert_same
from featdyn_core.tests.tiny import same_state, tiny_branch, tiny_continuation, tiny_recipe, without_seconds
from featdyn_core.training import loop as training
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import OptimizerSpec

FROZEN = tiny_branch(name="frozen", freeze="hidden1")
RENEWED = tiny_branch(name="renewed", keep="hidden1", freeze="hidden1")
FILES_OF_A_BRANCH = FILES[1:]


def test_a_missing_parent_is_trained_once_before_its_branches(store):
    frozen, renewed = store.get_many([(FROZEN, 0), (RENEWED, 0)])
    trained = [("tiny", 1), ("tiny", 2), ("tiny", 3), ("frozen", 2), ("frozen", 3), ("renewed", 2), ("renewed", 3)]
    assert [(name, epoch) for name, _, epoch in store.trained] == trained
    parent = store.get(tiny_recipe(), 0, train=False)
    assert len(store.trained) == len(trained)
    for branch in (frozen, renewed):
        assert branch.epochs == (1, 2, 3), branch.recipe.name
        folder = store.folder(branch.recipe, 0)
        assert sorted(path.name for path in folder.iterdir()) == FILES_OF_A_BRANCH, branch.recipe.name
        facts = read_manifest(folder).facts
        assert facts["conditions"]["parent"] == parent.digests[1], branch.recipe.name
    assert same_state(frozen.state(1), parent.state(1))


def test_a_branch_after_its_parent_is_the_same_as_both_at_once(store, tmp_path):
    store.get_many([(FROZEN, 0), (tiny_recipe(), 0)])
    other = Watched(tmp_path / "other")
    other.at_once = 4
    other.get_many([(tiny_recipe(), 0), (FROZEN, 0), (RENEWED, 0)])
    for recipe in (tiny_recipe(), FROZEN):
        assert_same(other.get(recipe, 0, train=False), store.get(recipe, 0, train=False))
    assert [name for name, _, _ in other.trained] == ["tiny"] * 3 + ["frozen", "renewed"] * 2


def test_key_changes_with_the_parent_and_not_with_its_name(store):
    other = tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2, momentum=0.9))
    own = tiny_branch().optimizer
    assert store.key(tiny_branch(other).replace(optimizer=own), 0) != store.key(tiny_branch(), 0)
    assert store.key(tiny_branch(tiny_recipe(name="renamed")), 0) == store.key(tiny_branch(), 0)
    assert store.key(tiny_branch(), 0) not in (store.key(tiny_recipe(), 0), store.key(tiny_branch(), 1))


def test_a_complete_branch_does_without_its_parent(store):
    branch = store.get(FROZEN, 0)
    for path in store.folder(tiny_recipe(), 0).iterdir():
        path.unlink()
    store.folder(tiny_recipe(), 0).rmdir()
    done = len(store.trained)
    assert_same(store.get(FROZEN, 0), branch)
    assert verify_folder(store, store.folder(FROZEN, 0)) == []
    assert len(store.trained) == done


def test_branches_are_verified_as_every_trajectory_is(store):
    store.get_many([(FROZEN, 0), (RENEWED, 0)])
    assert [item.problems for item in verify_store(store)] == [[], [], []]
    flip(store.folder(RENEWED, 0) / "epoch-0003.safetensors", -1)
    assert [bool(item.problems) for item in verify_store(store)] == [False, True, False]


# What is missing, damaged or fails


@pytest.mark.parametrize("parent", [False, True], ids=["parent missing too", "parent here"])
def test_a_missing_branch_not_to_be_trained_is_named_with_a_mend(store, parent):
    if parent:
        store.get(tiny_recipe(), 0)
    done = list(store.trained)
    message = r"^frozen seed 0 is not in the store .*; train it with: featdyn train --only frozen --seeds 0"
    with pytest.raises(MissingTrajectoryError, match=message):
        store.get(FROZEN, 0, train=False)
    assert store.trained == done


@pytest.mark.parametrize("name", ["epoch-0001.safetensors", "manifest.json"])
def test_a_damaged_parent_is_one_error_until_it_is_removed(store, name):
    store.get(tiny_recipe(), 0)
    folder, done = store.folder(tiny_recipe(), 0), len(store.trained)
    (folder / name).write_bytes(b"")
    for look in (1, 2):
        with pytest.raises(DamagedTrajectoryError, match=rf"^{folder} is damaged: .*{name}") as found:
            store.get_many([(FROZEN, 0), (RENEWED, 0)])
        assert str(found.value).count("is damaged") == 1, f"look {look}"
        assert len(store.trained) == done, f"look {look}"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    store.get_many([(FROZEN, 0), (RENEWED, 0)])


def test_a_failed_parent_is_reported_once_and_others_are_trained(store):
    hopeless = tiny_recipe(name="hopeless", optimizer=OptimizerSpec("sgd", 1e30))
    with pytest.raises(TrainingError, match="hopeless seed 0: loss is") as found:
        store.get_many([(tiny_branch(hopeless), 0), (tiny_branch(hopeless, freeze="hidden1"), 0), (FROZEN, 0)])
    assert str(found.value).count("hopeless") == 1
    assert store.status(FROZEN, 0) == "complete"


def test_a_branch_waits_for_the_process_that_trains_its_parent(store):
    with locks.hold(store.layout.lock(store.key(tiny_recipe(), 0))) as held:
        assert held
        other = threading.Thread(target=store.get, args=(FROZEN, 0))
        other.start()
        time.sleep(0.5)
        assert not store.trained
    other.join()
    assert [name for name, _, _ in store.trained] == ["tiny"] * 3 + ["frozen"] * 2


# Interruptions


@pytest.fixture
def stopped(store, monkeypatch):
    """Return the partial folder of a branch that ended after its first epoch, the second of all."""

    def note(_self, _key, recipe, _seed, record):
        if recipe.branch and record.epoch == 2:
            raise StoppedError

    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "note", note)
        with pytest.raises(StoppedError):
            Watched(store.root).get(RENEWED, 0)
    assert store.status(RENEWED, 0) == "partial (2/3)"
    return next(store.root.glob("partial/*/epoch-0002.safetensors")).parent


@pytest.mark.usefixtures("stopped")
def test_an_interrupted_branch_goes_on_to_the_same_bits(store, tmp_path):
    found = store.get(RENEWED, 0)
    assert store.trained == [("renewed", 0, 3)]
    expected = Watched(tmp_path / "other").get(RENEWED, 0)
    assert_same(found, expected)
    assert without_seconds(found.log) == without_seconds(expected.log)
    assert [record.epoch for record in found.log] == [1, 2, 3]


def test_a_branch_does_not_go_on_from_a_parent_of_other_bits(store, stopped):
    parent, other = store.folder(tiny_recipe(), 0), "a" * 64
    edit_manifest(parent, lambda manifest: manifest["checkpoints"]["1"].update(sha256=other))
    with pytest.raises(StoreError, match=rf"renewed seed 0 was begun with .*, but this run has .*parent {other}"):
        store.get(RENEWED, 0)
    assert (stopped / "resume.json").exists()


# With the optimiser kept


def longer() -> Recipe:
    """Return the tiny training with the epochs of the parent and its continuation together."""
    training = dataclasses.replace(tiny_recipe().training, epochs=5, checkpoints=(0, 3, 4, 5))
    return tiny_recipe(name="longer", training=training)


def as_an_earlier_version(folder: Path) -> None:
    """Make a trajectory like one from before optimisers were kept."""
    (folder / OPTIMIZER).unlink()
    edit_manifest(folder, lambda manifest: manifest.pop("optimizer"))


def test_a_continuation_in_the_store_is_the_longer_training(store):
    found, whole = store.get_many([(tiny_continuation(), 0), (longer(), 0)])
    assert [found.digests[epoch] for epoch in (3, 4, 5)] == [whole.digests[epoch] for epoch in (3, 4, 5)]
    assert same_state(found.load_optimizer(), whole.load_optimizer())
    assert found.load_optimizer()
    assert [item.problems for item in verify_store(store)] == [[], [], []]


def test_an_interrupted_continuation_goes_on_to_the_same_bits(store, tmp_path, monkeypatch):
    def note(_self, _key, recipe, _seed, record):
        if recipe.branch and record.epoch == 4:
            raise StoppedError

    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "note", note)
        with pytest.raises(StoppedError):
            Watched(store.root).get(tiny_continuation(), 0)
    found = store.get(tiny_continuation(), 0)
    assert store.trained == [("continuation", 0, 5)]
    assert_same(found, Watched(tmp_path / "other").get(tiny_continuation(), 0))


def test_a_parent_of_before_is_in_order_and_named_with_the_mend(store):
    store.get(tiny_recipe(), 0)
    folder = store.folder(tiny_recipe(), 0)
    as_an_earlier_version(folder)
    assert verify_folder(store, folder) == []
    assert store.get(FROZEN, 0).epochs == (1, 2, 3)
    message = rf"^{folder} has no optimizer\.safetensors, .*; remove this folder, and the next run trains tiny seed 0"
    for look in (1, 2):
        with pytest.raises(StoreError, match=message) as found:
            store.get(tiny_continuation(), 0)
        assert not isinstance(found.value, DamagedTrajectoryError), f"look {look}"
    shutil.rmtree(folder)
    assert store.get(tiny_continuation(), 0).epochs == (3, 4, 5)


@pytest.mark.parametrize("harm", [lambda path: flip(path, -1), lambda path: path.unlink()], ids=["flipped", "missing"])
def test_a_damaged_optimizer_is_an_error_until_it_is_mended(store, harm):
    store.get(tiny_recipe(), 0)
    folder, done = store.folder(tiny_recipe(), 0), len(store.trained)
    harm(folder / OPTIMIZER)
    (problem,) = verify_folder(store, folder)
    assert "optimizer.safetensors" in problem
    for _ in range(2):
        message = rf"^{folder} is damaged: optimizer\.safetensors.*; remove this folder, and the next run trains it"
        with pytest.raises(DamagedTrajectoryError, match=message):
            store.get(tiny_continuation(), 0)
    assert len(store.trained) == done
    shutil.rmtree(folder)
    store.get(tiny_continuation(), 0)
    assert verify_folder(store, folder) == []
