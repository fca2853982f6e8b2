"""The tangent kernel ``Θ = J·Jᵀ`` of a network's logits on fixed images, for each half of its parameters.

There are two methods. ``LayerwiseKernels`` forms the matrices, exactly and without any Jacobian, for networks of linear
layers. ``JacobianProducts`` serves every network: it applies ``Θ`` to logits, by one reverse-mode and one
forward-mode derivative each time.

References:
    Jacot, Gabriel and Hongler (2018), NeurIPS: the neural tangent kernel.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BlockNetwork, LinearHead
from featdyn_core.numerics import forward_mode

Half = Literal["shallow", "deep"]
Kernel = Callable[[Tensor], Tensor]  # applies Θ to each of R arrays of logits: (R, N, C) to (R, N, C)

HALVES: tuple[Half, ...] = ("shallow", "deep")

_GROUPS = 8
"""Number g of groups of samples that divide a kernel into blocks; (g + 1) / 2g of the kernel is computed."""


class LayerwiseKernels:
    """``Θ = Σ_l (A_l·A_lᵀ + 1) ∘ (B_l·B_lᵀ)`` over the linear layers of each half.

    A_l (N, inputs) is the input of layer l, and B_l (N·C, outputs) is the derivative of each logit by its output. The
    gradient of a logit by the weight is their outer product. Its gradient by the bias is B_l, which gives the 1 in the
    formula.

    Args:
        network: network in eval mode, with parameters without ``requires_grad``.
        images: (N, channels, height, width).
        blocks: each half's blocks.

    Attributes:
        initial: (N, C) logits.

    Raises:
        ModelError: layers other than linear ones, ReLU, flattening and dropout.
    """

    def __init__(self, network: BlockNetwork, images: Tensor, blocks: Mapping[Half, Sequence[str]]) -> None:
        if foreign := foreign_layers(network):
            raise ModelError(f"the kernel method does not know {', '.join(foreign)}; use method='jvp'")
        hidden = network.standardize(images)
        passed: list[tuple[Half, nn.Module, Tensor]] = []
        for half in HALVES:
            for layer in (layer for name in blocks[half] for layer in _layers(network.blocks[name])):
                passed.append((half, layer, hidden))
                hidden = layer(hidden)
        self.initial = hidden
        samples, classes = hidden.shape
        shape = (samples, classes, samples, classes)
        self._kernels = {half: hidden.new_zeros(shape) for half in HALVES}
        derivative = torch.eye(classes).to(hidden).repeat(samples, 1, 1)
        for half, layer, before in reversed(passed):
            if isinstance(layer, nn.Linear):
                gram = before @ before.T + (layer.bias is not None)
                _add_upper(self._kernels[half], derivative, gram)
                derivative = derivative @ layer.weight
            elif isinstance(layer, nn.ReLU):
                derivative = derivative * (before > 0)[:, None]
        for kernel in self._kernels.values():
            _mirror(kernel)

    def kernel(self, halves: Sequence[Half]) -> Kernel:
        """Return ``Θ``, summed over ``halves``."""
        # Not sum(), which would copy the kernel of a single half by adding it to 0.
        matrix = functools.reduce(torch.add, (self._kernels[half] for half in halves)).flatten(2).flatten(0, 1)
        return lambda logits: (logits.flatten(1) @ matrix).view_as(logits)  # Θ is symmetric


class JacobianProducts:
    """``Θ·v = J·(Jᵀ·v)`` by reverse and forward differentiation.

    Arguments and attributes are those of ``LayerwiseKernels``; any network will do.
    """

    def __init__(self, network: BlockNetwork, images: Tensor, blocks: Mapping[Half, Sequence[str]]) -> None:
        self._network, self._images, self._blocks = network, images, blocks
        parameters = dict(network.named_parameters())
        zeros = {name: torch.zeros_like(value) for name, value in parameters.items()}
        with forward_mode():
            self.initial = jvp(self._logits, (parameters,), (zeros,))[0]

    def kernel(self, halves: Sequence[Half]) -> Kernel:
        """Return ``Θ``, summed over ``halves``."""
        names = {name for half in halves for name in self._blocks[half]}
        at = {key: value for key, value in self._network.named_parameters() if key.split(".")[1] in names}
        pull = vjp(self._logits, at)[1]
        return lambda logits: torch.stack([jvp(self._logits, (at,), pull(one))[1] for one in logits])

    def _logits(self, parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(self._network, parameters, (self._images,))


def _add_upper(kernel: Tensor, derivative: Tensor, gram: Tensor) -> None:
    """Add ``(B·Bᵀ) ∘ gram`` to the blocks (N, C, N, C) on and above the diagonal, little more than half of them."""
    for rows in _groups(len(gram)):
        upper = kernel[rows, :, rows.start :]
        product = derivative[rows].flatten(0, 1) @ derivative[rows.start :].flatten(0, 1).T
        upper.addcmul_(product.view(upper.shape), gram[rows, None, rows.start :, None])


def _mirror(kernel: Tensor) -> None:
    """Copy the blocks above the diagonal to below it."""
    for rows in _groups(len(kernel)):
        kernel[rows.stop :, :, rows] = kernel[rows, :, rows.stop :].permute(2, 3, 0, 1)


def _groups(samples: int) -> list[slice]:
    size = -(-samples // _GROUPS)
    return [slice(start, min(start + size, samples)) for start in range(0, samples, size)]


def foreign_layers(network: BlockNetwork) -> list[str]:
    """Types of layers that the kernel method has no rule for."""
    layers = [layer for block in network.blocks.values() for layer in _layers(block)]
    known = (nn.Linear, nn.ReLU, nn.Flatten, nn.Dropout)
    return sorted({type(layer).__name__ for layer in layers if type(layer) not in known})


def _layers(block: nn.Module) -> list[nn.Module]:
    """Layers of a block in order, if the block is only a sequence of layers; otherwise the block itself."""
    if type(block) is nn.Sequential:
        return [layer for part in block for layer in _layers(part)]
    # The head of a perceptron has nothing to pool, so it is its linear layer.
    return [block.linear] if type(block) is LinearHead else [block]
