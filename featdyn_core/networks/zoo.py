"""The networks of the paper (App. H) by name, and others for comparison: deeper, unnormalised, or with LayerNorm."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import nn

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BasicBlock, BlockNetwork, ConvNorm, LinearHead, Patches
from featdyn_core.networks.names import NETWORKS
from featdyn_core.numerics import undisturbed


def resnet(
    *,
    depth: int,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    width: int = 16,
    normalised: bool = True,
    zero_init_residual: bool = False,
) -> BlockNetwork:
    """ResNet for CIFAR (He et al. 2016): depth 6n + 2, three stages of n blocks, widths w, 2w, 4w.

    With width 16 and ten classes, depth 20 has 269,722 parameters on images of three channels, and depth 32 has
    464,154. The shortcuts pad half of the channels that a stage adds on either side, so w is even. Without
    ``normalised``, biases replace its batch normalisations. With ``zero_init_residual`` every block begins as its
    shortcut (Goyal et al. 2017, section 5.1; without normalisation, Zhang et al. 2019). Otherwise a deep unnormalised
    network explodes.

    Raises:
        ValueError: the width is not even, or a switch is neither true nor false.
    """
    _check_truth(normalised=normalised, zero_init_residual=zero_init_residual)
    if not _is_count(width) or width % 2:
        raise ValueError(f"width = {width!r}; it must be an even number of at least 2")
    channels = len(mean)
    blocks: dict[str, nn.Module] = {"stem": nn.Sequential(ConvNorm(channels, width, normalised=normalised), nn.ReLU())}
    inputs = width
    per_stage = (depth - 2) // 6
    for stage in (1, 2, 3):
        outputs = width * 2 ** (stage - 1)
        for position in range(1, per_stage + 1):
            stride = 2 if stage > 1 and position == 1 else 1
            blocks[f"stage{stage}_block{position}"] = BasicBlock(inputs, outputs, stride, normalised=normalised)
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

    Raises:
        ValueError: a width is invalid, a switch is neither true nor false, or the dropout is out of range.
    """
    if not isinstance(hidden, list | tuple) or not hidden or not all(map(_is_count, hidden)):
        raise ValueError(f"hidden = {hidden!r}; it must be a list of at least one width, each at least 1")
    _check_truth(linear_last=linear_last)
    _check_dropout(dropout)
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

    A dropout out of range is a ``ValueError``.
    """
    _check_dropout(dropout)
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


def vit(
    *,
    image: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    patch: int = 2,
    width: int = 32,
    layers: int = 3,
    heads: int = 4,
) -> BlockNetwork:
    """Vision transformer (Dosovitskiy et al. 2021) that averages over its tokens, with torch's own encoder layers.

    Its normalisations are layer normalisations, which have no running statistics.

    Raises:
        ValueError: a number is below 1, the patch does not divide the images, or the heads do not divide the width.
    """
    if not all(map(_is_count, (patch, width, layers, heads))):
        raise ValueError("patch, width, layers and heads must be numbers of at least 1")
    if image[1] % patch or image[2] % patch:
        raise ValueError(
            f"patch = {patch}; it must divide the images, {image[1]} × {image[2]}, or some would not be seen"
        )
    if width % heads:
        raise ValueError(f"width = {width}; it must be a multiple of heads = {heads}")
    blocks: dict[str, nn.Module] = {"patches": Patches(image, patch, width)}
    for number in range(1, layers + 1):
        blocks[f"layer{number}"] = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True)
    depths = tuple(blocks)[1:]
    blocks["head"] = LinearHead(width, classes)
    return BlockNetwork(blocks, depths, mean, std)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _check_truth(**option: object) -> None:
    for name, value in option.items():
        if type(value) is not bool:
            raise ValueError(f"{name} = {value!r}; it must be true or false")


def _check_dropout(share: object) -> None:
    if type(share) not in (int, float) or not 0 <= cast(float, share) < 1:
        raise ValueError(f"dropout = {share!r}; it must be a number from 0 to below 1")


_SVHN = [[(32, 1), (32, 1)], [(64, 1), (64, 1)], [(128, 1), (128, 1)], [(256, 0)]]
_STL10 = [[(32, 1)], [(64, 1)], [(128, 1)], [(128, 1)], [(256, 0), (256, 0)]]

_BUILDERS: dict[str, Callable[..., BlockNetwork]] = {
    "resnet20": lambda _, **options: resnet(depth=20, **options),
    "resnet32": lambda _, **options: resnet(depth=32, **options),
    "resnet8": lambda _, **options: resnet(depth=8, **options),
    "mlp": lambda image, **options: mlp(inputs=image[0] * image[1] * image[2], **options),
    "svhn-convnet": lambda _, **options: convnet(_SVHN, **options),
    "stl10-convnet": lambda _, **options: convnet(_STL10, **options),
    "vit": lambda image, **options: vit(image=image, **options),
}


@undisturbed()
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
        mean: channel means in [0, 1]; by default 0.5 each.
        std: channel standard deviations; by default 0.5 each.
        generator: generator for the parameters, by default torch's global one. With it, ``initialize`` draws them, with
            He's normal initialisation for ResNets. The transformer, and every network without ``generator``, has
            torch's defaults of each layer.
        options: further arguments of the builder: ``width``, ``normalised``, ``zero_init_residual`` (resnet),
            ``hidden``, ``dropout``, ``linear_last`` (mlp), ``dropout`` (convnets), ``patch``, ``width``, ``layers``,
            ``heads`` (vit).

    Raises:
        ModelError: the name or an option is unknown, or torch's layers refuse an option.

    Examples:
        >>> build_model("resnet8", image=(1, 8, 8), width=4).cuts
        ('stem', 'stage1_block1', 'stage2_block1', 'stage3_block1')
    """
    if name not in _BUILDERS:
        raise ModelError(f"unknown network {name!r}; the networks are {', '.join(NETWORKS)}")
    mean = mean if mean is not None else [0.5] * image[0]
    std = std if std is not None else [0.5] * image[0]
    try:
        with drawing_from(generator if name == "vit" else None):
            network = _BUILDERS[name](image, classes=classes, mean=mean, std=std, **options)
    except (TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise ModelError(f"network {name!r} does not take these options: {error}") from error
    if generator is not None and name != "vit":
        initialize(network, generator, he_normal=name.startswith("resnet"))
    if options.get("zero_init_residual"):
        for block in network.modules():
            if isinstance(block, BasicBlock):
                block.zero_residual()
    return network


@contextlib.contextmanager
def drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """Make layers that initialise themselves draw from a generator; torch's global one is restored."""
    if generator is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**63 - 1, (), generator=generator)))
        yield


def initialize(network: nn.Module, generator: torch.Generator, *, he_normal: bool) -> None:
    """Initialise weights and biases from ``generator``.

    Args:
        network: its convolutions and linear layers are initialised in place; normalisations stay unchanged.
        generator: generator on the CPU.
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
