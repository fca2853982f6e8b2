"""The memory order of a network's numbers, which affects the speed and not the results."""

import copy

import torch
from torch import Tensor, nn

from featdyn_core.networks.blocks import BlockNetwork, LinearHead

TRIED = 2
"""Number of images to try a network on; a single image has an order that counts as every order."""


@torch.no_grad()
def fastest(network: BlockNetwork, images: Tensor) -> torch.memory_format:
    """Return the memory order that a network can run in, in evaluation: channels last if possible, the fastest one.

    Code of a user's module may need the usual order; for example, ``x.view(len(x), -1)`` fails with another.

    Args:
        network: network to try; not changed.
        images: (N, C, H, W) in grey levels.
    """
    blocks = [*network.blocks.values()]
    if isinstance(blocks[-1], LinearHead):  # featdyn's own networks run in both
        return torch.channels_last
    # The module itself, because torch.fx would print a message that is not an error here.
    whole: nn.Module = network.whole[0] if network.whole else nn.Sequential(*blocks)
    device = network.standardize.scale.device
    twin = copy.deepcopy(whole).eval().to(device).to(memory_format=torch.channels_last)
    try:
        twin(network.standardize(images[:TRIED].to(device)))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last
