"""What a stored trajectory is checked for."""

import hashlib
from pathlib import Path

import pytest
import safetensors.torch

from featdyn_core.store.supply import Store
from featdyn_core.store.verification import verify
from featdyn_core.tests.store.edits import edit_manifest
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.recipe import NetworkSpec, OptimizerSpec


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", device="cpu")


def folder_of(store: Store) -> Path:
    return store.folder(tiny_recipe(), 0)


def test_what_was_trained_is_in_order(store):
    assert verify(store.get(tiny_recipe(), 0)) == []


def test_tampered_log_is_found(store):
    store.get(tiny_recipe(), 0)

    def worsen(manifest):
        manifest["log"][2]["probe_loss"] += 0.01

    edit_manifest(folder_of(store), worsen)
    (problem,) = verify(store.get(tiny_recipe(), 0))
    assert problem.startswith("epoch 2: loss ")


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
