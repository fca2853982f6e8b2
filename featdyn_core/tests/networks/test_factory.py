"""Networks that a user's function makes, from recipe to composites."""

import math
import shutil
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from featdyn_core.errors import ModelError, RecipeError
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.factory import from_factory
from featdyn_core.networks.zoo import build_model
from featdyn_core.seeds import torch_generator
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import Check, NotCheckedError, verify_folder, verify_store
from featdyn_core.tests.store.edits import flip
from featdyn_core.tests.tiny import tiny_digits, tiny_recipe
from featdyn_core.training.fitting import check_fit
from featdyn_core.trajectories.recipe import parse_recipe, restore_recipe
from featdyn_core.trajectories.specs import NetworkSpec
from featdyn_core.trajectories.trajectory import new_network

HERE = __name__
SCALE = {"mean": (0.4,), "std": (0.3,)}


def perceptron(width: int, classes: int = 10) -> nn.Module:
    """A perceptron with batch normalisation and dropout."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)),
        nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()),
        nn.Linear(width, classes),
    )


def chain() -> BlockNetwork:
    """Return a network that is a chain already."""
    return BlockNetwork({"hidden": nn.Sequential(nn.Flatten(), nn.Linear(64, 10))}, [], [0.5], [0.5])


def number() -> int:
    """Return something that is not a network."""
    return 3


def recipe(function: str = "perceptron", **options):
    """Return a recipe of a network made by a function of this module."""
    return tiny_recipe(name="own", network=NetworkSpec(f"{HERE}:{function}", options))


OWN = {"width": 12, "cuts": ["1", "2"]}


def test_a_module_is_cut_and_standardises_as_the_data_set_asks():
    network = new_network(recipe(**OWN), tiny_digits())
    assert network.cuts == network.depths == ("1", "2")
    assert new_network(recipe(**OWN, depths=["2"]), tiny_digits()).depths == ("2",)
    images = tiny_digits().test_images[:3]
    expected = build_model("mlp", image=(1, 8, 8), mean=tiny_digits().mean, std=tiny_digits().std).standardize(images)
    assert torch.equal(network.standardize(images), expected)


def test_network_that_is_a_chain_is_taken_as_it_is():
    assert list(new_network(recipe("chain"), tiny_digits()).blocks) == ["hidden"]


def test_function_of_another_package_can_be_named():
    network = from_factory("torchvision.models:resnet18", {"num_classes": 4, "cuts": ["layer1"]}, **SCALE)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_initialisation_is_a_function_of_the_seed_alone():
    built = []
    for ambient, seed in ((1, 5), (2, 5), (2, 6)):
        torch.manual_seed(ambient)
        before = torch.get_rng_state()
        built.append(new_network(recipe(**OWN), tiny_digits(), torch_generator(seed, "init")).state_dict())
        assert torch.equal(torch.get_rng_state(), before), f"seed {seed}"
    first, again, other = built
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["blocks.1.1.0.weight"], other["blocks.1.1.0.weight"])


def test_recipe_is_known_by_the_function_and_its_arguments():
    document = {
        "schema": 1,
        "data": {"set": "digits"},
        "network": {"name": f"{HERE}:perceptron", **OWN, "classes": 10},  # an argument of the function here
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "training": {"epochs": 1, "batch_size": 50, "checkpoints": [[0, 1, 1]]},
    }
    found = parse_recipe(document, "own")
    assert restore_recipe(found.to_dict(), "own") == found
    others = [{**document["network"], **change} for change in ({"width": 13}, {"name": f"{HERE}:chain"})]
    digests = {parse_recipe({**document, "network": network}, "own").digest for network in others}
    assert len(digests | {found.digest}) == 3


@pytest.mark.parametrize("name", ["os.system", "a b:c", ":c", "a:", "a:b:c", "../a:b", "a:b()"])
def test_what_is_no_name_of_a_function_is_no_network(name):
    with pytest.raises(RecipeError, match=r"network, name: unknown; .* or package.module:function of your own"):
        tiny_recipe(network=NetworkSpec(name))


BAD = {
    "no module": ("no_such_module:f", {}, "the module 'no_such_module' cannot be imported .*PYTHONPATH"),
    "no function": (f"{HERE}:f", {}, f"'{HERE}' has no 'f'"),
    "not callable": (f"{HERE}:HERE", {}, "is a str, not a function"),
    "other arguments": (f"{HERE}:perceptron", {"wide": 3}, "with {'wide': 3}: TypeError: .*unexpected keyword"),
    "no network": (f"{HERE}:number", {}, "returned a int; it must return a torch.nn.Module"),
    "no cuts": (
        f"{HERE}:perceptron",
        {"width": 3},
        r"is a Sequential; set cuts = \[...\] to some of its submodules 0, 1",
    ),
    "two sets of cuts": (f"{HERE}:chain", {"cuts": ["hidden"]}, "has its cuts already; leave out cuts"),
    "a cut that is none": (f"{HERE}:perceptron", {"width": 3, "cuts": ["9"]}, "has no submodule '9'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_network_is_reported(case):
    name, options, message = BAD[case]
    with pytest.raises(ModelError, match=message):
        from_factory(name, options, **SCALE)


def test_module_whose_code_fails_is_reported(tmp_path, monkeypatch):
    (tmp_path / "faulty_networks.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be imported \(ZeroDivisionError"):
        from_factory("faulty_networks:f", {}, **SCALE)
    assert "faulty_networks" not in sys.modules


def test_other_number_of_classes_is_reported_before_training():
    with pytest.raises(ModelError, match=r"logits of shape \(50, 7\) .* has 10 classes; make it \(N, 10\)"):
        check_fit(recipe(**OWN, classes=7), tiny_digits())
    check_fit(recipe(**OWN), tiny_digits())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"), device="cpu")
    return store, store.get(recipe(**OWN), 0)


@pytest.mark.parametrize("policy", ["carry", "recalibrate"])
def test_a_custom_network_can_be_trained_and_its_composites_run(trained, policy):
    _, found = trained
    assert found.log[-1].train_loss < 0.8 * math.log(10)
    images: Tensor = found.dataset.test_images
    options = {"cuts": ["2", "1"], "shallow_epochs": [0, 3], "deep_epochs": [3], "batchnorm": policy}
    grid = composite_grid(found, images, **options)
    for place, cut in enumerate(grid.cuts):
        for row, epoch in enumerate((0, 3)):
            expected = predict(composite(found, epoch, 3, cut, batchnorm=policy), images)
            assert np.array_equal(grid.predictions[place, row, 0], expected), f"shallow epoch {epoch}, {cut}"
    assert grid.agreement[0, 0, 0] < grid.agreement[0, 1, 0]


def test_verification_runs_code_for_a_recipe_not_for_a_manifest(trained):
    store, found = trained
    folder = store.folder(found.recipe, 0)
    assert verify_folder(store, folder, (found.recipe, 0)) == []
    with pytest.raises(
        NotCheckedError, match=f"its network is made by {HERE}:perceptron, code that runs only for its own rec"
    ):
        verify_folder(store, folder)
    (item,) = verify_store(store)
    assert (item.problems, "code that runs only for its own recipe" in item.unchecked) == ([], True)


def test_bytes_are_checked_of_a_network_that_may_not_be_made(trained, tmp_path):
    store, found = trained
    shutil.copytree(store.root, tmp_path / "store")
    copy = Store(tmp_path / "store", device="cpu")
    flip(copy.folder(found.recipe, 0) / "epoch-0003.safetensors", -1)
    (item,) = verify_store(copy)
    assert item == Check(item.name, ["epoch-0003.safetensors: its bytes do not match the recorded sha256"])
