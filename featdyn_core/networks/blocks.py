"""Networks as ordered, named blocks with cut points between them.

Every network of the paper (App. H) is a chain of blocks. A *cut* is named after the block it follows; it
divides the network into a shallow part (up to and including that block) and a deep part (the rest). The
paper's "depth 1, 2, 3" are the names in ``BlockNetwork.depths``. **Reading:** for ResNets these are the ends
of the three stages.

Networks take images in grey levels 0..255 (uint8 or float) and standardise them themselves, so that
everything else in the harness handles plain images.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from featdyn_core.errors import ModelError


class Standardize(nn.Module):
    """Grey levels 0..255 of shape (N, C, H, W) to standardised values, per channel.

    The values are float32, or what the network that holds the module was converted to.

    Args:
        mean: C channel means in [0, 1].
        std: C channel standard deviations in (0, 1].
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        centre, spread = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        self.register_buffer("scale", 1 / (255 * spread), persistent=False)
        self.register_buffer("shift", -centre / spread, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (images / 255 - mean) / std, up to rounding."""
        return images.to(self.scale.dtype) * self.scale + self.shift


class BlockNetwork(nn.Module):
    """A chain of named blocks, divisible at the cut after any block but the last.

    Args:
        blocks: name of each block, in order, to the block; the last is a ``LinearHead`` named ``head``.
        depths: the cuts that the paper calls depth 1, 2, 3, ...
        mean: C channel means of the images, in [0, 1].
        std: C channel standard deviations of the images.

    Attributes:
        cuts: names of all cuts, shallowest first.
        depths: the paper's depths, a subsequence of ``cuts``.
    """

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        depths: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.standardize = Standardize(mean, std)
        self.blocks = nn.ModuleDict(blocks)
        self.cuts = tuple(blocks)[:-1]
        self.depths = tuple(depths)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in grey levels to logits (N, classes)."""
        return self._run(self.standardize(images), list(self.blocks))

    def shallow(self, images: Tensor, cut: str) -> Tensor:
        """Images (N, C, H, W) to features (N, ...) at ``cut``; an unknown cut raises ModelError."""
        return self._run(self.standardize(images), self.shallow_blocks(cut))

    def deep(self, features: Tensor, cut: str) -> Tensor:
        """Features (N, ...) at ``cut`` to logits (N, classes); an unknown cut raises ModelError."""
        return self._run(features, self.deep_blocks(cut))

    def features(self, images: Tensor, cuts: Sequence[str]) -> dict[str, Tensor]:
        """Images to the features at several cuts, in one pass up to the deepest of them.

        Raises:
            ModelError: the network has no such cut.
        """
        wanted = {name for cut in cuts for name in self.shallow_blocks(cut)[-1:]}
        found: dict[str, Tensor] = {}
        hidden = self.standardize(images)
        for name, block in self.blocks.items():
            hidden = block(hidden)
            if name in wanted:
                found[name] = hidden
            if len(found) == len(wanted):
                break
        return {cut: found[cut] for cut in cuts}

    def shallow_blocks(self, cut: str) -> list[str]:
        """Names of the blocks before ``cut``.

        Raises:
            ModelError: the network has no such cut.
        """
        if cut not in self.cuts:
            raise ModelError(f"this network has no cut {cut!r}; its cuts are {', '.join(self.cuts)}")
        return list(self.blocks)[: self.cuts.index(cut) + 1]

    def deep_blocks(self, cut: str) -> list[str]:
        """Names of the blocks after ``cut``; an unknown cut raises ModelError."""
        return list(self.blocks)[len(self.shallow_blocks(cut)) :]

    @property
    def head(self) -> "LinearHead":
        """The last block."""
        return cast(LinearHead, self.blocks["head"])

    def in_shallow_part(self, key: str, cut: str) -> bool:
        """Whether the parameter or buffer called ``key`` belongs to the part before ``cut``."""
        return key.split(".")[1] in self.shallow_blocks(cut)

    def _run(self, hidden: Tensor, names: Sequence[str]) -> Tensor:
        for name in names:
            hidden = self.blocks[name](hidden)
        return hidden


class ConvNorm(nn.Module):
    """A 3×3 convolution followed by batch normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        padding: int = 1,
        bias: bool = False,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=padding, bias=bias)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, hidden: Tensor) -> Tensor:
        """Convolve and normalise."""
        return self.norm(self.conv(hidden))

    def fold(self) -> None:
        """Fold the normalisation, with its running statistics, into the convolution; needs eval mode."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class BasicBlock(nn.Module):
    """Residual block of two convolutions, "option A" shortcut (He et al. 2016, section 4.2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=stride)
        self.second = ConvNorm(outputs, outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the block."""
        residual = self.second(F.relu(self.first(hidden)))
        if self.stride != 1 or self.padding:
            hidden = hidden[:, :, :: self.stride, :: self.stride]
            hidden = F.pad(hidden, (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(residual + hidden)


class LinearHead(nn.Module):
    """The last block of every network: average over space, if there is any left, and a linear classifier."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def pool(self, hidden: Tensor) -> Tensor:
        """Features (N, C, H, W) or (N, C) to (N, C)."""
        return hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden

    def forward(self, hidden: Tensor) -> Tensor:
        """Features to logits (N, classes)."""
        return self.linear(self.pool(hidden))


def fold(network: BlockNetwork) -> BlockNetwork:
    """Fold normalisation into the convolutions, in place; return the network in eval mode.

    The arithmetic is in the precision of the parameters: fold first, convert to half precision afterwards.
    """
    for module in network.eval().modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return network


def count_parameters(network: nn.Module) -> int:
    """Number of parameters, in scalars; running statistics are buffers and do not count."""
    return sum(parameter.numel() for parameter in network.parameters())


def load_state(network: BlockNetwork, state: Mapping[str, Tensor]) -> None:
    """Load a state dict strictly.

    Raises:
        ModelError: keys or shapes do not fit the network.
    """
    try:
        network.load_state_dict(cast(dict[str, Tensor], state))
    except RuntimeError as error:
        raise ModelError(f"this state does not fit the network: {error}") from error
