"""The order in which a network's numbers lie in memory: it decides how fast they are, and not what they are."""

import copy

import torch
from torch import Tensor, nn

from featdyn_core.networks.blocks import BlockNetwork, LinearHead

TRIED = 2
"""Images on which a network is tried: one alone has an order that passes for any."""


@torch.no_grad()
def fastest(network: BlockNetwork, images: Tensor) -> torch.memory_format:
    """Return the order in which a network runs, in evaluation: channels last, with which convolutions are fastest.

    Code of a module of one's own may ask for the usual order: ``x.view(len(x), -1)`` has no meaning in another.

    Args:
        network: left alone.
        images: (N, C, H, W) in grey levels.
    """
    blocks = [*network.blocks.values()]
    if isinstance(blocks[-1], LinearHead):  # of the project, whose own networks run in either
        return torch.channels_last
    # The module itself, for torch.fx prints what is no error here.
    whole: nn.Module = network.whole[0] if network.whole else nn.Sequential(*blocks)
    device = network.standardize.scale.device
    twin = copy.deepcopy(whole).eval().to(device).to(memory_format=torch.channels_last)
    try:
        twin(network.standardize(images[:TRIED].to(device)))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last
