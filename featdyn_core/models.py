"""Networks as ordered, named blocks with cut points between them.

Every network of the paper (App. H) is a chain of blocks. A *cut* is named after the block it follows; it
divides the network into a shallow part (up to and including that block) and a deep part (the rest). The
paper's "depth 1, 2, 3" are the names in ``BlockNetwork.depths``. **Reading:** for ResNets these are the ends
of the three stages.

Networks take images in grey levels 0..255 (uint8 or float) and standardise them themselves, so that
everything else in the harness handles plain images.
"""

from collections.abc import Callable, Mapping, Sequence
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


def resnet(*, depth: int, classes: int, mean: Sequence[float], std: Sequence[float], width: int = 16) -> BlockNetwork:
    """ResNet for CIFAR (He et al. 2016): depth 6n + 2, three stages of n blocks, widths w, 2w, 4w.

    Depth 20 with width 16 and ten classes has 269,722 parameters on images of three channels.
    """
    channels = len(mean)
    blocks: dict[str, nn.Module] = {"stem": nn.Sequential(ConvNorm(channels, width), nn.ReLU())}
    inputs = width
    per_stage = (depth - 2) // 6
    for stage in (1, 2, 3):
        outputs = width * 2 ** (stage - 1)
        for position in range(1, per_stage + 1):
            stride = 2 if stage > 1 and position == 1 else 1
            blocks[f"stage{stage}_block{position}"] = BasicBlock(inputs, outputs, stride)
            inputs = outputs
    blocks["head"] = LinearHead(inputs, classes)
    depths = [f"stage{stage}_block{per_stage}" for stage in (1, 2, 3)]
    return BlockNetwork(blocks, depths, mean, std)


def mlp(
    *,
    inputs: int,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    hidden: Sequence[int] = (256, 256),
    dropout: float = 0.0,
    linear_last: bool = False,
) -> BlockNetwork:
    """Multilayer perceptron with ReLU.

    ``linear_last`` leaves the last hidden layer without activation (section 4.5).
    """
    blocks: dict[str, nn.Module] = {}
    for number, outputs in enumerate(hidden, start=1):
        layers: list[nn.Module] = [nn.Flatten()] if number == 1 else []
        layers.append(nn.Linear(inputs, outputs))
        if not (linear_last and number == len(hidden)):
            layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        blocks[f"hidden{number}"] = nn.Sequential(*layers)
        inputs = outputs
    depths = tuple(blocks)
    blocks["head"] = LinearHead(inputs, classes)
    return BlockNetwork(blocks, depths, mean, std)


def convnet(
    groups: Sequence[Sequence[tuple[int, int]]],
    *,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> BlockNetwork:
    """Plain convolutional network.

    Each group of (width, padding) layers ends in 2×2 max pooling and is one block.
    """
    blocks: dict[str, nn.Module] = {}
    inputs = len(mean)
    for number, group in enumerate(groups, start=1):
        layers: list[nn.Module] = []
        for width, padding in group:
            layers += [ConvNorm(inputs, width, padding=padding, bias=True, affine=False), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            inputs = width
        blocks[f"group{number}"] = nn.Sequential(*layers, nn.MaxPool2d(2))
    depths = tuple(blocks)[:3]
    blocks["head"] = LinearHead(inputs, classes)
    return BlockNetwork(blocks, depths, mean, std)


_SVHN = [[(32, 1), (32, 1)], [(64, 1), (64, 1)], [(128, 1), (128, 1)], [(256, 0)]]
_STL10 = [[(32, 1)], [(64, 1)], [(128, 1)], [(128, 1)], [(256, 0), (256, 0)]]

_BUILDERS: dict[str, Callable[..., BlockNetwork]] = {
    "resnet20": lambda _, **options: resnet(depth=20, **options),
    "resnet8": lambda _, **options: resnet(depth=8, **options),
    "mlp": lambda image, **options: mlp(inputs=image[0] * image[1] * image[2], **options),
    "svhn-convnet": lambda _, **options: convnet(_SVHN, **options),
    "stl10-convnet": lambda _, **options: convnet(_STL10, **options),
}

NETWORKS = tuple(_BUILDERS)


def build_model(
    name: str,
    *,
    image: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    generator: torch.Generator | None = None,
    **options: object,
) -> BlockNetwork:
    """Build a network by name.

    Args:
        name: one of ``NETWORKS``.
        image: (channels, height, width) of the images.
        classes: number of classes.
        mean: channel means in [0, 1]; 0.5 each if left out.
        std: channel standard deviations; 0.5 each if left out.
        generator: initialises the parameters (see ``initialize``; He's normal for ResNets); without it every
            layer has torch's default, drawn from torch's global generator.
        options: what the builder takes besides: ``width`` (resnet), ``hidden``, ``dropout``, ``linear_last``
            (mlp), ``dropout`` (convnets).

    Raises:
        ModelError: unknown name or option, or an option that torch's layers refuse.
    """
    if name not in _BUILDERS:
        raise ModelError(f"unknown network {name!r}; the networks are {', '.join(NETWORKS)}")
    mean = mean if mean is not None else [0.5] * image[0]
    std = std if std is not None else [0.5] * image[0]
    try:
        network = _BUILDERS[name](image, classes=classes, mean=mean, std=std, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"network {name!r} does not take these options: {error}") from error
    if generator is not None:
        initialize(network, generator, he_normal=name.startswith("resnet"))
    return network


def initialize(network: nn.Module, generator: torch.Generator, *, he_normal: bool) -> None:
    """Initialise weights and biases from ``generator``.

    Args:
        network: its convolutions and linear layers are initialised in place; normalisations are left alone.
        generator: on the CPU.
        he_normal: He's normal initialisation (He et al. 2015), as the public ResNet-20 code of App. H has it;
            otherwise torch's default, uniform within 1/sqrt(fan-in). Biases: the latter in both.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if he_normal:
            nn.init.kaiming_normal_(module.weight, generator=generator)
        else:
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
        if module.bias is not None:
            bound = module.weight[0].numel() ** -0.5
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)


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


def load_published_resnet(network: BlockNetwork, state: Mapping[str, object]) -> None:
    """Load public ResNet weights for CIFAR-10 (akamaster/pytorch_resnet_cifar10, named in App. H).

    Mapping: ``conv1``/``bn1`` → ``stem``; ``layerS.B.convK``/``bnK`` → block B + 1 of stage S, first or
    second; ``linear`` → ``head``. A ``module.`` prefix is dropped. The weights were trained on images
    standardised with mean (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225), which
    ``network`` must be built with, as ``load_dataset("cifar10")`` has them.

    Args:
        network: a ResNet of the published depth, width 16 and ten classes.
        state: what ``torch.load`` gives: a state dict, or a checkpoint that holds one as ``state_dict``.

    Raises:
        ModelError: there is no state dict, or its keys or shapes do not fit the network.
    """
    tensors = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(tensors, Mapping):
        raise ModelError(
            f"a state dict is needed, not {type(tensors).__name__}; "
            "give what torch.load(file, map_location='cpu', weights_only=True) returns"
        )
    stages = {f"layer{stage}": f"stage{stage}" for stage in (1, 2, 3)}
    layers = {"conv1": "first.conv", "bn1": "first.norm", "conv2": "second.conv", "bn2": "second.norm"}
    ends = {"conv1": "stem.0.conv", "bn1": "stem.0.norm", "linear": "head.linear"}
    renamed = {}
    for key, value in tensors.items():
        match key.removeprefix("module.").split("."):
            case [stage, block, layer, tensor] if stage in stages and block.isdecimal() and layer in layers:
                renamed[f"blocks.{stages[stage]}_block{int(block) + 1}.{layers[layer]}.{tensor}"] = value
            case [end, tensor] if end in ends:
                renamed[f"blocks.{ends[end]}.{tensor}"] = value
            case _:
                raise ModelError(f"{key!r} is no tensor of the published ResNet for CIFAR")
    load_state(network, renamed)


def load_state(network: BlockNetwork, state: Mapping[str, Tensor]) -> None:
    """Load a state dict strictly.

    Raises:
        ModelError: keys or shapes do not fit the network.
    """
    try:
        network.load_state_dict(cast(dict[str, Tensor], state))
    except RuntimeError as error:
        raise ModelError(f"this state does not fit the network: {error}") from error
