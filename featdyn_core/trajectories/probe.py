"""The loss of a checkpoint on a few training images, logged by the training and evaluated again by verification."""

import torch
import torch.nn.functional as F
from torch import Tensor

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import exactly

PROBE_IMAGES = 256
"""Number of first training images for the logged loss of a checkpoint."""


@exactly
@torch.no_grad()
def evaluate_loss(network: BlockNetwork, images: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy, in nats, of the network in eval mode and fp32."""
    return F.cross_entropy(network.eval()(images), labels).item()
