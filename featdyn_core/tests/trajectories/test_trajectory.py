"""Trajectories in memory: their states, networks, and the data they belong to."""

import dataclasses

import numpy as np
import pytest
import torch

from featdyn_core.data.label_files import labels_sha256
from featdyn_core.errors import AbsentDataError, DataError, MeasurementError, ModelError
from featdyn_core.networks.blocks import load_state
from featdyn_core.networks.zoo import build_model
from featdyn_core.tests.tiny import coloured_digits, tiny_digits, tiny_recipe
from featdyn_core.trajectories.specs import DataSpec, LabelSpec, NetworkSpec
from featdyn_core.trajectories.trajectory import Trajectory, new_network, training_set


def in_memory(states=None, **tables) -> Trajectory:
    recipe = tiny_recipe(**tables)
    if states is None:
        generator = torch.Generator().manual_seed(0)
        states = {epoch: new_network(recipe, tiny_digits(), generator).state_dict() for epoch in (0, 2, 3)}
    return Trajectory(
        recipe=recipe, seed=0, key="k", epochs=tuple(states), dataset=tiny_digits(), load=states.__getitem__
    )


def test_network_is_in_the_state_of_its_epoch_and_evaluates():
    trajectory = in_memory(network=NetworkSpec("mlp", {"hidden": [12], "dropout": 0.5}))
    for epoch in trajectory.epochs:
        network = trajectory.network(epoch)
        assert not network.training, f"epoch {epoch}"
        for name, value in network.state_dict().items():
            assert torch.equal(value, trajectory.state(epoch)[name]), f"{name} at epoch {epoch}"


def test_a_network_equals_a_fresh_network_with_its_state(tiny_trajectory):
    recipe, data = tiny_trajectory.recipe, tiny_trajectory.dataset
    plain = build_model(
        recipe.network.name,
        image=tuple(data.train_images.shape[1:]),
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        **recipe.network.options,
    ).eval()
    for epoch in tiny_trajectory.epochs:
        load_state(plain, tiny_trajectory.state(epoch))
        assert torch.equal(tiny_trajectory.network(epoch)(data.test_images), plain(data.test_images)), f"epoch {epoch}"


def test_a_network_can_be_trained_without_changing_the_state():
    trajectory = in_memory()
    before = {name: value.clone() for name, value in trajectory.state(2).items()}
    network = trajectory.network(2)
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(1)
    for name, value in trajectory.state(2).items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)], ids=["default", "seeded"])
def test_global_generator_is_left_alone(generator):
    trajectory = in_memory()
    before = torch.get_rng_state()
    trajectory.network(2)
    new_network(trajectory.recipe, trajectory.dataset, generator)
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_epoch_is_refused():
    with pytest.raises(MeasurementError, match="tiny seed 0 has no checkpoint at epoch 1; it has 0, 2, 3"):
        in_memory().state(1)
    with pytest.raises(MeasurementError, match="no checkpoint at epoch 4"):
        in_memory().network(4)


def test_state_of_another_network_is_refused():
    other = in_memory(network=NetworkSpec("mlp", {"hidden": [13]}))
    with pytest.raises(ModelError, match="does not fit the network"):
        in_memory(states={0: other.state(0)}).network(0)


def test_evaluation_sets_are_the_first_images_with_true_labels():
    trajectory = dataclasses.replace(in_memory(labels=LabelSpec(randomized=1.0)), evaluation_images=100)
    data = trajectory.dataset
    for split, images, labels in (
        ("held-out", data.test_images, data.test_labels),
        ("training", data.train_images, data.train_labels),
    ):
        found = trajectory.evaluation_set(split)
        assert torch.equal(found[0], images[:100]), split
        assert torch.equal(found[1], labels[:100]), split
    with pytest.raises(MeasurementError, match="unknown split 'test'; the splits are held-out, training"):
        trajectory.evaluation_set("test")


def test_network_fits_the_data_set():
    data = coloured_digits()
    network = new_network(tiny_recipe(network=NetworkSpec("resnet8", {"width": 2})), data)
    assert network(data.test_images[:3]).shape == (3, data.classes)
    scaled = network.standardize(data.train_images)
    shown = (data.train_images / 255 - torch.tensor(data.mean).view(3, 1, 1)) / torch.tensor(data.std).view(3, 1, 1)
    torch.testing.assert_close(scaled, shown, rtol=1e-4, atol=1e-4)


def test_labels_are_clean_unless_the_recipe_says_otherwise():
    images, labels = in_memory().training_set()
    assert torch.equal(images, tiny_digits().train_images)
    assert torch.equal(labels, tiny_digits().train_labels)


def test_labels_are_randomised_to_the_recipes_share():
    clean = tiny_digits().train_labels
    noisy = in_memory(labels=LabelSpec(randomized=0.4)).training_set()[1]
    differing = (noisy != clean).double().mean().item()
    # 80 of 200 labels drawn at random, each wrong with probability 0.9: mean 0.36, standard deviation 0.013
    assert 0.36 - 4 * 0.014 < differing <= 0.4
    assert torch.equal(noisy, in_memory(labels=LabelSpec(randomized=0.4)).training_set()[1])
    assert not torch.equal(noisy, training_set(tiny_recipe(labels=LabelSpec(randomized=0.4)), 1, tiny_digits())[1])


def test_labels_are_renamed_consistently():
    clean = tiny_digits().train_labels
    renamed = in_memory(labels=LabelSpec(permuted=True)).training_set()[1]
    pairs = set(zip(clean.tolist(), renamed.tolist(), strict=True))
    assert len(pairs) == 10
    assert not [pair for pair in pairs if pair[0] == pair[1]]
    assert not torch.equal(renamed, training_set(tiny_recipe(labels=LabelSpec(permuted=True)), 1, tiny_digits())[1])


def test_labels_of_a_file_are_trained_on_and_true_ones_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATDYN_DATA", str(tmp_path))
    given = tiny_digits().train_labels.flip(0)
    np.savez(tmp_path / "labels.npz", given=given.numpy())
    labels = LabelSpec(file="labels.npz", column="given", sha256=labels_sha256(given.numpy()))
    recipe = tiny_recipe(data=DataSpec("own.npz"), labels=labels)
    trajectory = dataclasses.replace(in_memory(), recipe=recipe, dataset=dataclasses.replace(tiny_digits(), drawn=None))
    assert torch.equal(trajectory.training_set()[1], given)
    assert torch.equal(trajectory.evaluation_set("training")[1], tiny_digits().train_labels)
    (tmp_path / "labels.npz").unlink()
    with pytest.raises(AbsentDataError, match=r"^recipe 'tiny': labels: .*labels\.npz is missing"):
        trajectory.training_set()
    np.savez(tmp_path / "labels.npz", given=given.numpy()[1:])
    with pytest.raises(DataError, match=r"^recipe 'tiny': labels: .*labels\.npz: given has the sha256"):
        trajectory.training_set()


def test_noise_is_drawn_over_the_renamed_labels():
    def labels(**how):
        return in_memory(labels=LabelSpec(**how)).training_set()[1]

    both, renamed, noisy = (
        labels(permuted=True, randomized=0.4),
        labels(permuted=True),
        labels(randomized=0.4),
    )
    touched = noisy != tiny_digits().train_labels
    assert torch.equal(both[touched], noisy[touched])
    assert (both == renamed).double().mean() > 0.6
