"""Networks as ordered, named blocks with cut points between them.

Every network of the paper (App. H) is a chain of blocks. A *cut* is named after the block it follows; it
divides the network into a shallow part (up to and including that block) and a deep part (the rest). The
paper's "depth 1, 2, 3" are the names in ``BlockNetwork.depths``. **Reading:** for ResNets these are the ends
of the three stages.

Networks take images in grey levels 0..255 (uint8 or float) and standardise them themselves. So all other code handles
plain images.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.fusion import fuse_conv_bn_eval

from featdyn_core.errors import ModelError
from featdyn_core.networks.cutting import detached, parts_of
from featdyn_core.numerics import undisturbed


class Standardize(nn.Module):
    """Standardisation of grey levels 0..255, (N, C, H, W), per channel.

    The values are float32, or the type that the network was converted to.

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
    """A chain of named blocks, with a cut after every block except the last.

    Args:
        blocks: blocks by name, in order. In featdyn's networks the last is a ``LinearHead`` named ``head``. In state
            dicts a dot has a meaning, so a block ``a.b`` is ``a/b`` there. A container of modules cannot hold the name
            ``pop``, so it is ``pop/`` there.
        depths: the cuts that the paper calls depth 1, 2, 3, ...
        mean: C channel means of the images, in [0, 1], or one for all channels.
        std: C channel standard deviations of the images, or one for all channels.

    Attributes:
        cuts: names of all cuts, shallowest first.
        depths: the paper's depths, a subsequence of ``cuts``.
        names: names of parameters and buffers here, by their names in the module that was cut (see ``from_module``).
        whole: a copy of that module for comparison with the parts (see ``acceptance``). A tuple holds it, so that it is
            not a submodule of this network.
    """

    names: dict[str, str]
    whole: tuple[nn.Module, ...]

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        depths: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.standardize = Standardize(mean, std)
        self.blocks = nn.ModuleDict({_key(name): block for name, block in blocks.items()})
        self.cuts = tuple(blocks)[:-1]
        self.depths = tuple(depths)
        self.names = {}
        self.whole = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> "BlockNetwork":
        twin = memo[id(self)] = type(self).__new__(type(self))
        memo.update(detached(self))
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    @classmethod
    @undisturbed()
    def from_module(
        cls,
        module: nn.Module,
        cuts: Sequence[str],
        *,
        depths: Sequence[str] | None = None,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
    ) -> "BlockNetwork":
        """Cut a copy of any module after some of its submodules, such as ``layer1`` and ``layer2.0`` of a ResNet.

        ``torch.fx`` must be able to follow the forward pass, from one tensor to the logits, into the submodules that
        contain a cut. All other submodules are taken whole. ``translated`` renames state dicts of the module for this
        network.

        Further arguments of the forward pass keep their defaults. A ``ModelError`` is raised if there is no such
        submodule, ``torch.fx`` cannot follow, the forward pass differs in training or draws at random, the module has
        hooks, a skip connection crosses a cut, or a parameter or buffer is used on both sides of a cut or nowhere.
        Other faults show only on images; ``acceptance.accept`` checks them when a trajectory is made.

        Args:
            module: module from standardised images (N, C, H, W) to logits (N, classes).
            cuts: names of submodules, in any order, each called once in the forward pass.
            depths: the cuts that claims use; by default all.
            mean: channel means in [0, 1] to subtract before the module, one for all channels or C.
            std: channel standard deviations to divide by before the module. By default images are only scaled to
                [0, 1], as torchvision's ``ToTensor`` does.
        """
        whole, parts, places = parts_of(module, cuts)
        network = cls(parts, tuple(parts)[:-1] if depths is None else depths, mean, std)
        for depth in network.depths:
            network.shallow_blocks(depth)
        network.names = {name: f"blocks.{_key(part)}.{inner}" for name, (part, inner) in places.items()}
        network.whole = (whole,)
        return network.train(module.training)

    def translated(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of the module that was cut, with this network's names; others stay unchanged."""
        return {self.names.get(key, key): value for key, value in state.items()}

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, C, H, W) in grey levels."""
        return self._run(self.standardize(images), list(self.blocks))

    def shallow(self, images: Tensor, cut: str) -> Tensor:
        """Return the features (N, ...) of images (N, C, H, W) at ``cut``; an unknown cut raises ModelError."""
        return self._run(self.standardize(images), self.shallow_blocks(cut))

    def deep(self, features: Tensor, cut: str) -> Tensor:
        """Return the logits (N, classes) of features (N, ...) at ``cut``; an unknown cut raises ModelError."""
        return self._run(self._kept(features), self.deep_blocks(cut))

    def features(self, images: Tensor, cuts: Sequence[str]) -> dict[str, Tensor]:
        """Return the features of images at several cuts, in one pass up to the deepest of them.

        An unknown cut is a ``ModelError``.
        """
        wanted = {self.shallow_blocks(cut)[-1] for cut in cuts}
        found: dict[str, Tensor] = {}
        hidden = self.standardize(images)
        for name, block in self.blocks.items():
            hidden = block(hidden)
            if name in wanted:
                found[name] = self._kept(hidden)
            if len(found) == len(wanted):
                break
        return {cut: found[_key(cut)] for cut in cuts}

    def places(self, which: str = "depths") -> tuple[str, ...]:
        """Return the paper's ``depths``, or ``all`` cuts."""
        return {"depths": self.depths, "all": self.cuts}[which]

    def shallow_blocks(self, cut: str) -> list[str]:
        """Names of the blocks before ``cut``.

        Raises:
            ModelError: the network has no such cut.
        """
        keys = list(self.blocks)
        if _key(cut) not in keys[:-1]:
            raise ModelError(f"this network has no cut {cut!r}; its cuts are {', '.join(self.cuts)}")
        return keys[: keys.index(_key(cut)) + 1]

    def deep_blocks(self, cut: str) -> list[str]:
        """Names of the blocks after ``cut``; an unknown cut raises ModelError."""
        return list(self.blocks)[len(self.shallow_blocks(cut)) :]

    @property
    def head(self) -> "LinearHead":
        """The last block of featdyn's networks."""
        return cast(LinearHead, self.blocks["head"])

    def in_shallow_part(self, key: str, cut: str) -> bool:
        """Whether the parameter or buffer called ``key`` belongs to the part before ``cut``."""
        return key.split(".")[1] in self.shallow_blocks(cut)

    def _kept(self, features: Tensor) -> Tensor:
        """Return features that the next block cannot change, because a block of a user's module may work in place."""
        return features.clone() if self.names else features

    def _run(self, hidden: Tensor, names: Sequence[str]) -> Tensor:
        for name in names:
            hidden = self.blocks[name](hidden)
        return hidden


def _key(name: str) -> str:
    """Name of a block in state dicts; a name that is also a method of the container has a mark."""
    key = name.replace(".", "/")
    return f"{key}/" if hasattr(_CONTAINER, key) else key


_CONTAINER = nn.ModuleDict()


def running_norms(module: nn.Module) -> list[_NormBase]:
    """Return the normalisations of any class inside a module that evaluate with running statistics."""
    return [part for part in module.modules() if isinstance(part, _NormBase) and part.track_running_stats]


class ConvNorm(nn.Module):
    """A 3×3 convolution followed by batch normalisation, or with a bias instead."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        padding: int = 1,
        bias: bool = False,
        affine: bool = True,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=padding, bias=bias or not normalised)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, affine=affine) if normalised else nn.Identity()

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

    def __init__(self, inputs: int, outputs: int, stride: int, *, normalised: bool = True) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=stride, normalised=normalised)
        self.second = ConvNorm(outputs, outputs, normalised=normalised)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    @torch.no_grad()
    def zero_residual(self) -> None:
        """Set the last layer of the residual branch to 0, so that the branch gives 0."""
        last = self.second.norm if isinstance(self.second.norm, nn.BatchNorm2d) else self.second.conv
        for parameter in last.parameters():
            parameter.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the block."""
        residual = self.second(F.relu(self.first(hidden)))
        if self.stride != 1 or self.padding:
            hidden = hidden[:, :, :: self.stride, :: self.stride]
            hidden = F.pad(hidden, (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(residual + hidden)


class Patches(nn.Module):
    """Tokens (N, T, width) of images (N, C, H, W): one for each patch, plus its position."""

    def __init__(self, image: tuple[int, int, int], patch: int, width: int) -> None:
        super().__init__()
        channels, height, columns = image
        self.project = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros((height // patch) * (columns // patch), width))

    def forward(self, images: Tensor) -> Tensor:
        """Project each patch."""
        return self.project(images).flatten(2).transpose(1, 2) + self.position


class LinearHead(nn.Module):
    """The last block of featdyn's networks: an average over space or tokens, if there are any, and a linear layer."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def pool(self, hidden: Tensor) -> Tensor:
        """Return (N, C) from features (N, C, H, W), tokens (N, T, C) or (N, C)."""
        if hidden.ndim == 3:
            return hidden.mean(dim=1)
        return hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits (N, classes) of features."""
        return self.linear(self.pool(hidden))


def fold(network: BlockNetwork) -> BlockNetwork:
    """Fold normalisation into the convolutions, in place; return the network in eval mode.

    The arithmetic is in the precision of the parameters: fold first, convert to half precision afterwards.
    """
    for module in network.eval().modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return network


def load_state(network: BlockNetwork, state: Mapping[str, Tensor]) -> None:
    """Load a state dict strictly.

    Raises:
        ModelError: keys or shapes do not fit the network.
    """
    try:
        network.load_state_dict(cast(dict[str, Tensor], state))
    except RuntimeError as error:
        raise ModelError(f"this state does not fit the network: {error}") from error
