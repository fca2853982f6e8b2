"""Checkpoints from elsewhere in a store: complete, with the network's names, found by recipe, of one training."""

import dataclasses
import functools
import json

import pytest
import torch

from featdyn_core.errors import CheckpointError, MissingTrajectoryError, ModelError
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.records import origin
from featdyn_core.store.adopting import _Seed, _told, adopt
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import verify, verify_trainings
from featdyn_core.tests.elsewhere import CUTS, EPOCHS, adoption, saved, small, trained
from featdyn_core.trajectories.oneness import Findings
from featdyn_core.trajectories.training import Training

states_of = functools.cache(trained)
SETS = (0, 1, 2)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", device="cpu", download=False)


@pytest.fixture
def own(tmp_path):
    """Return a function that saves trainings and returns their adoption."""

    def make(sets=None, **more):
        return adoption(tmp_path / "runs", sets or {seed: states_of(seed) for seed in SETS}, **more)

    return make


def test_trajectories_are_the_checkpoints_that_were_saved(store, own):
    lines = []
    recipe = adopt(store, "mine", own(), say=lines.append)
    assert (recipe.training.checkpoints, list(recipe.adopted.checkpoints)) == (tuple(EPOCHS), ["0", "1", "2"])
    assert [line.partition(";")[0].partition(",")[0] for line in lines] == [f"seed {s}: 8 checkpoints" for s in SETS]
    for seed in SETS:
        trajectory = store.get(recipe, seed)
        images = trajectory.dataset.test_images[:20]
        for epoch in (0, 7):
            module = small()
            module.load_state_dict(states_of(seed)[epoch])
            network = trajectory.network(epoch)
            torch.testing.assert_close(network.standardize(images), images / 255)
            assert torch.equal(network(images), module.eval()(network.standardize(images))), f"{seed}, {epoch}"
    trainings = [Training(recipe, seed) for seed in SETS]
    assert [found.problems for found in verify_trainings(store, trainings)] == [[], [], []]


def test_the_same_tensors_are_the_same_recipe_whatever_the_files(store, own, tmp_path):
    recipe = adopt(store, "mine", own())
    again = {str(s): saved(tmp_path / f"again{s}", states_of(s), wrap=lambda st: {"state_dict": st}) for s in SETS}
    assert adopt(store, "again", own(seeds=again)).digest == recipe.digest
    assert len(list(store.root.glob("*-?-*/manifest.json"))) == 3


def test_epochs_that_all_have_are_kept(store, own):
    sets = {0: states_of(0), 1: {e: states_of(1)[e] for e in (1, 2, 3, 5, 6, 7)}, 2: states_of(2)}
    recipe = adopt(store, "mine", own(sets, take={"2": (2, 6)}))
    assert recipe.training.checkpoints == (2, 3, 5, 6)
    with pytest.raises(CheckpointError, match=r"have 2 epochs in common .*seed 2 2 to 3.* and need 3"):
        adopt(store, "mine", own(sets, take={"2": (2, 3)}))


def test_a_seam_is_reported_with_the_options_that_take_a_side(store, own):
    mixed = {epoch: states_of(int(epoch > 2))[epoch] for epoch in EPOCHS}
    with pytest.raises(CheckpointError) as caught:
        adopt(store, "mine", own({0: mixed, 1: states_of(2)}))
    told = str(caught.value)
    assert told.startswith("seed 0 is not one training: between 2 and 3 the weights have nothing in common")
    assert told.endswith("take one side: --take 0=0-2 or --take 0=3-7")
    assert not list(store.root.glob("mine-*"))
    assert adopt(store, "mine", own({0: mixed, 1: states_of(2)}, take={"0": (3, 7)})).training.checkpoints[0] == 3


WRONG = {
    "one file twice": (lambda s: s | {5: s[2]}, "epochs 2 and 5 are one checkpoint"),
    "halves of two epochs": (
        lambda s: s | {5: s[5] | {name: s[2][name] for name in ("0.weight", "0.bias")}},
        "epochs 2 and 5 are alike before the cut '0'",
    ),
    "reversed": (lambda s: {epoch: s[7 - epoch] for epoch in EPOCHS}, "the loss on training images rises"),
    "another run's": (lambda s: s | {5: states_of(1)[5]}, "between 4 and 5 the weights have nothing in common"),
    "not finite": (lambda s: s | {5: s[5] | {"0.bias": s[5]["0.bias"] / 0}}, "epoch 5: blocks.0.0.bias is not finite"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_no_one_training_is_refused(store, own, fault):
    change, told = WRONG[fault]
    with pytest.raises(CheckpointError) as caught:
        adopt(store, "mine", own({0: change(states_of(0))}))
    assert f"seed 0 is not one training: {told}" in str(caught.value) or f", {told}" in str(caught.value)
    assert not list(store.root.glob("mine-*"))


def test_a_cosine_is_reported_no_larger_than_it_is(tmp_path):
    one = _Seed({0: tmp_path, 1: tmp_path}, Findings(cosines={(0, 1): 0.998}))
    assert "at cosine 0.99 or more" in _told(0, one, "epoch")


def test_an_order_that_is_accepted_is_a_suspicion_of_the_recipe(store, own):
    backwards = {epoch: states_of(0)[7 - epoch] for epoch in EPOCHS}
    recipe = adopt(store, "mine", own({0: backwards}), accept_order=True)
    assert "the loss on training images rises" in recipe.adopted.suspicions["0"]
    assert "the loss" in store.open(recipe, 0).recipe.adopted.suspicions["0"]


def test_two_seeds_of_one_training_are_refused(store, own):
    with pytest.raises(CheckpointError, match="seed 0 at 0 and seed 1 at 0 are one checkpoint; leave one of the two"):
        adopt(store, "mine", own({0: states_of(0), 1: states_of(0)}))


def test_images_that_a_network_did_not_train_on_are_suspicious(store, own):
    lines = []
    network = dict.fromkeys(EPOCHS)
    for epoch in EPOCHS:
        state = dict(states_of(0)[epoch])
        state["6.weight"], state["6.bias"] = state["6.weight"].roll(1, 0), state["6.bias"].roll(1, 0)
        network[epoch] = state
    adopt(store, "mine", own({0: network}), accept_order=True, say=lines.append)
    assert "is that of chance: other images, classes or scaling" in lines[0]


def test_what_does_not_fit_the_network_is_reported(store, own):
    with pytest.raises(ModelError, match="does not fit the network"):
        adopt(store, "mine", own(options={"width": 7}))


def test_what_is_known_and_what_is_not_is_in_the_recipe(store, own):
    assert adopt(store, "mine", own()).lacking(["learning_rate", "log"]) == ["learning rate", "log"]
    known = adopt(store, "mine", own(batch_size=20, learning_rate=0.05, augmentation="none"))
    assert known.lacking(["batch_size", "learning_rate", "statistics"]) == []
    assert known.lacking(["log"]) == ["log"]
    # This network has no normalisation, so the origin of statistics need not be known.
    assert adopt(store, "mine", own()).lacking(["statistics"]) == []


def test_what_was_adopted_is_not_trained(store, own):
    recipe = adopt(store, "mine", own())
    other = Store(store.root.parent / "other", device="cpu", download=False)
    with pytest.raises(MissingTrajectoryError, match="was trained elsewhere; bring it in with featdyn adopt or pull"):
        other.get(recipe, 0)
    assert not list(other.root.glob("*"))


def test_the_manifest_names_the_files_and_their_digests(store, own):
    recipe = adopt(store, "mine", own(sources={"0": "a friend"}))
    manifest = json.loads((store.folder(recipe, 0) / "manifest.json").read_bytes())
    assert manifest["files"]["3"]["name"] == "epoch_3.pt"
    assert len(manifest["files"]["3"]["sha256"]) == 64
    assert manifest["recipe"]["adopted"]["sources"] == {"0": "a friend"}


def test_steps_are_counted_as_they_are(store, own, tmp_path):
    steps = {100 * epoch: state for epoch, state in states_of(0).items()}
    pattern = saved(tmp_path / "steps", steps, name="step_{step}.pt")
    recipe = adopt(store, "mine", own(seeds={"0": pattern}))
    assert (recipe.adopted.unit, recipe.training.checkpoints) == ("step", tuple(range(0, 800, 100)))
    assert BlockNetwork.from_module(small(), CUTS).cuts == CUTS


def test_an_adopted_training_has_the_origin_of_its_checkpoints(store, own):
    """Nothing is drawn; the adopted digest shows whether another seed's checkpoints are returned."""
    recipe = adopt(store, "mine", own())
    trajectory, other = store.get(recipe, 0), store.get(recipe, 1)
    assert origin.measure(trajectory, {})["distance"] == 0
    assert origin.measure(dataclasses.replace(trajectory, load=other.load), {})["distance"] == 1


def test_verification_tells_checkpoints_that_were_not_adopted(store, own):
    recipe = adopt(store, "mine", own())
    trajectory = store.get(recipe, 0)
    swapped = dataclasses.replace(trajectory, seed=1)
    assert "its checkpoints are not those that were adopted as seed 1" in verify(swapped)
