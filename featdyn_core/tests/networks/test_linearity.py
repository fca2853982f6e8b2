"""Inner depths have a non-linearity after the cut, however it is written."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.linearity import inner_depths
from featdyn_core.networks.zoo import build_model

IMAGES = torch.randint(256, (4, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


class Written(nn.Module):
    """A network that is affine in eval mode, except for one part after the first layer."""

    def __init__(self, between):
        super().__init__()
        self.one, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.two = nn.Linear(144, 10)
        self.drop, self.between = nn.Dropout(), between

    def forward(self, x):
        """Images to logits."""
        return self.two(self.drop(self.norm(self.between(self.one(x))).flatten(1)))


@pytest.mark.parametrize(
    ("between", "inner"),
    [
        (lambda x: x, ()),
        (lambda x: 2 * x + 1, ()),
        (functional.relu, ("one",)),
        (lambda x: functional.max_pool2d(x, 3, 1, 1), ("one",)),
        (lambda x: x * torch.sigmoid(x), ("one",)),
        (lambda x: x + 0.01 * torch.tanh(x), ("one",)),
        (lambda x: x / x.norm(dim=1, keepdim=True), ("one",)),
    ],
)
def test_what_is_not_affine_is_seen(between, inner):
    network = BlockNetwork.from_module(Written(between), ["one", "norm"])
    assert inner_depths(network, IMAGES) == inner


def test_the_papers_networks_have_the_registers_inner_cuts():
    network = build_model("resnet8", image=(1, 8, 8), width=4)
    assert inner_depths(network, IMAGES) == network.depths[:2]


def test_parameters_that_are_zero_hide_nothing_and_stay():
    module = Written(functional.relu)
    nn.init.zeros_(module.two.weight)
    network = BlockNetwork.from_module(module, ["one"])
    assert inner_depths(network, IMAGES) == ("one",)
    assert not network.state_dict()[network.names["two.weight"]].any()
    assert next(network.parameters()).dtype == torch.float32
