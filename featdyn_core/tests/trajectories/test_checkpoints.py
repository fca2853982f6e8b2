"""A user's checkpoints as a trajectory: files that are read, and files that are refused."""

import dataclasses
import io
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from featdyn_core.data.sources import load_dataset
from featdyn_core.errors import CheckpointError, MeasurementError, ModelError, RecipeError
from featdyn_core.measures.composites.composite import composite
from featdyn_core.measures.composites.displacement import displaced
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.measures.composites.statistics import statistics_images
from featdyn_core.measures.one_step.protocol import one_step_changes
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.records import column as columns
from featdyn_core.tests import elsewhere
from featdyn_core.trajectories.checkpoints import read_state
from featdyn_core.trajectories.trajectory import Trajectory

EPOCHS = (0, 3, 4)
TRAINING = {"batch_size": 50, "learning_rate": 0.1, "one_training": False}  # of networks that were drawn, not trained


def module(width: int = 6) -> nn.Module:
    """Return a small convolutional network that no recipe has."""
    first = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    return nn.Sequential(first, nn.Sequential(nn.Flatten(), nn.Linear(36 * width, 20), nn.ReLU()), nn.Linear(20, 10))


@pytest.fixture
def modules():
    """Return one module per epoch, each with other parameters."""
    found = {}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for epoch in EPOCHS:
            found[epoch] = module()
            found[epoch](torch.rand(20, 1, 8, 8))  # which moves the running statistics
            found[epoch].eval()
    return found


@pytest.fixture
def own(modules, tmp_path, tiny_dataset):
    """Return a function that saves each module and makes a trajectory of the files."""

    def make(save=torch.save, suffix="pt", wrap=dict, cuts=("0", "1"), **more) -> Trajectory:
        paths = {epoch: tmp_path / f"{epoch}.{suffix}" for epoch in EPOCHS}
        for epoch, path in paths.items():
            save(wrap(modules[epoch].state_dict()), path)
        options = {"network": BlockNetwork.from_module(module(), cuts), "dataset": tiny_dataset, **TRAINING} | more
        return Trajectory.from_checkpoints(paths, **options)

    return make


FORMS = {
    "torch": {},
    "safetensors": {"save": safetensors.torch.save_file, "suffix": "safetensors"},
    "with other things": {"wrap": lambda state: {"epoch": 3, "model_state_dict": state, "loss": 0.5}},
    "distributed": {"wrap": lambda state: {f"module.{name}": value for name, value in state.items()}},
    "compiled": {"wrap": lambda state: {"state_dict": {f"_orig_mod.{name}": v for name, v in state.items()}}},
    "Lightning's": {
        "wrap": lambda state: {"epoch": 2, "state_dict": {f"model.{name}": value for name, value in state.items()}}
    },
    "wrapped four times": {
        "wrap": lambda state: {"model": {f"module.model._orig_mod.module.{name}": v for name, v in state.items()}}
    },
    "compiled inside": {"wrap": lambda state: {name.replace("0.0.", "0._orig_mod.0."): v for name, v in state.items()}},
    "averaged": {
        "wrap": lambda state: {"n_averaged": torch.tensor(3)} | {f"module.{name}": v for name, v in state.items()}
    },
    "averages": {"wrap": lambda state: {"epoch": 3, "state_dict_ema": state}},
    "averages beside nothing": {"wrap": lambda state: {"ema": {"module": state, "updates": 7}}},
    "itself before its averages": {
        "wrap": lambda state: {"ema": {name: 2 * value for name, value in state.items()}, "state_dict": state}
    },
    "counters of another kind": {
        "wrap": lambda state: {k: v.float() if "num_batches" in k else v.double() for k, v in state.items()}
    },
    "without counters": {"wrap": lambda state: {k: v for k, v in state.items() if "num_batches" not in k}},
}


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_networks_are_those_that_were_saved(own, modules, form):
    trajectory = own(**FORMS[form])
    assert trajectory.epochs == EPOCHS
    images = trajectory.dataset.test_images
    for epoch in EPOCHS:
        network = trajectory.network(epoch)
        assert not network.training, f"epoch {epoch}"
        assert torch.equal(network(images), modules[epoch](network.standardize(images))), f"epoch {epoch}"


@torch.no_grad()
def test_composites_are_spliced_modules(own, modules):
    trajectory = own()
    images, labels = trajectory.evaluation_set("held-out")
    grid = composite_grid(trajectory, images, labels=labels, cuts=["0", "1"], shallow_epochs=[0, 3], deep_epochs=[4])
    column = columns.read(
        columns.measure(
            trajectory,
            [
                {
                    "deep": 4,
                    "shallow": [0, 3],
                    "split": "held-out",
                    "policy": "carry",
                    "precision": "fp32",
                    "frozen": False,
                }
            ],
        )[0],
        {"deep": 4},
    )
    hidden = trajectory.network(4).standardize(images)
    for row, epoch in enumerate((0, 3)):
        early = modules[epoch][0](hidden)
        for place, (before, after) in enumerate([([], modules[4][1:]), ([modules[epoch][1]], modules[4][2:])]):
            logits = nn.Sequential(*before, *after)(early)
            assert np.array_equal(grid.predictions[place, row, 0], logits.argmax(1)), (
                f"cut {place}, shallow epoch {epoch}"
            )
            assert np.array_equal(column.predictions[place, row], logits.argmax(1)), (
                f"cut {place}, shallow epoch {epoch}"
            )
    assert 0 < grid.agreement.min() < 1


def test_other_measurements_are_served_as_well(own):
    trajectory = own()
    samples = trajectory.dataset.test_images[:2]
    rng = np.random.default_rng(0)
    changes = one_step_changes(trajectory, 3, samples, updates=2, cut="1", rng=rng)
    assert changes.shape == (2, 2, 20)
    assert np.abs(changes).max() > 0
    assert composite(trajectory, 0, 4, "0", batchnorm="recalibrate").cuts == ("0", "1")
    assert displaced(trajectory, 0, 4, "1", rng).cuts == ("0", "1")


def test_key_is_that_of_files_cuts_and_seed(own, modules):
    first = own()
    assert own().key == first.key
    assert len(first.digests[3]) == 64
    others = [own(seed=1).key, own(cuts=("1",)).key, own(learning_rate=0.2, batch_size=50).key]
    modules[3][2].bias.data += 1
    assert len({first.key, *others, own().key}) == 5


def test_file_that_changes_afterwards_is_reported(own, modules, tmp_path):
    trajectory = own()
    torch.save(modules[0].state_dict(), tmp_path / "4.pt")
    trajectory.state(3)
    with pytest.raises(MeasurementError, match=r"4\.pt has changed since"):
        trajectory.state(4)


def test_template_is_left_alone(own):
    network = BlockNetwork.from_module(module(), ["0"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trajectory = own(network=network)
    trajectory.network(3).state_dict()["blocks.0.0.0.weight"].zero_()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert trajectory.network(3).state_dict()["blocks.0.0.0.weight"].abs().max() > 0


class Code:
    """An object that ``weights_only`` refuses."""


def test_a_checkpoint_that_is_packed_is_not_unpacked(tmp_path):
    """A few packed bytes may expand to any number."""
    saved, packed = io.BytesIO(), tmp_path / "0.pt"
    torch.save(module().state_dict(), saved)
    with zipfile.ZipFile(saved) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, bytes(10**6) if name.endswith("data.pkl") else before.read(name))
    with pytest.raises(ModelError, match=r"0\.pt cannot be .* claims 1,0\d\d,\d+ bytes, but has \d+,\d+"):
        read_state(packed, BlockNetwork.from_module(module(), ["0"]))


REFUSED = {
    "code": ({"wrap": lambda _: Code()}, r"0\.pt holds more than tensors: featdyn_core\.tests\.[^ ]+\.Code, an object"),
    "a whole module": (
        {"wrap": lambda _: module()},
        r"holds more than tensors: torch\.nn\.modules\.container\.Sequential, an object that would run code when "
        r"it is read\. Write the state dict alone .*torch\.save\(found\.state_dict\(\), other\)",
    ),
    "integers": (
        {"wrap": lambda state: {k: (100 * v).to(torch.int8) for k, v in state.items()}},
        r"does not fit .*: of another kind of numbers 0\.0\.weight torch\.int8, in the network torch\.float32, ",
    ),
    "two networks": (
        {"wrap": lambda s: s | {"module.2.bias": s["2.bias"]}},
        r"0\.pt has several tensors for 2\.bias; give a file of one network",
    ),
    "names of another module around it": (
        {"wrap": lambda state: {"state_dict": {f"net.{name}": value for name, value in state.items()}}},
        r"it lacks 0\.0\.weight, .*; the network has no net\.0\.0\.weight, ",
    ),
    "no state": (
        {"wrap": lambda _: {"epoch": 3}},
        r"0\.pt is not a state dict, and holds none with the name state_dict",
    ),
    "no tensors": ({"wrap": lambda _: [1.0]}, r"0\.pt is not a state dict"),
    "another format": ({"suffix": "safetensors"}, r"0\.safetensors cannot be read as a checkpoint"),
    "lacking": (
        {"wrap": lambda state: {k: v for k, v in state.items() if k != "2.bias"}},
        r"0\.pt does not fit the network: it lacks 2\.bias$",
    ),
    "too much": ({"wrap": lambda s: s | {"3.bias": s["2.bias"]}}, r"does not fit .*: the network has no 3\.bias$"),
    "another width": (
        {"network": BlockNetwork.from_module(module(7), ["0"])},
        r"of another shape 0\.0\.weight \(6, 1, 3, 3\), in the network \(7, 1, 3, 3\), .* and 2 more$",
    ),
    "not cut": ({"network": module()}, r"a Sequential has no cuts; give BlockNetwork\.from_module"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_checkpoint_of_the_network_is_reported(own, case):
    options, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        own(**options)


def test_missing_files_and_impossible_epochs_are_reported(tmp_path, tiny_dataset):
    options = {"network": BlockNetwork.from_module(module(), ["0"]), "dataset": tiny_dataset, **TRAINING}
    with pytest.raises(ModelError, match=r"1\.pt cannot be read as a checkpoint \(FileNotFoundError"):
        Trajectory.from_checkpoints({1: tmp_path / "1.pt"}, **options)
    with pytest.raises(RecipeError, match=r"that of epoch 1 is not the path of a file, but of type OrderedDict; write"):
        Trajectory.from_checkpoints({1: module().state_dict()}, **options)
    with pytest.raises(RecipeError, match="training, checkpoints: ascending epochs from 0"):
        Trajectory.from_checkpoints({-1: "a.pt", 3: "b.pt"}, **options)
    with pytest.raises(RecipeError, match="data, augmentation: none or crop-flip"):
        Trajectory.from_checkpoints({1: "a.pt"}, augmentation="mixup", **options)


NO_EPOCHS = {
    "none": ({}, "checkpoints: none is not a training; give those of later epochs"),
    "the first alone": ({0: "a.pt"}, "checkpoints: one of epoch 0 alone is not a training"),
    "a list": (
        ["a.pt", "b.pt"],
        r"a table of files by epoch, not a list; .* dict\(enumerate\(files\)\)",
    ),
    "text": ({"1": "a.pt"}, r"the epoch '1' is not an integer; give int\('1'\)"),
    "a name": ({"last": "a.pt"}, "the epoch 'last' is not an integer; give the number alone"),
    "half of one": (
        {0: "a.pt", 0.5: "b.pt"},
        "the epoch 0.5 is not an integer; if some checkpoints lie within an epoch",
    ),
    "true": ({True: "a.pt"}, "the epoch True is not an integer"),
}


@pytest.mark.parametrize("case", NO_EPOCHS)
def test_what_is_no_table_of_epochs_is_reported(case, tiny_dataset):
    checkpoints, message = NO_EPOCHS[case]
    options = {"network": BlockNetwork.from_module(module(), ["0"]), "dataset": tiny_dataset, **TRAINING}
    with pytest.raises(RecipeError, match=message):
        Trajectory.from_checkpoints(checkpoints, **options)


def test_epochs_may_be_numpys_and_images_a_name(own, tmp_path):
    network, expected = BlockNetwork.from_module(module(), ["0", "1"]), own(dataset=load_dataset("digits"))
    paths = {np.int64(epoch): tmp_path / f"{epoch}.pt" for epoch in reversed(EPOCHS)}
    found = Trajectory.from_checkpoints(paths, network=network, dataset="digits", **TRAINING)
    assert found.key == expected.key
    assert found.epochs == EPOCHS
    assert {type(epoch) for epoch in found.epochs} == {int}
    assert found.state(np.int32(3)).keys() == expected.state(3).keys()


@pytest.mark.parametrize("kept", ["one.weight", "two.weight"])
def test_tensor_of_two_names_may_be_in_the_file_once(kept, tmp_path, tiny_dataset):
    tied = nn.Sequential(OrderedDict(flat=nn.Flatten(), one=nn.Linear(64, 64), two=nn.Linear(64, 64)))
    tied.two.weight = tied.one.weight
    whole = nn.Sequential(OrderedDict(tied=tied, last=nn.Linear(64, 10)))
    state = whole.state_dict()
    del state[{"one.weight": "tied.two.weight", "two.weight": "tied.one.weight"}[kept]]
    torch.save(state, tmp_path / "1.pt")
    network = BlockNetwork.from_module(whole, ["tied"])
    with torch.no_grad():
        tied.one.weight.zero_()
    found = Trajectory.from_checkpoints({1: tmp_path / "1.pt"}, network=network, dataset=tiny_dataset, **TRAINING)
    images = tiny_dataset.test_images[:5]
    with torch.no_grad():
        assert torch.equal(found.network(1)(images), network(images))


def test_network_that_is_no_function_of_an_image_is_reported(own, modules):
    batchwise = module()
    batchwise[0][1] = nn.BatchNorm2d(6, track_running_stats=False)
    for epoch in EPOCHS:
        modules[epoch] = batchwise
    with pytest.raises(ModelError, match=r"other logits alone than in a batch: '0.1' \(BatchNorm2d\)"):
        own(network=BlockNetwork.from_module(batchwise, ["0"]))


def test_statistics_are_re_estimated_on_images_as_trained_on(own):
    plain, cropped = (statistics_images(own(**more)) for more in ({}, {"augmentation": "crop-flip"}))
    assert plain.shape == cropped.shape
    assert torch.equal(plain, own().dataset.train_images[: len(plain)])
    assert not torch.equal(plain, cropped)


def test_images_of_a_data_set_are_grey_levels(own, tiny_dataset):
    scaled = dataclasses.replace(tiny_dataset, test_images=tiny_dataset.test_images / 255)
    with pytest.raises(MeasurementError, match=r"values from 0 to 1, not grey levels 0\.\.255; multiply by 255"):
        own(dataset=scaled)


@pytest.fixture
def of_one_training(tmp_path, tiny_dataset):
    """Return a function that makes the trajectory of state dicts by epoch."""

    def make(states) -> Trajectory:
        pattern = elsewhere.saved(tmp_path, states)
        network = BlockNetwork.from_module(elsewhere.small(), elsewhere.CUTS)
        files = {np.int64(epoch): pattern.format(epoch=epoch) for epoch in states}
        return Trajectory.from_checkpoints(
            files, network=network, dataset=tiny_dataset, batch_size=20, learning_rate=0.1
        )

    return make


def test_checkpoints_of_one_training_are_taken_by_numpys_epochs(of_one_training):
    trajectory = of_one_training(elsewhere.trained(0))
    assert trajectory.epochs == tuple(elsewhere.EPOCHS)
    assert {type(epoch) for epoch in (*trajectory.epochs, *trajectory.digests)} == {int}


WRONG_SETS = {
    "one file twice": lambda s, _: s | {5: s[2]},
    "halves of two epochs": lambda s, _: s | {5: s[5] | {name: s[2][name] for name in ("0.weight", "0.bias")}},
    "reversed": lambda s, _: {epoch: s[7 - epoch] for epoch in s},
    "another run's": lambda s, other: s | {5: other[5]},
    "two runs": lambda s, other: {epoch: (s if epoch < 4 else other)[epoch] for epoch in s},
}


@pytest.mark.parametrize("fault", WRONG_SETS)
def test_checkpoints_that_are_no_one_training_are_refused(of_one_training, fault):
    states = WRONG_SETS[fault](elsewhere.trained(0), elsewhere.trained(1))
    with pytest.raises(CheckpointError, match="own: these checkpoints are not one training: "):
        of_one_training(states)


def test_what_looks_odd_about_checkpoints_is_a_warning(of_one_training):
    states = elsewhere.trained(0)
    still = {
        epoch: state | {"0.bias": states[3]["0.bias"], "0.weight": states[3]["0.weight"]}
        for epoch, state in states.items()
    }
    with pytest.warns(UserWarning, match="own: epochs 0, … and 7 are alike before the cut '0'"):
        of_one_training(still)
