"""The loss of a checkpoint on a few training images: logged by a training, evaluated again when it is verified."""

import torch
import torch.nn.functional as F
from torch import Tensor

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import exactly

PROBE_IMAGES = 256
"""Training images, the first ones, on which a checkpoint's loss is logged."""


@exactly
@torch.no_grad()
def evaluate_loss(network: BlockNetwork, images: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy, in nats, of the network in eval mode and fp32."""
    return F.cross_entropy(network.eval()(images), labels).item()
