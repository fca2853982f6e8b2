"""The store: trained once, found again, and never trusted blindly."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core import devices
from featdyn_core.data.label_files import labels_sha256
from featdyn_core.data.sources import load_dataset
from featdyn_core.errors import (
    AbsentDataError,
    DamagedTrajectoryError,
    MissingTrajectoryError,
    TrainingError,
)
from featdyn_core.store import supply as store_module
from featdyn_core.store.locks import is_held
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.supply import Store, get_trajectory
from featdyn_core.store.verification import verify
from featdyn_core.tests.store.edits import contents, edit_manifest
from featdyn_core.tests.store.watched import (
    LONGER,
    assert_same,
    folder_of,
)
from featdyn_core.tests.tiny import tiny_digits, tiny_recipe
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, LabelSpec, OptimizerSpec, TrainingSpec
from featdyn_core.trajectories.training import Training

# Keys and folders


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_key_changes_with_the_seed(first, second):
    store = Store(Path("nowhere"), device="cpu")
    assert (store.key(tiny_recipe(), first) == store.key(tiny_recipe(), second)) == (first == second)


def test_a_key_changes_with_recipe_and_data_not_name_or_place(tmp_path, monkeypatch):
    store, recipe = Store(tmp_path, device="cpu"), tiny_recipe()
    key = store.key(recipe, 0)
    assert key == Store(tmp_path / "other", device="cpu").key(recipe.replace(name="other"), 0)
    assert key != store.key(recipe.replace(optimizer=OptimizerSpec("sgd", 0.2)), 0)
    other = dataclasses.replace(tiny_digits(), train_labels=tiny_digits().train_labels.roll(1))
    monkeypatch.setattr(store_module, "load_dataset", lambda *_args, **_named: other)
    assert key != Store(tmp_path / "third", device="cpu").key(recipe, 0)  # which has met no images yet


def test_store_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path / "mine"))
    assert Store(device="cpu").root == tmp_path / "mine"
    monkeypatch.delenv("FEATDYN_STORE")
    assert Store(device="cpu").root.parts[-2:] == ("fixtures", "cache")


def test_looking_makes_no_store(store):
    assert store.status(tiny_recipe(), 0) == "missing"
    with pytest.raises(MissingTrajectoryError):
        store.get(tiny_recipe(), 0, train=False)
    assert not store.root.exists()


# Getting


def test_missing_trajectory_is_trained_once_and_then_read(store):
    first = store.get(tiny_recipe(), 0)
    assert [epoch for _, _, epoch in store.trained] == [1, 2, 3]
    again = store.get(tiny_recipe(), 0)
    assert len(store.trained) == 3
    assert_same(again, first)
    assert store.status(tiny_recipe(), 0) == "complete"
    assert first.epochs == (0, 1, 2, 3)
    assert first.network(3)(first.dataset.test_images[:2]).shape == (2, 10)


def test_other_seed_is_another_trajectory(store):
    first, second = store.get_many([(tiny_recipe(), 0), (tiny_recipe(), 1)])
    assert (first.seed, second.seed) == (0, 1)
    assert not set(first.digests.values()) & set(second.digests.values())


def test_same_request_twice_is_trained_once(store):
    first, second = store.get_many([(tiny_recipe(), 0)] * 2)
    assert len(store.trained) == 3
    assert_same(second, first)


def test_several_trajectories_at_once_equal_those_trained_singly(store, reference):
    store.at_once = 2
    found = store.get_many([(tiny_recipe(), seed) for seed in (0, 1, 2)])
    assert_same(found[0], reference)
    assert [seed for _, seed, _ in store.trained] == [0, 1, 0, 1, 0, 1, 2, 2, 2]


def test_a_trajectory_that_ends_makes_room_for_the_next(store):
    short = tiny_recipe(name="short", training=TrainingSpec(epochs=1, batch_size=50, checkpoints=(0, 1)))
    store.at_once = 2
    store.get_many([(short, 0), (LONGER, 1), (tiny_recipe(), 2)])
    epochs = [(seed, epoch) for _, seed, epoch in store.trained]
    assert epochs.index((2, 3)) < epochs.index((1, 30))


def test_one_that_failed_gives_its_lock_back_at_once(store):
    diverging = tiny_recipe(name="diverging", optimizer=OptimizerSpec("sgd", 1e30))
    held = []
    store.watch = lambda *_: held.append(is_held(store.layout.lock(store.key(diverging, 0))))
    with pytest.raises(TrainingError):
        store.get_many([(diverging, 0), (tiny_recipe(), 0)])
    assert held == [False] * 3


def test_failed_training_leaves_those_beside_it_complete(store):
    store.at_once = 2
    diverging = tiny_recipe(name="diverging", optimizer=OptimizerSpec("sgd", 1e30))
    with pytest.raises(TrainingError, match="diverging seed 0: loss is"):
        store.get_many([(diverging, 0), (tiny_recipe(), 0)])
    assert store.status(tiny_recipe(), 0) == "complete"
    assert store.status(diverging, 0) == "missing"


@pytest.mark.parametrize(("device", "at_once"), [("cpu", 1), ("cuda", 4)])
def test_a_gpu_trains_several_at_once(tmp_path, monkeypatch, device, at_once):
    monkeypatch.setattr(devices, "cuda_devices", lambda: (1, ""))
    assert Store(tmp_path, device=device).at_once == at_once
    assert Store(tmp_path, device=device, at_once=2).at_once == 2


def test_a_manifest_has_how_many_trained_at_once(store):
    """The third begins when the others have ended, in one round."""
    store.at_once = 2
    store.get_many([(tiny_recipe(), seed) for seed in range(3)])
    shared = [read_manifest(store.folder(tiny_recipe(), seed)).facts["at_once"] for seed in range(3)]
    assert shared == [2, 2, 1]


def test_trajectory_is_measured_on_the_stores_device(store, monkeypatch):
    assert store.get(tiny_recipe(), 0).device == "cpu"
    monkeypatch.setattr(devices, "cuda_devices", lambda: (2, ""))
    assert Store(store.root, device="cuda:1").get(tiny_recipe(), 0, train=False).device == "cuda:1"


def test_renamed_recipe_finds_its_trajectory(store, reference):
    store.get(tiny_recipe(), 0)
    found = store.get(tiny_recipe(name="other"), 0, train=False)
    assert found.recipe.name == "other"
    assert_same(found, reference)


def own_set(path, seed):
    """Write a small ``.npz`` file of random images; return the recipe that names it."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (25, 4, 4), dtype=np.uint8)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, x_train=images[:20], y_train=np.arange(20) % 2, x_test=images[20:], y_test=np.arange(5) % 2)
    training = TrainingSpec(epochs=1, batch_size=10, checkpoints=(0, 1))
    return tiny_recipe(data=DataSpec(str(path)), training=training)


def test_own_images_are_known_by_content_and_not_by_place(store, tmp_path):
    first, copy, other = (own_set(tmp_path / name / "own.npz", seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    store.at_once = 3
    found = store.get_many([(first, 0), (copy, 0), (other, 0)])
    assert [one.dataset.digest for one in found] == [load_dataset(one.data.set).digest for one in (first, copy, other)]
    assert found[0].key == found[1].key != found[2].key
    assert len(store.trained) == 2  # the copy finds what the first has trained


def test_a_missing_trajectory_not_to_be_trained_is_named(store):
    message = (
        rf"tiny seed 0 is not in the store .*; train it with: featdyn train --only tiny --seeds 0 --store {store.root}$"
    )
    with pytest.raises(MissingTrajectoryError, match=message):
        store.get(tiny_recipe(), 0, train=False)


def test_get_trajectory_uses_the_given_store_or_the_default(tmp_path, monkeypatch, reference):
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path / "default"))
    assert_same(get_trajectory(tiny_recipe(), 0, device="cpu"), reference)
    assert Store(tmp_path / "default", device="cpu").status(tiny_recipe(), 0) == "complete"
    with pytest.raises(MissingTrajectoryError):
        get_trajectory(tiny_recipe(), 0, store=Store(tmp_path / "own", device="cpu"), train=False)


def test_failed_training_leaves_no_trajectory(store):
    hopeless = tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30))
    with pytest.raises(TrainingError, match="lower the learning rate"):
        store.get(hopeless, 0)
    assert store.status(hopeless, 0) == "missing"
    with pytest.raises(TrainingError, match="lower the learning rate"):
        store.get(hopeless, 0)  # and the lock is free again


def test_failed_training_comes_last_and_is_reported_at_the_end(store):
    first, second = (
        tiny_recipe(name=name, optimizer=OptimizerSpec("sgd", rate)) for name, rate in (("a", 1e30), ("b", 1e31))
    )
    with pytest.raises(TrainingError, match=r"a seed 0: loss is .*; b seed 0: loss is"):
        store.get_many([(first, 0), (second, 0), (tiny_recipe(), 0)])
    assert store.status(tiny_recipe(), 0) == "complete"


def test_training_uses_one_thread_and_restores_their_number(tmp_path):
    before = torch.get_num_threads()
    seen = []
    try:
        torch.set_num_threads(2)
        Store(tmp_path, device="cpu", watch=lambda *_: seen.append(torch.get_num_threads())).get(tiny_recipe(), 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1, 1]


def test_finished_trajectories_come_with_their_request_or_fault(store):
    assert list(store.finished()) == []
    store.get_many([(tiny_recipe(), 0), (tiny_recipe(), 1)])
    edit_manifest(store.folder(tiny_recipe(), 1), lambda manifest: manifest["recipe"].pop("network"))
    (first, request), (second, wrong) = store.finished()
    assert (first, second) == tuple(store.folder(tiny_recipe(), seed).name for seed in (0, 1))
    assert request == (tiny_recipe(), 0)
    assert "network" in str(wrong)


# Data that cannot be had


@pytest.fixture
def asked_for(monkeypatch) -> list[tuple[str, bool]]:
    """Make only the digits available; return the requested sets, and whether they may be fetched."""
    asked = []
    real = store_module.load_dataset

    def load(name, *, subset, download):
        asked.append((name, download))
        if name != "digits":
            raise AbsentDataError(f"{name} could not be had")
        return real(name, subset=subset)

    monkeypatch.setattr(store_module, "load_dataset", load)
    return asked


def test_absent_data_is_requested_once_and_others_are_trained(store, asked_for):
    absent = tiny_recipe(name="absent", data=DataSpec("svhn"))
    with pytest.raises(AbsentDataError, match=r"^svhn could not be had$"):
        store.get_many([(absent, 0), (absent, 1), (tiny_recipe(), 0)])
    assert store.status(tiny_recipe(), 0) == "complete"
    assert [name for name, _ in asked_for].count("svhn") == 1


@pytest.fixture
def labelled(tmp_path, monkeypatch) -> Recipe:
    """Return a training of twelve steps on half of 80 images, with labels from a file in the data folder."""
    rng, folder = np.random.default_rng(0), tmp_path / "data"
    folder.mkdir()
    images, labels = rng.integers(0, 256, (90, 8, 8), dtype=np.uint8), np.arange(90) % 10
    np.savez(tmp_path / "own.npz", x_train=images[:80], y_train=labels[:80], x_test=images[80:], y_test=labels[80:])
    given = rng.permutation(labels[:80])
    np.savez(folder / "labels.npz", given=given)
    monkeypatch.setenv("FEATDYN_DATA", str(folder))
    return tiny_recipe(
        data=DataSpec(str(tmp_path / "own.npz"), subset=40),
        labels=LabelSpec(file="labels.npz", column="given", sha256=labels_sha256(given)),
        training=TrainingSpec(epochs=3, batch_size=10, checkpoints=(0, 3)),
    )


def test_labels_of_a_file_are_what_is_trained_on(store, labelled):
    trajectory = store.get(labelled, 0)
    true = store.get(labelled.replace(labels=LabelSpec()), 0)
    assert trajectory.key != true.key
    assert not torch.equal(trajectory.training_set()[1], true.training_set()[1])
    assert torch.equal(trajectory.dataset.train_labels, true.dataset.train_labels)
    assert trajectory.log[0].probe_loss != true.log[0].probe_loss  # of the same initial network
    assert all(torch.equal(value, true.state(0)[name]) for name, value in trajectory.state(0).items())
    assert not all(torch.equal(value, true.state(3)[name]) for name, value in trajectory.state(3).items())
    assert verify(Store(store.root, device="cpu").open(labelled, 0)) == []


def test_what_lacks_its_labels_is_not_begun(store, labelled, tmp_path):
    (tmp_path / "data" / "labels.npz").unlink()
    with pytest.raises(AbsentDataError, match=r"^recipe 'tiny': labels: .*labels\.npz is missing"):
        store.get_many([Training(labelled, 0), Training(tiny_recipe(), 0)])
    assert store.status(tiny_recipe(), 0) == "complete"
    assert store.status(labelled, 0) == "missing"


def test_place_and_name_of_labels_do_not_change_the_key(store, labelled, tmp_path, monkeypatch):
    trained = store.get(labelled, 0).key
    (tmp_path / "moved").mkdir()
    monkeypatch.setenv("FEATDYN_DATA", str(tmp_path / "moved"))
    with np.load(tmp_path / "data" / "labels.npz") as npz:
        np.savez(tmp_path / "moved" / "other.npz", same=npz["given"].astype(np.uint8))
    other = labelled.replace(labels=dataclasses.replace(labelled.labels, file="other.npz", column="same"))
    found = Store(store.root, device="cpu").open(other, 0)
    assert found.key == trained
    assert found.training_set()[1].shape == (40,)


def test_absent_data_does_not_hide_a_failed_training(store, asked_for):
    absent = tiny_recipe(name="absent", data=DataSpec("svhn"))
    with pytest.raises(TrainingError, match="svhn could not be had; tiny seed 0: loss is"):
        store.get_many([(absent, 0), (tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30)), 0)])
    assert asked_for


@pytest.mark.parametrize("download", [True, False])
def test_store_says_whether_data_may_be_fetched(tmp_path, asked_for, download):
    Store(tmp_path, device="cpu", download=download).status(tiny_recipe(), 0)
    assert asked_for == [("digits", download)]


# Damage


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "epoch-0002.safetensors").unlink(), r"epoch-0002\.safetensors is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json cannot be read"),
        (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json cannot be read"),
        (lambda folder: edit_manifest(folder, lambda m: m.update(key="0")), "belongs to another trajectory"),
        (lambda folder: edit_manifest(folder, lambda m: m.update(seed=1)), "belongs to another trajectory"),
        (lambda folder: edit_manifest(folder, lambda m: m["checkpoints"].pop("2")), r"manifest\.json cannot be read"),
        (
            lambda folder: edit_manifest(folder, lambda m: m["checkpoints"].update({"4": m["checkpoints"]["3"]})),
            "its checkpoints are not those of the recipe",
        ),
    ],
)
@pytest.mark.parametrize("train", [True, False])
def test_damaged_trajectory_is_an_error_and_left_as_it_is(store, harm, message, train):
    store.get(tiny_recipe(), 0)
    folder = folder_of(store)
    harm(folder)
    before = contents(folder)
    with pytest.raises(
        DamagedTrajectoryError,
        match=rf"{folder} is damaged: .*{message}.*; remove this folder, and the next run",
    ):
        store.get(tiny_recipe(), 0, train=train)
    assert contents(folder) == before
    assert len(store.trained) == 3


def test_flipped_byte_is_an_error_when_the_checkpoint_is_read(store):
    store.get(tiny_recipe(), 0)
    path = folder_of(store) / "epoch-0002.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = store.get(tiny_recipe(), 0)
    assert found.state(1)
    for read in (found.state, found.network):
        with pytest.raises(DamagedTrajectoryError, match=rf"{folder_of(store)} is damaged: epoch-0002"):
            read(2)
    assert path.read_bytes() == content


def test_other_schema_is_an_error_that_asks_for_no_removal(store):
    store.get(tiny_recipe(), 0)
    edit_manifest(folder_of(store), lambda manifest: manifest.update(schema=2))
    with pytest.raises(DamagedTrajectoryError, match="has schema 2, this version reads 1; move the folder away"):
        store.get(tiny_recipe(), 0)


def test_removed_trajectory_is_trained_again(store, reference):
    store.get(tiny_recipe(), 0)
    for path in folder_of(store).iterdir():
        path.unlink()
    folder_of(store).rmdir()
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert len(store.trained) == 6
