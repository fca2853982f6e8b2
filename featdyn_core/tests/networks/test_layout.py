"""Networks whose code needs the usual memory order are measured and trained like any other."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.layout import fastest
from featdyn_core.networks.zoo import build_model
from featdyn_core.tests.tiny import MemorySink, coloured_digits, tiny_recipe
from featdyn_core.training.loop import train
from featdyn_core.trajectories.specs import NetworkSpec
from featdyn_core.trajectories.trajectory import Trajectory, new_network

WAYS = {
    "view": lambda hidden: hidden.view(-1, 6 * 4 * 4),
    "view by length": lambda hidden: hidden.view(hidden.size(0), -1),
    "flatten": lambda hidden: hidden.flatten(1),
}


class Viewing(nn.Module):
    """A network as in tutorials: two convolutions, and features that are viewed as vectors."""

    def __init__(self, way: str = "view") -> None:
        super().__init__()
        self.first, self.pool = nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.classifier = nn.Linear(6 * 4 * 4, 10)
        self.way = WAYS[way]

    def forward(self, images: Tensor) -> Tensor:
        """Images to logits."""
        return self.classifier(self.way(self.second(self.pool(self.first(images).relu())).relu()))


class Inner(nn.Module):
    """The same inside a layer that is not cut."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Features to vectors."""
        return hidden.view(len(hidden), -1)


def inner() -> nn.Module:
    """Return a chain of layers, one of which views features as vectors."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Inner(), nn.Linear(4 * 6 * 6, 10))


def chain() -> BlockNetwork:
    """Return a chain of a user's blocks."""
    blocks = {"conv": nn.Conv2d(3, 4, 3), "rest": nn.Sequential(nn.ReLU(), Inner(), nn.Linear(4 * 6 * 6, 10))}
    return BlockNetwork(blocks, ["conv"], [0.5], [0.5])


SPECS = {
    "view": NetworkSpec(f"{__name__}:Viewing", {"cuts": ["first", "second"]}),
    "view by length": NetworkSpec(f"{__name__}:Viewing", {"way": "view by length", "cuts": ["first"]}),
    "in a layer": NetworkSpec(f"{__name__}:inner", {"cuts": ["0"]}),
    "chain": NetworkSpec(f"{__name__}:chain", {}),
}


def network_of(case: str) -> BlockNetwork:
    return new_network(tiny_recipe(network=SPECS[case]), coloured_digits(), torch.Generator().manual_seed(0))


def drifting(case: str) -> Trajectory:
    """Return a trajectory of random steps."""
    network, states = network_of(case), {}
    generator = torch.Generator().manual_seed(1)
    for epoch in (0, 1, 2, 3):
        for parameter in network.parameters():
            parameter.data += 0.3 * parameter.std() * torch.randn(parameter.shape, generator=generator)
        states[epoch] = copy.deepcopy(network.state_dict())
    recipe = tiny_recipe(network=SPECS[case])
    return Trajectory(recipe, 0, "key", tuple(states), coloured_digits(), states.__getitem__)


@pytest.mark.parametrize("case", SPECS)
def test_code_that_asks_for_the_usual_order_has_it(case, capfd):
    network = network_of(case)
    before = network.state_dict()
    assert fastest(network, coloured_digits().train_images) is torch.contiguous_format
    assert capfd.readouterr() == ("", "")
    assert all(before[name].stride() == value.stride() for name, value in network.state_dict().items())


def test_other_code_has_channels_last():
    own = BlockNetwork.from_module(Viewing("flatten"), ["first"])
    for network in (own, build_model("resnet8", width=4)):
        assert fastest(network, coloured_digits().train_images) is torch.channels_last


@torch.no_grad()
@pytest.mark.parametrize("case", SPECS)
def test_its_composites_are_those_of_its_halves(case):
    trajectory = drifting(case)
    images, cuts = coloured_digits().test_images[:60], trajectory.network(3).cuts
    grid = composite_grid(trajectory, images, cuts=cuts, shallow_epochs=[0, 2], deep_epochs=[3])
    for (place, cut), (row, epoch) in itertools.product(enumerate(cuts), enumerate([0, 2])):
        expected = predict(composite(trajectory, epoch, 3, cut), images)
        assert np.array_equal(grid.predictions[place, row, 0], expected), f"epoch {epoch} at {cut}"
    assert grid.agreement.min() < 1


def test_it_is_trained():
    recipe, sink = tiny_recipe(network=SPECS["view"]), MemorySink()
    train(recipe, 0, coloured_digits(), sink=sink)
    assert sink.records[-1].train_loss < sink.records[1].train_loss
