"""Tangent kernels of both routes against products of the explicit Jacobian in float64."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jacrev

from featdyn_core.errors import ModelError
from featdyn_core.measures.linearized.kernel import HALVES, JacobianProducts, LayerwiseKernels, foreign_layers
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model

EXACT = 1e-6  # between routes, and against the explicit Jacobian
IMAGE = {"mlp": (1, 3, 4), "resnet8": (1, 8, 8)}
OPTIONS = {"mlp": {"hidden": (7, 6), "dropout": 0.3}, "resnet8": {"width": 4}}


class Problem(NamedTuple):
    """A network in float64 and eval mode, images (N, C, H, W) and labels (N,)."""

    network: BlockNetwork
    images: Tensor
    labels: Tensor


def problem(name: str = "mlp", samples: int = 9, classes: int = 4, seed: int = 0, **options: object) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    image = IMAGE[name]
    network = build_model(name, image=image, classes=classes, generator=generator, **(OPTIONS[name] | options))
    images = torch.randint(0, 256, (samples, *image), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, (samples,), generator=generator)
    return Problem(network.double().eval(), images, labels)


def blocks(network: BlockNetwork, cut: str) -> dict[str, list[str]]:
    return {"shallow": network.shallow_blocks(cut), "deep": network.deep_blocks(cut)}


def explicit_kernel(given: Problem, cut: str, half: str) -> Tensor:
    """Return ``J·Jᵀ`` (N·C, N·C) of one half's parameters."""
    parameters = dict(given.network.named_parameters())
    jacobians = jacrev(lambda moved: functional_call(given.network, moved, (given.images,)))(parameters)
    rows = [
        value.detach().flatten(2).flatten(0, 1)
        for key, value in jacobians.items()
        if given.network.in_shallow_part(key, cut) == (half == "shallow")
    ]
    return torch.cat(rows, dim=1) @ torch.cat(rows, dim=1).T


def matrix(kernel, initial: Tensor) -> Tensor:
    """Return a kernel as a matrix, from its products with the unit vectors."""
    basis = torch.eye(initial.numel(), dtype=initial.dtype).view(-1, *initial.shape)
    return kernel(basis).flatten(1)


@pytest.mark.parametrize(
    ("name", "cut", "route", "options"),
    [
        pytest.param("mlp", "hidden1", LayerwiseKernels, {}, id="layer-wise"),
        pytest.param("mlp", "hidden2", LayerwiseKernels, {"linear_last": True}, id="layer-wise, no activation"),
        pytest.param("mlp", "hidden1", JacobianProducts, {}, id="products, perceptron"),
        pytest.param("resnet8", "stage2_block1", JacobianProducts, {}, id="products, residual network"),
    ],
)
def test_kernels_are_products_of_the_explicit_jacobian(name, cut, route, options):
    given = problem(name, **options)
    expected = {half: explicit_kernel(given, cut, half) for half in HALVES}
    found = route(given.network.requires_grad_(False), given.images, blocks(given.network, cut))
    torch.testing.assert_close(found.initial, given.network(given.images))
    for halves in (["shallow"], ["deep"], HALVES):
        total = sum(expected[half] for half in halves)
        assert total.abs().max() > 100 * EXACT, halves
        torch.testing.assert_close(matrix(found.kernel(halves), found.initial), total, rtol=0, atol=EXACT)


@pytest.mark.parametrize("route", [LayerwiseKernels, JacobianProducts])
def test_a_layer_without_bias_adds_no_one(route):
    given, cut = problem(), "hidden1"
    given.network.head.linear.bias = None
    expected = explicit_kernel(given, cut, "deep")
    found = route(given.network.requires_grad_(False), given.images, blocks(given.network, cut))
    torch.testing.assert_close(matrix(found.kernel(["deep"]), found.initial), expected, rtol=0, atol=EXACT)


def test_several_arrays_of_logits_go_through_a_kernel_at_once():
    given, cut = problem(), "hidden1"
    arrays = torch.randn((3, 9, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for route in (LayerwiseKernels, JacobianProducts):
        kernel = route(given.network.requires_grad_(False), given.images, blocks(given.network, cut)).kernel(HALVES)
        torch.testing.assert_close(kernel(arrays), torch.cat([kernel(one[None]) for one in arrays]))


def test_kernel_of_a_single_half_is_not_copied():
    given = problem()
    found = LayerwiseKernels(given.network.requires_grad_(False), given.images, blocks(given.network, "hidden1"))
    kernel, ones = found.kernel(["deep"]), torch.ones_like(found.initial)[None]
    assert kernel(ones).any()
    found._kernels["deep"].zero_()
    assert not kernel(ones).any()


def test_layerwise_kernels_name_the_layers_they_do_not_know():
    given = problem("resnet8")
    assert foreign_layers(given.network) == ["BasicBlock", "ConvNorm"]
    assert foreign_layers(problem().network) == []
    with pytest.raises(ModelError, match="does not know BasicBlock, ConvNorm; use method='jvp'"):
        LayerwiseKernels(given.network, given.images, blocks(given.network, "stage1_block1"))
