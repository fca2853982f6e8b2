"""Modules of one's own, cut after named submodules."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from featdyn_core.errors import ModelError
from featdyn_core.measures.composites.composite import merged_state
from featdyn_core.networks.blocks import BlockNetwork, load_state

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BEFORE = {  # what the forward pass of ResNet-18 visits first, up to and including the cut
    "relu": ("conv1.", "bn1."),
    "layer1": ("conv1.", "bn1.", "layer1."),
    "layer2.0": ("conv1.", "bn1.", "layer1.", "layer2.0."),
    "layer3.1": ("conv1.", "bn1.", "layer1.", "layer2.", "layer3."),
}


def resnet18(seed: int) -> nn.Module:
    """An untrained ResNet-18 with statistics of some images of noise."""
    torch.manual_seed(seed)
    network = torchvision.models.resnet18(num_classes=7)
    with torch.no_grad():
        network(torch.rand(16, 3, 32, 32))
    return network.eval()


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        return resnet18(1), resnet18(2)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@torch.no_grad()
def test_resnet18_in_parts_is_resnet18(pair, images):
    network = BlockNetwork.from_module(pair[0], ["layer3.1", "layer1", "relu", "layer2.0"], **IMAGENET)
    assert network.cuts == network.depths == ("relu", "layer1", "layer2.0", "layer3.1")
    assert not network.training
    expected = pair[0](network.standardize(images))
    assert torch.equal(network(images), expected)
    for cut in network.cuts:
        assert torch.equal(network.deep(network.shallow(images, cut), cut), expected), cut
    assert list(network.features(images, ["layer2.0", "relu"])) == ["layer2.0", "relu"]


@torch.no_grad()
@pytest.mark.parametrize("cut", BEFORE)
def test_composite_of_the_halves_is_the_spliced_network(pair, images, cut):
    shallow, deep = pair
    network = BlockNetwork.from_module(deep, ["layer1", cut] if cut != "layer1" else [cut])
    load_state(network, merged_state(network, network.translated(shallow.state_dict()), network.state_dict(), cut))
    spliced = resnet18(3)
    states = shallow.state_dict(), deep.state_dict()
    spliced.load_state_dict({key: states[not key.startswith(BEFORE[cut])][key] for key in states[0]})
    expected = spliced(network.standardize(images))
    assert torch.equal(network(images), expected)
    for one in pair:
        assert not torch.allclose(expected, one(network.standardize(images)))


@torch.no_grad()
def test_features_at_a_cut_survive_what_works_in_place(pair, images):
    network = BlockNetwork.from_module(pair[0], ["bn1", "layer1"])  # a ReLU in place follows
    alone = network.shallow(images, "bn1")
    assert alone.min() < 0
    assert torch.equal(network.features(images, ["bn1", "layer1"])["bn1"], alone)
    kept = alone.clone()
    network.deep(alone, "bn1")
    assert torch.equal(alone, kept)


def test_module_itself_is_left_alone(pair):
    network = BlockNetwork.from_module(pair[0], ["layer1"])
    before = {name: value.clone() for name, value in pair[0].state_dict().items()}
    with torch.no_grad():
        for value in network.state_dict().values():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in pair[0].state_dict().items())


class Branching(nn.Module):
    """What ``torch.fx`` cannot follow: it looks at numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the layer where it suits."""
        return self.linear(hidden) if hidden.sum() > 0 else hidden


def flat() -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(4, 4)]


@torch.no_grad()
def test_chain_of_submodules_that_cannot_be_followed_is_cut_between_them():
    module = nn.Sequential(*flat(), Branching(), nn.Linear(4, 3))
    network = BlockNetwork.from_module(module, ["1", "2"])
    images = torch.rand(5, 1, 2, 2) * 255
    torch.testing.assert_close(network(images), module(images / 255))
    assert set(network.translated(module.state_dict())) == set(network.state_dict())
    with pytest.raises(ModelError, match=r"torch.fx cannot follow Sequential.forward up to the cuts .*cut after outer"):
        BlockNetwork.from_module(module, ["2.linear"])


@torch.no_grad()
def test_parameters_of_the_module_itself_belong_to_the_part_that_uses_them():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.scale = nn.Sequential(*flat()), nn.Linear(4, 3), nn.Parameter(torch.rand(4))
            self.register_buffer("shift", torch.rand(4))

        def forward(self, images: Tensor) -> Tensor:
            return self.last(torch.relu(self.first(images)) * self.scale + self.shift)

    module = Scaled()
    network = BlockNetwork.from_module(module, ["first"])
    assert network.translated({"scale": torch.ones(4)}) == {"blocks.rest.scale": pytest.approx(torch.ones(4))}
    assert not network.in_shallow_part("blocks.rest.shift", "first")
    images = torch.rand(5, 1, 2, 2) * 255
    torch.testing.assert_close(network(images), module(images / 255))


class Odd(nn.Module):
    """Two layers, and something odd about the way they are called."""

    def __init__(self, forward) -> None:
        super().__init__()
        self.one, self.two, self.three, self.how = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3), forward

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 2, 2) to logits."""
        return self.how(self, images.flatten(1))


ODD = {
    "skip connection": (
        lambda m, x: m.three(m.two(m.one(x)) + x),
        ["one"],
        "a skip connection leads across the cut",
    ),
    "skip over a part": (lambda m, x: m.three(m.one(x) + 0 * m.two(x)), ["one", "two"], "a skip connection .* 'one'"),
    "used on both sides": (lambda m, x: m.three(m.one(m.two(m.one(x)))), ["two"], "'one.weight' is used before and af"),
    "used by nobody": (lambda m, x: m.three(m.one(x)), ["one"], r"two.weight, two.bias: the forward pass of Odd does"),
    "cut called twice": (lambda m, x: m.three(m.one(m.two(m.one(x)))), ["one"], "Odd calls 'one' 2 times; cut after"),
    "cut never called": (lambda m, x: m.three(m.one(x)), ["two"], "Odd calls 'two' 0 times"),
    "other in training": (
        lambda m, x: m.three(m.two(F.dropout(m.one(x), training=m.training))),
        ["one"],
        "Odd.forward does other things in training than in evaluation.*such as nn.Dropout",
    ),
    "two outputs": (lambda m, x: (m.two(m.one(x)), m.three(x)), ["one"], "the module returns something else than the"),
    "unknown": (lambda m, x: m.three(m.two(m.one(x))), ["four"], "Odd has no submodule 'four' .* are one, two, three"),
    "nothing follows": (lambda m, x: m.three(m.two(m.one(x))), ["three"], "nothing follows the cut 'three'"),
    "twice": (lambda m, x: m.three(m.two(m.one(x))), ["one", "one"], "give a list of names of submodules, each once"),
    "none": (lambda m, x: m.three(m.two(m.one(x))), [], r"cuts = \[\]; give a list of names of submodules"),
    "a word": (lambda m, x: m.three(m.two(m.one(x))), "one", "cuts = 'one'; give a list of names of submodules"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_cut_is_told(name):
    forward, cuts, message = ODD[name]
    with pytest.raises(ModelError, match=message):
        BlockNetwork.from_module(Odd(forward), cuts)


def test_cuts_at_one_place_and_inside_a_residual_block_are_told(pair):
    with pytest.raises(ModelError, match=r"the cuts 'layer2' and 'layer2.1' are at the same place"):
        BlockNetwork.from_module(pair[0], ["layer2", "layer2.1"])
    with pytest.raises(ModelError, match=r"a skip connection leads across the cut 'layer2.0.conv1'.*whole residual"):
        BlockNetwork.from_module(pair[0], ["layer2.0.conv1"])
    with pytest.raises(ModelError, match="this network has no cut 'layer9'"):
        BlockNetwork.from_module(pair[0], ["layer1"], depths=["layer9"])


def test_tied_parameters_may_share_a_part_and_no_cut():
    module = Odd(lambda m, x: m.three(m.two(m.one(x))))
    module.two.weight = module.one.weight
    network = BlockNetwork.from_module(module, ["two"])
    assert set(network.translated(module.state_dict())) <= set(network.state_dict())
    with pytest.raises(ModelError, match=r"'two.weight' is used before and after the cut 'one'"):
        BlockNetwork.from_module(module, ["one"])
