"""The features that the last layer of a network reads."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import exactly


@exactly
@torch.no_grad()
def read_by_the_last_layer(
    network: BlockNetwork, images: Tensor, device: torch.device | str = "cpu", *, batch_size: int = 256
) -> npt.NDArray[np.float32]:
    """Features (N, p) at the deepest cut of a network in eval mode, averaged over any spatial axes."""
    network, cut = network.eval().to(device), network.cuts[-1]
    found = [network.head.pool(network.shallow(batch.to(device), cut)).cpu() for batch in images.split(batch_size)]
    return torch.cat(found).numpy()
