"""Find the inner depths of a network, after which its deep part still has a non-linearity."""

import copy

import torch
from torch import Tensor

from featdyn_core.networks.acceptance import filled
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import one_thread, undisturbed

ROUNDING = 1e-5
"""Largest relative distance, by rounding alone, of the midpoint's logits from the midpoint of the logits."""


@undisturbed()
@torch.no_grad()
def inner_depths(network: BlockNetwork, images: Tensor) -> tuple[str, ...]:
    """Return the paper's depths after which the network, in evaluation mode, is not affine.

    A composite at any other depth is the past network with another head. The test is numerical: an affine map takes the
    midpoint of two features to the midpoint of their logits. It therefore does not matter how a non-linearity is
    written.

    Args:
        network: the network, which stays unchanged.
        images: (N, C, H, W) in grey levels; random features of the same shape and size are drawn.
    """
    network = filled(copy.deepcopy(network).cpu().eval()).double()
    with one_thread():
        return tuple(depth for depth in network.depths if not _is_affine(network, images, depth))


def _is_affine(network: BlockNetwork, images: Tensor, cut: str) -> bool:
    generator = torch.Generator().manual_seed(0)
    features = network.shallow(images.cpu(), cut)
    size = features.abs().max().clamp(min=1)
    one, other = (size * torch.randn(features.shape, generator=generator, dtype=features.dtype) for _ in range(2))
    ends = network.deep(one, cut), network.deep(other, cut)
    distance = (network.deep((one + other) / 2, cut) - sum(ends) / 2).abs().max()
    return bool(distance <= ROUNDING * torch.stack(ends).abs().max())
