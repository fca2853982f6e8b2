"""Networks as ordered, named blocks with cut points between them.

Every network of the paper (App. H) is a chain of blocks. A *cut* is named after the block it follows; it
divides the network into a shallow part (up to and including that block) and a deep part (the rest). The
paper's "depth 1, 2, 3" are the names in ``BlockNetwork.depths``. **Reading:** for ResNets these are the ends
of the three stages.

Networks take images in grey levels 0..255 (uint8 or float) and standardise them themselves, so that
everything else in the harness handles plain images.
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
        blocks: name of each block, in order, to the block; in the project's own networks the last is a ``LinearHead``
            named ``head``. In state dicts, where a dot has a meaning, a block called ``a.b`` is ``a/b``, and ``pop``,
            which a container of modules cannot hold, is ``pop/``.
        depths: the cuts that the paper calls depth 1, 2, 3, ...
        mean: C channel means of the images, in [0, 1], or one for all.
        std: C channel standard deviations of the images, or one for all.

    Attributes:
        cuts: names of all cuts, shallowest first.
        depths: the paper's depths, a subsequence of ``cuts``.
        names: of parameters and buffers in the module that was cut (see ``from_module``) to those here.
        whole: a copy of that module, which the parts are compared with (see ``acceptance``); in a tuple, so that it
            is no part of this network itself.
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
        a cut lies inside; all others are taken whole. ``translated`` gives state dicts of the module the names they
        have here.

        Of what the forward pass takes besides the images the defaults hold. A ``ModelError`` says that there is no such
        submodule; that ``torch.fx`` cannot follow; that the forward pass is another in training, or draws at random;
        that the module has hooks; that a skip connection leads across a cut; or that a parameter or buffer is used on
        both sides of one, or nowhere. What only images can show, ``acceptance.accept`` tries when a trajectory is made.

        Args:
            module: standardised images (N, C, H, W) to logits (N, classes).
            cuts: names of submodules, in any order, each called once in the forward pass.
            depths: the cuts that claims look at; all if left out.
            mean: channel means in [0, 1] that the module expects to be taken off, one for all or C.
            std: channel standard deviations that it expects to be divided by. By default images are only scaled to
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
        """Return a state dict of the module that was cut under this network's names; others as they are."""
        return {self.names.get(key, key): value for key, value in state.items()}

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in grey levels to logits (N, classes)."""
        return self._run(self.standardize(images), list(self.blocks))

    def shallow(self, images: Tensor, cut: str) -> Tensor:
        """Images (N, C, H, W) to features (N, ...) at ``cut``; an unknown cut raises ModelError."""
        return self._run(self.standardize(images), self.shallow_blocks(cut))

    def deep(self, features: Tensor, cut: str) -> Tensor:
        """Features (N, ...) at ``cut`` to logits (N, classes); an unknown cut raises ModelError."""
        return self._run(self._kept(features), self.deep_blocks(cut))

    def features(self, images: Tensor, cuts: Sequence[str]) -> dict[str, Tensor]:
        """Images to the features at several cuts, in one pass up to the deepest of them.

        A cut that the network does not have is a ``ModelError``.
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
        """The last block of the project's own networks."""
        return cast(LinearHead, self.blocks["head"])

    def in_shallow_part(self, key: str, cut: str) -> bool:
        """Whether the parameter or buffer called ``key`` belongs to the part before ``cut``."""
        return key.split(".")[1] in self.shallow_blocks(cut)

    def _kept(self, features: Tensor) -> Tensor:
        """Return features that the next block leaves as they are: one of a module of one's own may work in place."""
        return features.clone() if self.names else features

    def _run(self, hidden: Tensor, names: Sequence[str]) -> Tensor:
        for name in names:
            hidden = self.blocks[name](hidden)
        return hidden


def _key(name: str) -> str:
    """What a block is called in state dicts; one that is called as a method of their container has a mark."""
    key = name.replace(".", "/")
    return f"{key}/" if hasattr(_CONTAINER, key) else key


_CONTAINER = nn.ModuleDict()


def running_norms(module: nn.Module) -> list[_NormBase]:
    """Return the normalisations inside a module, of whatever class, that evaluate by running statistics."""
    return [part for part in module.modules() if isinstance(part, _NormBase) and part.track_running_stats]


class ConvNorm(nn.Module):
    """A 3×3 convolution followed by batch normalisation, or with a bias in its place."""

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
        """Let the residual branch give 0: what comes last in it, normalisation or convolution, is set to 0."""
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
    """Images (N, C, H, W) to tokens (N, T, width): one for each patch, its position added."""

    def __init__(self, image: tuple[int, int, int], patch: int, width: int) -> None:
        super().__init__()
        channels, height, columns = image
        self.project = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros((height // patch) * (columns // patch), width))

    def forward(self, images: Tensor) -> Tensor:
        """Project each patch."""
        return self.project(images).flatten(2).transpose(1, 2) + self.position


class LinearHead(nn.Module):
    """The project's own networks' last block: average over space or tokens, if there are any, a linear classifier."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def pool(self, hidden: Tensor) -> Tensor:
        """Features (N, C, H, W), tokens (N, T, C) or (N, C) to (N, C)."""
        if hidden.ndim == 3:
            return hidden.mean(dim=1)
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
