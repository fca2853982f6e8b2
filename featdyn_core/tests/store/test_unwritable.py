"""Stores that cannot be written, folders that cannot be created, and faults that affect one trajectory."""

import errno
import os
import shutil
from pathlib import Path

import filelock
import pytest

from featdyn_core.errors import (
    DamagedTrajectoryError,
    StoreError,
)
from featdyn_core.store import heartbeats
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.edits import flip
from featdyn_core.tests.store.operations import listening, refuse
from featdyn_core.tests.store.watched import assert_same, fail_with
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec

# One trajectory's fault and the others


def harm_resume_point(_store: Store, folder: Path) -> None:
    (folder / "resume.json").write_text("{")


def harm_at_the_end(store: Store, folder: Path) -> None:
    """Change a checkpoint during the training."""
    note = store.watch

    def harm(key, recipe, seed, record):
        if (recipe.name, record.epoch) == ("tiny", 3):
            flip(folder / "epoch-0001.safetensors", -1)
        note(key, recipe, seed, record)

    store.watch = harm


def remove_meanwhile(store: Store, folder: Path) -> None:
    """Remove the partial folder during the training."""
    note = store.watch

    def harm(key, recipe, seed, record):
        note(key, recipe, seed, record)
        if (recipe.name, record.epoch) == ("tiny", 3):
            shutil.rmtree(folder)

    store.watch = harm


def block_its_place(store: Store, folder: Path) -> None:
    (store.root / f"tiny-0-{folder.name[:12]}").touch()


@pytest.mark.parametrize("harm", [harm_resume_point, harm_at_the_end, remove_meanwhile, block_its_place])
@pytest.mark.parametrize("at_once", [1, 2])
def test_fault_of_one_trajectory_leaves_the_others_to_be_trained(store, interrupted, harm, at_once):
    store.at_once = at_once
    harm(store, interrupted)
    others = [tiny_recipe(name="other", optimizer=OptimizerSpec("sgd", rate)) for rate in (0.2, 0.3)]
    diverging = tiny_recipe(name="diverging", optimizer=OptimizerSpec("sgd", 1e30))
    with pytest.raises(StoreError, match="diverging seed 0: loss is") as found:
        store.get_many([(tiny_recipe(), 0), (diverging, 0), *((recipe, 0) for recipe in others)])
    assert str(store.root) in str(found.value)
    assert [store.status(recipe, 0) for recipe in others] == ["complete"] * 2


def test_damaged_and_missing_trajectories_are_all_named(store):
    store.get_many([(tiny_recipe(), seed) for seed in (1, 2)])
    for seed in (1, 2):
        (store.folder(tiny_recipe(), seed) / "manifest.json").unlink()
    with pytest.raises(DamagedTrajectoryError, match=r"seed 0 is not in the store.*tiny-1-.*; .*tiny-2-.* is damaged"):
        store.get_many([(tiny_recipe(), seed) for seed in (0, 1, 2)], train=False)


# A store that cannot be written


def test_read_only_store_gives_what_was_trained(store, reference):
    store.get(tiny_recipe(), 0)
    with listening(store.root, refuse):
        assert_same(store.get(tiny_recipe(), 0), reference)
        assert store.status(tiny_recipe(), 0) == "complete"
        assert store.status(tiny_recipe(), 1) == "missing"
        with heartbeats.grid_beats(store.root, "memory on digits") as say:
            say(1, 1)
        with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system: partial\)"):
            store.get(tiny_recipe(), 1)


@pytest.mark.parametrize("kind", ["file", "refused", "removed"])
def test_progress_that_cannot_be_written_stops_no_training(store, reference, kind):
    def harm(event, path):
        if path.is_relative_to(store.root / "progress"):
            if kind == "refused":
                refuse(event, path)
            elif event == "open":
                path.parent.rmdir()

    store.root.mkdir()
    if kind == "file":
        (store.root / "progress").touch()
        assert_same(store.get(tiny_recipe(), 0), reference)
    else:
        with listening(store.root, harm):
            assert_same(store.get(tiny_recipe(), 0), reference)


def test_a_partial_folder_on_another_disk_is_found_in_advance(store, monkeypatch):
    real = Path.replace

    def replace(path, target):
        if path.parent.parent != Path(target).parent.parent and path.is_relative_to(store.root / "partial"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(StoreError, match=r"partial is on another file system than the store .*; put both on one"):
        store.get(tiny_recipe(), 0)
    assert not store.trained
    assert not list(store.root.rglob("*.tmp"))


@pytest.mark.parametrize("place", ["", "locks", "partial"])
def test_file_where_a_folder_should_be(store, place):
    blocked = store.root / place
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.touch()
    message = rf"the store {store.root} cannot be written \(.*\); set FEATDYN_STORE to a folder that can"
    with pytest.raises(StoreError, match=message):
        store.get(tiny_recipe(), 0)


@pytest.mark.parametrize(
    ("thing", "name"),
    [(os, "replace"), (os, "fsync"), (Path, "replace"), (Path, "mkdir"), (filelock.FileLock, "acquire")],
    ids=["os.replace", "os.fsync", "Path.replace", "Path.mkdir", "FileLock.acquire"],
)
def test_read_only_file_system(store, monkeypatch, reference, thing, name):
    with monkeypatch.context() as patch:
        patch.setattr(thing, name, fail_with(errno.EROFS))
        with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\); set FEATDYN_STORE"):
            store.get(tiny_recipe(), 0)
    assert_same(store.get(tiny_recipe(), 0), reference)


@pytest.mark.usefixtures("resuming")
@pytest.mark.parametrize(
    ("file", "retrained"),
    [
        ("epoch-0000", [1, 2, 3]),
        ("epoch-0002", [2, 3]),
        ("resume-0002", [2, 3]),
        ("resume.json", [1, 2, 3]),
        ("manifest.json", []),
    ],
)
def test_full_disk_is_named_and_gone_on_from(store, monkeypatch, reference, file, retrained):
    real = Path.replace

    def replace(path, target):
        if target.name.startswith(file):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(StoreError, match=rf"no space left for the store {store.root}; free some"):
            store.get(tiny_recipe(), 0)
    assert not list(store.root.rglob("*.tmp"))
    store.trained.clear()
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert [epoch for _, _, epoch in store.trained] == retrained
