"""A user's modules, cut after named submodules."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from featdyn_core.errors import ModelError
from featdyn_core.measures.composites.composite import merged_state
from featdyn_core.networks import whereabouts
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
    """A module that ``torch.fx`` cannot trace, because it branches on numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the layer, depending on the numbers."""
        return self.linear(hidden) if hidden.sum() > 0 else hidden


def flat() -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(4, 4)]


@torch.no_grad()
def test_a_submodule_chain_that_cannot_be_followed_is_still_cut():
    module = nn.Sequential(*flat(), Branching(), nn.Linear(4, 3))
    network = BlockNetwork.from_module(module, ["1", "2"])
    images = torch.rand(5, 1, 2, 2) * 255
    torch.testing.assert_close(network(images), module(images / 255))
    assert set(network.translated(module.state_dict())) == set(network.state_dict())
    with pytest.raises(ModelError, match=r"torch.fx cannot follow Sequential.forward up to the cuts .*cut after outer"):
        BlockNetwork.from_module(module, ["2.linear"])


@torch.no_grad()
def test_parameters_of_the_module_belong_to_the_part_using_them():
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
    """Two layers that are called in an unusual way."""

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
        "Odd.forward differs between training and evaluation.*such as nn.Dropout",
    ),
    "two outputs": (
        lambda m, x: (m.two(m.one(x)), m.three(x)),
        ["one"],
        "Odd returns a tuple, not a single tensor",
    ),
    "unknown": (lambda m, x: m.three(m.two(m.one(x))), ["four"], "Odd has no submodule 'four' .* are one, two, three"),
    "nothing follows": (lambda m, x: m.three(m.two(m.one(x))), ["three"], "nothing follows the cut 'three'"),
    "twice": (lambda m, x: m.three(m.two(m.one(x))), ["one", "one"], "give a list of names of submodules, each once"),
    "none": (lambda m, x: m.three(m.two(m.one(x))), [], r"cuts = \[\]; give a list of names of submodules"),
    "a word": (lambda m, x: m.three(m.two(m.one(x))), "one", "cuts = 'one'; give a list of names of submodules"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_cut_is_reported(name):
    forward, cuts, message = ODD[name]
    with pytest.raises(ModelError, match=message):
        BlockNetwork.from_module(Odd(forward), cuts)


def test_cuts_at_one_place_or_inside_a_block_are_errors(pair):
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


class Whole(nn.Module):
    """A network whose forward pass is given."""

    def __init__(self, forward) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.unregistered, self.how = torch.full((4,), 0.5), forward
        self.register_buffer("passing", torch.full((4,), 2.0), persistent=False)
        self.scale = nn.Parameter(torch.full((4,), 3.0))

    def forward(self, images: Tensor, more: bool = False, *, twice: bool = False) -> Tensor:
        """Images (N, 1, 2, 2) to logits."""
        if more or twice:
            return self.one(images.flatten(1))
        return self.how(self, images)


def scaled_late(m, x):
    scale = m.scale
    return m.three(m.two(m.one(x.flatten(1))) * scale)


def counted(m, x):
    images, rows = x.size(0), x.shape[0]
    return m.three(m.two(m.one(x.view(images, -1))).view(images, 2, 2).reshape(rows, 4) * m.scale)


def counted_by_unpacking(m, x):
    images, _, height, width = x.shape
    return m.three(m.two(m.one(x.view(images, height * width))).reshape(images, 4) * m.scale)


def shape_kept(m, x):
    shape = x.size()
    return m.three(m.two(m.one(x.flatten(1))).reshape(shape[0], -1) * m.scale)


def plain(m, x):
    return m.three(m.two(m.one(x.flatten(1))) * m.scale)


RIGHT = {
    "arguments with defaults": plain,
    "a constant": lambda m, x: plain(m, (x - torch.tensor(0.1307)) / torch.tensor(0.3081)),
    "constants on both sides": lambda m, x: plain(m, x - torch.tensor(0.5)) - torch.tensor(0.5),
    "a tensor that is not registered": lambda m, x: plain(m, x) + m.unregistered[:3],
    "a buffer that is not kept": lambda m, x: plain(m, x) + m.passing[:3],
    "a parameter that is read early": scaled_late,
    "the number of images": counted,
    "the number of images, unpacked": counted_by_unpacking,
    "the number of images, of a shape": shape_kept,
    "the number of images, asked late": lambda m, x: plain(m, x).view(x.size(0), 3).view(x.shape[0], 3),
}


@torch.no_grad()
@pytest.mark.parametrize("case", RIGHT)
def test_what_can_be_cut_is_cut(case):
    module = Whole(RIGHT[case])
    network = BlockNetwork.from_module(module, ["one", "two"])
    images = torch.rand(5, 1, 2, 2) * 255
    assert torch.equal(network(images), module(network.standardize(images)))
    for cut in network.cuts:
        assert torch.equal(network.deep(network.shallow(images[:3], cut), cut), network(images[:3])), cut
    assert set(network.translated(module.state_dict())) == set(network.state_dict())


@torch.no_grad()
@pytest.mark.parametrize("name", ["update", "pop", "keys", "values", "items", "clear", "forward_"])
def test_a_submodule_called_as_a_container_method_can_be_cut(name):
    module = nn.Sequential(nn.Flatten())
    module.append(nn.Linear(4, 4))
    outer = nn.Module()
    setattr(outer, name, module)
    outer.last = nn.Linear(4, 3)
    outer.__class__ = type("Named", (nn.Module,), {"forward": lambda m, x: m.last(m._modules[name](x))})
    network = BlockNetwork.from_module(outer, [name])
    images = torch.rand(5, 1, 2, 2) * 255
    assert network.cuts == (name,)
    assert torch.equal(network.deep(network.shallow(images, name), name), outer(network.standardize(images)))
    load_state(network, network.translated(outer.state_dict()))
    assert [key for key in network.state_dict() if network.in_shallow_part(key, name)] == [*network.state_dict()][:2]


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("normalised", [nn.utils.weight_norm, nn.utils.spectral_norm, parametrizations.weight_norm])
def test_weights_that_are_computed_can_be_cut_and_copied(normalised):
    module = nn.Sequential(nn.Flatten(), normalised(nn.Linear(4, 4)), nn.Linear(4, 3)).eval()
    images = torch.rand(5, 1, 2, 2) * 255
    network = BlockNetwork.from_module(module, ["1"])
    logits = network(images)  # then the weights are results of a computation
    twin = copy.deepcopy(network)
    assert torch.equal(logits, module(network.standardize(images)))
    for name, value in twin.state_dict().items():
        if name.endswith(("_g", "original0", "_orig")):
            value.copy_(torch.rand_like(value))
    assert not torch.equal(twin(images), logits)
    assert torch.equal(network(images), logits)


def drawn(m, x):
    return plain(m, x * 2 if m.training and torch.rand(1) < 0.5 else x)


def drawn_for_good(m, x):
    return plain(m, x + torch.randn(2))


def numpys(m, x):
    return plain(m, x * float(np.random.rand()))  # noqa: NPY002


def in_training(m, x):
    hidden = m.one(x.flatten(1))
    if m.training:
        hidden = hidden * 2
    return m.three(m.two(hidden) * m.scale)


def other_constant(m, x):
    return plain(m, x - torch.tensor(float(m.training)))


def looking(m, x):
    hidden = m.one(x.flatten(1))
    return m.three(m.two(hidden) * m.scale) if hidden.sum() > 0 else hidden


def skipping(m, x):
    hidden = m.one(x.flatten(1))
    return m.three(m.two(hidden) * m.scale + hidden)


WRONG = {  # the function, the line that the error names, the message
    "a draw in training": (drawn, 1, "Whole.forward draws at random outside of the submodules .*: Whole, "),
    "a draw that would stay": (drawn_for_good, 1, "Whole.forward draws at random .*Put it into a submodule"),
    "another in training": (in_training, 3, "Whole.forward differs between training and evaluation"),
    "another constant in training": (other_constant, 1, "Whole.forward differs between training"),
    "a look at numbers": (looking, 2, "torch.fx cannot follow Whole.forward up to the cuts at Whole, "),
    "a skip connection": (skipping, 2, "a skip connection leads across the cut 'two'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_line_at_fault_is_reported(case):
    function, line, message = WRONG[case]
    with pytest.raises(ModelError, match=message) as told:
        BlockNetwork.from_module(Whole(function), ["one"] if case != "a skip connection" else ["one", "two"])
    code = function.__code__
    assert f"{code.co_filename}:{code.co_firstlineno + line}: " in str(told.value)


def test_draw_of_another_library_is_reported():
    with pytest.raises(ModelError, match=r"draws at random .*test_cutting\.py:\d+: def forward"):
        BlockNetwork.from_module(Whole(numpys), ["one"])


def test_draws_of_submodules_that_are_taken_whole_are_their_own():
    module = nn.Sequential(*flat(), nn.Dropout(0.5), nn.Linear(4, 3))
    states = whereabouts.generators()
    BlockNetwork.from_module(module, ["1"])
    assert whereabouts.generators() == states


def doubled(_module, _inputs, output):
    return 2 * output


@torch.no_grad()
def test_hooks_of_the_module_are_refused_and_inner_hooks_called():
    module = nn.Sequential(*flat(), nn.Linear(4, 3))
    module[1].register_forward_hook(doubled)
    images = torch.rand(5, 1, 2, 2) * 255
    network = BlockNetwork.from_module(module, ["1"])
    assert torch.equal(network(images), module(network.standardize(images)))
    handle = module.register_forward_hook(doubled)
    line = f"{doubled.__code__.co_filename}:{doubled.__code__.co_firstlineno}"
    with pytest.raises(ModelError, match=rf"Sequential has a hook, 'doubled', {line}, .*handle\.remove\(\)"):
        BlockNetwork.from_module(module, ["1"])
    handle.remove()
    BlockNetwork.from_module(module, ["1"])


@torch.no_grad()
def test_class_that_returns_the_logits_alone_is_shown_and_does():
    class Several(Whole):
        def forward(self, images):
            hidden = self.two(self.one(images.flatten(1)))
            return {"features": hidden, "logits": self.three(hidden * self.scale)}

    module = Several(None)
    with pytest.raises(ModelError, match="Several returns a dict, not a single tensor of logits") as told:
        BlockNetwork.from_module(module, ["one"])
    wrapper = str(told.value).partition("\n\n")[2]
    assert len(wrapper.splitlines()) == 3
    names = {"Several": Several}
    exec(wrapper, names)
    module = names["Logits"](None)
    images = torch.rand(5, 1, 2, 2) * 255
    network = BlockNetwork.from_module(module, ["one"])
    assert torch.equal(network(images), module(network.standardize(images)))
