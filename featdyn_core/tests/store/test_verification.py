"""Checks of a stored trajectory."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from featdyn_core.errors import AbsentDataError
from featdyn_core.files import sha256_of
from featdyn_core.store import supply, verification
from featdyn_core.store.agreement import Agreement
from featdyn_core.store.documents import seal
from featdyn_core.store.published import publish
from featdyn_core.store.records import Record, RecordFolder
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import (
    Check,
    verify,
    verify_folder,
    verify_published,
    verify_records,
    verify_store,
    verify_trainings,
)
from featdyn_core.tests.store.edits import edit_manifest, flip
from featdyn_core.tests.store.made import column, contradicting, keys_of, record_of
from featdyn_core.tests.store.watched import assert_same, folder_of
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import NetworkSpec, OptimizerSpec


def test_what_was_trained_is_in_order(store):
    assert verify(store.get(tiny_recipe(), 0)) == []


def test_tampered_log_is_found(store):
    store.get(tiny_recipe(), 0)

    def worsen(manifest):
        manifest["log"][2]["probe_loss"] += 0.01

    edit_manifest(folder_of(store), worsen)
    (problem,) = verify(store.get(tiny_recipe(), 0))
    assert problem.startswith("epoch 2: loss ")


@pytest.mark.parametrize(("name", "value"), [("train_loss", 0.5), ("train_accuracy", 0.5), ("seconds", 9.0)])
def test_edited_log_that_no_measurement_contradicts_is_found(store, name, value):
    store.get(tiny_recipe(), 0)
    path = folder_of(store) / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["log"][2][name] = value
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    (problem,) = verify_folder(store, folder_of(store))
    assert "does not match its seal" in problem


def test_log_without_a_checkpoints_loss_is_found(store):
    store.get(tiny_recipe(), 0)
    edit_manifest(folder_of(store), lambda manifest: manifest["log"][1].update(probe_loss=None))
    assert verify(store.get(tiny_recipe(), 0)) == ["epoch 1: no probe loss in the log"]


def put(folder: Path, epoch: int, content: bytes) -> None:
    """Put another checkpoint in place, manifest included."""
    (folder / f"epoch-{epoch:04d}.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit_manifest(folder, lambda manifest: manifest["checkpoints"][str(epoch)].update(sha256=digest))


def test_same_checkpoint_at_two_epochs_is_found(store):
    store.get(tiny_recipe(), 0)
    folder = folder_of(store)
    put(folder, 2, (folder / "epoch-0003.safetensors").read_bytes())

    def agree(manifest):
        manifest["log"][2]["probe_loss"] = manifest["log"][3]["probe_loss"]

    edit_manifest(folder, agree)
    assert verify(store.get(tiny_recipe(), 0)) == ["only 3 of 4 checkpoints are distinct"]


def test_training_at_rate_zero_may_repeat_its_checkpoint(store):
    assert verify(store.get(tiny_recipe(optimizer=OptimizerSpec("sgd", 0.0)), 0)) == []


def test_changed_byte_and_missing_file_are_found(store):
    found = store.get(tiny_recipe(), 0)
    folder = folder_of(store)
    (folder / "epoch-0001.safetensors").write_bytes(b"")
    (folder / "epoch-0003.safetensors").unlink()
    changed, missing = verify(found)
    assert changed.startswith("epoch 1: ")
    assert "do not match" in changed
    assert missing.startswith("epoch 3: ")
    assert "No such file" in missing


def test_checkpoint_of_another_network_is_found(store):
    store.get(tiny_recipe(), 0)
    other = store.get(tiny_recipe(network=NetworkSpec("mlp", {"hidden": [13]})), 0)
    put(folder_of(store), 1, safetensors.torch.save(other.state(1)))
    (problem,) = verify(store.get(tiny_recipe(), 0))
    assert problem.startswith("epoch 1: this state does not fit the network")


def test_checkpoint_that_is_not_finite_is_found(store):
    state = store.get(tiny_recipe(), 0).state(1)
    put(
        folder_of(store),
        1,
        safetensors.torch.save({name: value * float("nan") for name, value in state.items()}),
    )
    (problem,) = verify(store.get(tiny_recipe(), 0))
    assert problem.startswith("epoch 1: blocks.")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda tensor: tensor.double(), "is of type torch.float64, the network's of torch.float32"),
        (lambda tensor: tensor.half(), "is of type torch.float16, the network's of torch.float32"),
        (lambda tensor: tensor.index_fill(0, torch.tensor([0]), float("nan")), "is not finite"),
        (lambda tensor: tensor.index_fill(0, torch.tensor([0]), float("inf")), "is not finite"),
    ],
)
def test_weights_that_no_training_writes_are_found(store, harm, problem):
    state = store.get(tiny_recipe(), 0).state(3)
    last = list(state)[-1]
    put(folder_of(store), 3, safetensors.torch.save(state | {last: harm(state[last])}))
    assert verify(store.get(tiny_recipe(), 0)) == [f"epoch 3: {last} {problem}"]


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda tensor: tensor * float("nan"), "1.momentum_buffer is not finite"),
        (lambda tensor: tensor[:1], "these tensors do not fit the optimiser, SGD over 4 parameters"),
    ],
)
def test_optimizers_that_no_training_leaves_are_found(store, harm, problem):
    tensors = store.get(tiny_recipe(), 0).load_optimizer()
    content = safetensors.torch.save(tensors | {"1.momentum_buffer": harm(tensors["1.momentum_buffer"])})
    (folder_of(store) / "optimizer.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit_manifest(folder_of(store), lambda manifest: manifest["optimizer"].update(sha256=digest))
    assert verify_folder(store, folder_of(store)) == [f"optimizer: {problem}"]


def test_swapped_checkpoints_are_found_even_without_digests(store):
    store.get(tiny_recipe(), 0)
    folder = folder_of(store)
    (folder / "epoch-0002.safetensors").rename(folder / "aside")
    (folder / "epoch-0003.safetensors").rename(folder / "epoch-0002.safetensors")
    (folder / "aside").rename(folder / "epoch-0003.safetensors")
    assert [problem.split(":")[0] for problem in verify_folder(store, folder)] == ["epoch 2", "epoch 3"]

    def swap(manifest):
        entries = manifest["checkpoints"]
        entries["2"]["sha256"], entries["3"]["sha256"] = entries["3"]["sha256"], entries["2"]["sha256"]

    edit_manifest(folder, swap)
    assert [problem.split(",")[0][:13] for problem in verify_folder(store, folder)] == [
        "epoch 2: loss",
        "epoch 3: loss",
    ]


def test_small_losses_are_compared_as_closely_as_large_ones(store, monkeypatch):
    found = store.get(tiny_recipe(), 0)
    logged = {record.epoch: record.probe_loss for record in found.log}
    scaled = tuple(dataclasses.replace(record, probe_loss=record.probe_loss / 1000) for record in found.log)
    losses = iter(logged[epoch] / 1000 * (2 if epoch == 3 else 1) for epoch in found.epochs)
    monkeypatch.setattr(verification, "evaluate_loss", lambda *_: next(losses))
    (problem,) = verify(dataclasses.replace(found, log=scaled))
    assert problem.startswith("epoch 3: loss 0.00")


# All of a store


def test_whole_store_is_checked_to_its_end(store):
    store.get_many([(tiny_recipe(), seed) for seed in range(7)])
    folders = [store.folder(tiny_recipe(), seed) for seed in range(7)]
    (folders[0] / "manifest.json").unlink()
    (folders[1] / "manifest.json").write_bytes(b"")
    edit_manifest(folders[2], lambda manifest: manifest.update(seed=5))
    flip(folders[3] / "epoch-0002.safetensors", -1)
    shutil.rmtree(folders[4])
    folders[4].mkdir()
    shutil.rmtree(folders[5])
    shutil.copytree(folders[6], folders[5])
    found = {int(item.name.split("-")[1]): item.problems for item in verify_store(store)}
    assert list(found) == list(range(7))
    for seed, words in enumerate(
        ("FileNotFound", "JSONDecode", "another traj", "do not match", "FileNotFound", "it holds seed 6 of tiny")
    ):
        assert words in found[seed][0], seed
    assert found[6] == []


def test_damaged_duplicate_beside_a_good_trajectory_is_found(store):
    store.get(tiny_recipe(), 0)
    good = folder_of(store)
    for name in ("a", "z"):
        copy = good.with_name(f"{name}-{good.name.partition('-')[2]}")
        shutil.copytree(good, copy)
        flip(copy / "epoch-0001.safetensors", -1)
    found = {item.name: item.problems for item in verify_store(store)}
    assert [bool(problems) for problems in found.values()] == [True, False, True]
    assert "epoch-0001" in found[copy.name][0]


def test_trajectory_of_an_earlier_version_is_in_order(store):
    store.get(tiny_recipe(), 0)
    edit_manifest(folder_of(store), str, old=True)
    text = (folder_of(store) / "manifest.json").read_text(encoding="utf-8")
    (folder_of(store) / "manifest.json").write_text(text.replace('"train_loss": null', '"train_loss": NaN'))
    assert list(verify_store(store)) == [Check(folder_of(store).name, [])]


def test_a_trajectory_without_its_images_is_not_called_good(store, monkeypatch):
    store.get(tiny_recipe(), 0)

    def load(*_args, **_named):
        raise AbsentDataError("digits could not be had")

    monkeypatch.setattr(supply, "load_dataset", load)
    assert list(verify_store(Store(store.root, device="cpu"))) == [
        Check(folder_of(store).name, [], "digits could not be had")
    ]


def test_what_is_asked_for_and_not_complete_is_not_checked(store):
    store.get(tiny_recipe(), 0)
    requests = [(tiny_recipe(), seed) for seed in (0, 1)]
    assert list(verify_trainings(store, requests)) == [
        Check("tiny seed 0", []),
        Check("tiny seed 1", [], "it is not complete"),
    ]
    flip(folder_of(store) / "epoch-0001.safetensors", -1)
    ((problem,),) = [item.problems for item in verify_trainings(store, requests[:1])]
    assert "epoch-0001" in problem


def test_missing_images_are_reported_for_each_request(store, monkeypatch):
    def load(*_args, **_named):
        raise AbsentDataError("digits could not be had")

    monkeypatch.setattr(supply, "load_dataset", load)
    assert list(verify_trainings(store, [(tiny_recipe(), 0)])) == [Check("tiny seed 0", [], "digits could not be had")]


# Links of the store's owner


def test_a_trajectory_moved_to_another_disk_is_one(store, tmp_path):
    expected = store.get(tiny_recipe(), 0)
    folder = folder_of(store)
    (tmp_path / "other disk").mkdir()
    moved = folder.rename(tmp_path / "other disk" / folder.name)
    folder.symlink_to(moved)
    assert store.status(tiny_recipe(), 0) == "complete"
    assert list(verify_store(store)) == [Check(folder.name, [])]
    assert_same(store.get(tiny_recipe(), 0), expected)


def test_checkpoints_linked_into_a_content_store_are_read(store, tmp_path):
    expected = store.get(tiny_recipe(), 0)
    (tmp_path / "content").mkdir()
    for path in folder_of(store).glob("*.safetensors"):
        path.symlink_to(path.rename(tmp_path / "content" / sha256_of(path)))
    assert store.status(tiny_recipe(), 0) == "complete"
    assert list(verify_store(store)) == [Check(folder_of(store).name, [])]
    assert_same(store.get(tiny_recipe(), 0), expected)
    (tmp_path / "content" / expected.digests[1]).write_bytes(b"other")
    (item,) = verify_store(store)
    assert "epoch-0001" in item.problems[0]


# Records


@pytest.fixture
def records(tmp_path) -> RecordFolder:
    """Return a folder of the records of two seeds."""
    folder = RecordFolder(tmp_path / "records")
    for seed in (0, 1):
        folder.write(record_of(column(1, 2, seed=seed)))
    return folder


def test_records_measured_here_are_checked(records):
    assert [(item.problems, facts["seed"]) for item, facts in verify_records(records, Agreement())] == [
        ([], 0),
        ([], 1),
    ]


def test_records_of_one_network_here_and_published_must_agree(records, tmp_path):
    told = contradicting(column(0, 1), "reference")
    publish(tmp_path / "reduced", [told])
    agreement = Agreement()
    assert [item.problems for item, _ in verify_records(records, agreement)] == [[], []]
    ((found, _),) = verify_published(tmp_path / "reduced", agreement)
    here, there = (record.facts["file"] for record in (record_of(column(1, 2)), told))
    assert found.problems == [f"records/{here.removesuffix('.npz')} and published/reduced/{there} differ in reference"]


HARMS = {
    "arrays": (lambda path: flip(path, 60), "do not match its sha256"),
    "no arrays": (Path.unlink, "cannot be read"),
    "description": (lambda path: flip(path.with_suffix(".json"), 60), "cannot be read|not match its seal|no record"),
    "no description": (lambda path: path.with_suffix(".json").unlink(), "has no description; remove it"),
    "another's description": (
        lambda path: shutil.copy(path.with_suffix(".json"), path.with_name("column-000000000000.json")),
        "column-000000000000.json describes",
    ),
}


@pytest.mark.parametrize(("harm", "message"), HARMS.values(), ids=HARMS)
def test_a_damaged_record_is_found(records, harm, message):
    harm(next(records.root.glob("tiny-0-*/*.npz")))
    (problem,) = [problem for item, _ in verify_records(records, Agreement()) for problem in item.problems]
    assert re.search(message, problem)


@pytest.mark.parametrize("changes", [{"schema": 9}, {"kind": "of tomorrow"}], ids=str)
def test_records_of_another_version_are_not_called_damaged(records, changes):
    facts = record_of(column(3)).facts | changes
    folder = (records.root / facts["file"]).parent
    (folder / f"{facts['kind']}-0123456789ab.json").write_bytes(seal(facts))
    (folder / f"{facts['kind']}-0123456789ab.npz").write_bytes(b"of tomorrow")
    found = [item for item, _ in verify_records(records, Agreement())]
    assert [item.problems for item in found] == [[]] * 3
    assert [item.unchecked for item in found if item.unchecked] == ["another version of featdyn wrote it"]
    assert records.find(column(1, 2), keys_of(column(1, 2))) is not None


def test_a_description_of_another_kind_than_its_name_is_damaged(records):
    path = next(records.root.glob("tiny-0-*/*.json"))
    path.write_bytes(seal(record_of(column(1, 2)).facts | {"kind": "of tomorrow"}))
    assert sum(bool(item.problems) for item, _ in verify_records(records, Agreement())) == 1


def test_descriptions_are_not_looked_through_for_each_record(records, monkeypatch):
    """A store may have tens of thousands."""

    class Listed(list):
        def __contains__(self, _):
            raise AssertionError("the list was looked through")

    original = verification.visible
    monkeypatch.setattr(verification, "visible", lambda *arguments: Listed(original(*arguments)))
    next(records.root.glob("tiny-1-*/*.json")).unlink()
    assert sum(bool(item.problems) for item, _ in verify_records(records, Agreement())) == 1


def test_bytes_that_are_no_arrays_are_found(records):
    record = record_of(column(3))
    content = b"no arrays"
    records.write(Record(record.facts | {"sha256": hashlib.sha256(content).hexdigest()}, content))
    (problem,) = [problem for item, _ in verify_records(records, Agreement()) for problem in item.problems]
    assert "cannot be unpacked" in problem


def test_published_records_are_checked_and_strays_are_reported(tmp_path):
    folder = tmp_path / "reduced"
    publish(folder, [record_of(column(1, 2, seed=seed)) for seed in (0, 1)])
    assert [item.problems for item, _ in verify_published(folder, Agreement())] == [[], []]
    victim = next(folder.glob("tiny-0-*/*.npz"))
    flip(victim, 60)
    shutil.copy(victim, folder / "stray.npz")
    (folder / "NOTES.md").touch()
    damaged, stray = (problem for item, _ in verify_published(folder, Agreement()) for problem in item.problems)
    assert "do not match its sha256" in damaged
    assert re.search(r"stray.npz is not in the manifest of .*; remove it", stray)
    (folder / "manifest.json").write_text("{")
    ((problem,),) = [item.problems for item, _ in verify_published(folder, Agreement())]
    assert "manifest.json cannot be read" in problem
