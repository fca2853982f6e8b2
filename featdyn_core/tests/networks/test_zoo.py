"""Networks, their cuts and their initialisation."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BlockNetwork, fold, load_state, running_norms
from featdyn_core.networks.names import NETWORKS
from featdyn_core.networks.zoo import build_model

IMAGES = {"mlp": (1, 8, 8), "stl10-convnet": (3, 96, 96)}
OPTIONS = {
    "resnet20": {"width": 4},
    "resnet32": {"width": 4},
    "mlp": {"hidden": [12, 10, 8], "dropout": 0.2},
    "svhn-convnet": {"dropout": 0.1},
    "vit": {"patch": 4},
}
FOLDING_TOLERANCE = 1e-5
"""Relative to the largest logit."""


def build(name: str, seed: int = 0, **options) -> BlockNetwork:
    """Build a network with cheap options and, in its normalisations, statistics far from the default."""
    generator = torch.Generator().manual_seed(seed)
    options = OPTIONS.get(name, {}) | options
    network = build_model(name, image=IMAGES.get(name, (3, 32, 32)), generator=generator, **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            scatter(module, generator)
    return network.eval()


@torch.no_grad()
def scatter(norm: nn.BatchNorm2d, generator: torch.Generator) -> None:
    norm.running_mean.uniform_(-0.5, 0.5, generator=generator)
    norm.running_var.uniform_(0.5, 2.0, generator=generator)
    if norm.affine:
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.uniform_(-0.5, 0.5, generator=generator)


def some_images(name: str, count: int = 2, seed: int = 1) -> torch.Tensor:
    shape = (count, *IMAGES.get(name, (3, 32, 32)))
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def count_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def networks() -> dict[str, BlockNetwork]:
    return {name: build(name) for name in NETWORKS}


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"), [("resnet20", 269_722, 40_551_040), ("resnet32", 464_154, 68_862_592)]
)
def test_resnet_has_the_published_size(name, parameters, multiply_adds):
    network = build_model(name).eval()
    assert count_parameters(network) == parameters
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() == 2 * multiply_adds  # each is two operations


@pytest.mark.parametrize(
    ("name", "image", "convolutions", "linears"),
    [
        ("mlp", (1, 28, 28), [], [(784, 256), (256, 256), (256, 10)]),
        (
            "svhn-convnet",
            (3, 32, 32),
            [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256)],
            [(256, 10)],
        ),
        (
            "stl10-convnet",
            (3, 96, 96),
            [(3, 32), (32, 64), (64, 128), (128, 128), (128, 256), (256, 256)],
            [(256, 10)],
        ),
    ],
)
def test_parameters_are_those_of_the_layers(name, image, convolutions, linears):
    expected = sum(9 * inputs * outputs + outputs for inputs, outputs in convolutions)
    expected += sum(inputs * outputs + outputs for inputs, outputs in linears)
    assert count_parameters(build_model(name, image=image)) == expected


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("resnet20", [(16, 32, 32)] * 4 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3),
        ("resnet32", [(16, 32, 32)] * 6 + [(32, 16, 16)] * 5 + [(64, 8, 8)] * 5),
        ("resnet8", [(16, 32, 32)] * 2 + [(32, 16, 16), (64, 8, 8)]),
        ("mlp", [(256,), (256,)]),
        ("svhn-convnet", [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 1, 1)]),
        ("stl10-convnet", [(32, 48, 48), (64, 24, 24), (128, 12, 12), (128, 6, 6), (256, 1, 1)]),
        ("vit", [(64, 32)] * 4),
    ],
)
def test_shapes_at_the_cuts(name, shapes):
    image = IMAGES.get(name, (3, 32, 32))
    options = OPTIONS["vit"] if name == "vit" else {}
    network = build_model(name, image=image, classes=7, **options).eval()
    found = network.features(some_images(name), network.cuts)
    assert [tuple(found[cut].shape) for cut in network.cuts] == [(2, *shape) for shape in shapes]
    assert network(some_images(name)).shape == (2, 7)


def test_depths_are_the_papers():
    assert build_model("resnet20").depths == ("stage1_block3", "stage2_block3", "stage3_block3")
    assert build_model("resnet32").depths == ("stage1_block5", "stage2_block5", "stage3_block5")
    assert build_model("resnet8").depths == ("stage1_block1", "stage2_block1", "stage3_block1")
    assert build_model("mlp").depths == ("hidden1", "hidden2")
    assert build_model("vit").depths == ("layer1", "layer2", "layer3")
    assert build_model("svhn-convnet").depths == ("group1", "group2", "group3")
    for name in NETWORKS:
        assert set(build_model(name).depths) <= set(build_model(name).cuts), name


@pytest.mark.parametrize("name", NETWORKS)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_shallow_then_deep_is_the_network(networks, name, data):
    network = networks[name]
    cut = data.draw(st.sampled_from(network.cuts))
    images = some_images(name, seed=data.draw(st.integers(0, 99)))
    assert torch.equal(network.deep(network.shallow(images, cut), cut), network(images))
    assert network.shallow_blocks(cut) + network.deep_blocks(cut) == list(network.blocks)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_of_several_cuts_are_those_of_each(networks, name):
    network, images = networks[name], some_images(name)
    cuts = network.cuts[::-1][:3]
    found = network.features(images, cuts)
    assert tuple(found) == cuts
    for cut in cuts:
        assert torch.equal(found[cut], network.shallow(images, cut)), cut


@pytest.mark.parametrize("name", ["resnet8", "mlp", "svhn-convnet"])
def test_shallow_keys_are_what_the_shallow_part_depends_on(networks, name):
    network, images = networks[name], some_images(name)
    cut = network.cuts[1]
    other = copy.deepcopy(network)
    with torch.no_grad():
        for key, value in other.state_dict().items():
            if not network.in_shallow_part(key, cut):
                value.add_(1)
    hidden = network.shallow(images, cut)
    assert torch.equal(other.shallow(images, cut), hidden)
    assert not torch.equal(other.deep(hidden, cut), network.deep(hidden, cut))


def test_images_are_standardised_per_channel():
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 0.125]
    network = build_model("resnet8", mean=mean, std=std)
    images = some_images("resnet8")
    expected = (images.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(network.standardize(images).double(), expected, rtol=1e-6, atol=1e-6)
    assert not [key for key in network.state_dict() if key.startswith("standardize")]


@torch.no_grad()
def test_resnet_without_normalisation_has_biases_in_its_place():
    network = build("resnet8", width=4, normalised=False)
    assert not running_norms(network)
    assert all(module.bias is not None for module in network.modules() if isinstance(module, nn.Conv2d))
    block, hidden = network.blocks["stage1_block1"], torch.rand(2, 4, 8, 8)
    expected = F.relu(block.second.conv(F.relu(block.first.conv(hidden))) + hidden)
    assert torch.equal(block(hidden), expected)


@torch.no_grad()
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)])
def test_a_residual_branch_that_starts_at_zero_is_the_shortcut(normalised, generator):
    options = {"width": 4, "normalised": normalised}
    network = build_model("resnet8", zero_init_residual=True, generator=generator, **options)
    block, hidden = network.blocks["stage1_block1"], torch.rand(2, 4, 8, 8)
    assert torch.equal(block(hidden), hidden)
    usual = build_model("resnet8", generator=generator, **options).blocks["stage1_block1"]
    assert not torch.equal(usual(hidden), hidden)


@torch.no_grad()
def test_transformer_sees_patches_and_their_places():
    network = build_model("vit", image=(1, 8, 8), patch=4, generator=torch.Generator().manual_seed(0)).eval()
    images = torch.rand(2, 1, 8, 8) * 255
    tokens, patches = network.blocks["patches"], network.standardize(images)[:, 0].unfold(1, 4, 4).unfold(2, 4, 4)
    weight = tokens.project.weight.flatten(1)
    expected = patches.reshape(2, 4, 16) @ weight.T + tokens.project.bias
    torch.testing.assert_close(network.shallow(images, "patches"), expected, rtol=1e-5, atol=1e-5)
    swapped = torch.cat([images[:, :, 4:], images[:, :, :4]], dim=2)
    torch.testing.assert_close(network(swapped), network(images), rtol=1e-4, atol=1e-5)  # as places are not learned yet
    tokens.position.normal_()
    assert not torch.allclose(network(swapped), network(images), rtol=1e-2, atol=1e-3)
    assert not running_norms(network)


def test_linear_last_leaves_the_last_hidden_layer_linear():
    images = some_images("mlp", 50)
    for linear_last in (False, True):
        network = build("mlp", hidden=[20, 20], dropout=0.0, linear_last=linear_last)
        found = network.features(images, network.cuts)
        assert found["hidden1"].min() == 0, f"linear_last = {linear_last}"
        assert (found["hidden2"].min() < 0) == linear_last, f"linear_last = {linear_last}"


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "mlp"])
def test_folding_changes_no_logit(networks, name):
    network, images = networks[name], some_images(name, 4)
    before = copy.deepcopy(network.state_dict())
    fused = fold(copy.deepcopy(network))
    expected = network(images)
    difference = (fused(images) - expected).abs().max()
    assert difference <= FOLDING_TOLERANCE * expected.abs().max()
    assert not [module for module in fused.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not fused.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_folded_evaluates_a_network_in_training_mode():
    network = build("resnet8").train()
    images = some_images("resnet8", 4)
    found = fold(copy.deepcopy(network))(images)
    assert network.training
    torch.testing.assert_close(found, network.eval()(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet8", "mlp", "svhn-convnet", "vit"])
def test_initialisation_is_a_function_of_the_generator_alone(name):
    built = []
    for ambient, seed in ((1, 5), (2, 5), (2, 6)):
        torch.manual_seed(ambient)
        generator = torch.Generator().manual_seed(seed)
        built.append(build_model(name, image=IMAGES.get(name, (3, 32, 32)), generator=generator))
    first, again, other = (dict(network.named_parameters()) for network in built)
    assert all(torch.equal(first[key], again[key]) for key in first)
    layers = {key for key in first if ".norm" not in key and first[key].abs().max() > 0}  # those drawn at random
    assert layers
    assert not [key for key in layers if torch.equal(first[key], other[key])]


@pytest.mark.parametrize(("name", "he_normal"), [("resnet20", True), ("mlp", False), ("svhn-convnet", False)])
def test_initialisation_has_the_scale_of_its_reference(name, he_normal):
    image = IMAGES.get(name, (3, 32, 32))
    network = build_model(name, image=image, generator=torch.Generator().manual_seed(0))
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        bound = module.weight[0].numel() ** -0.5
        tolerance = 5 / math.sqrt(module.weight.numel())  # five standard errors of a normal's deviation, and more
        spread = bound * (math.sqrt(2) if he_normal else math.sqrt(1 / 3))
        assert module.weight.std().item() == pytest.approx(spread, rel=tolerance), module
        assert he_normal or module.weight.abs().max() <= bound, module
        assert module.bias is None or 0 < module.bias.abs().max() <= bound, module


def test_state_that_does_not_fit_is_refused():
    network = build_model("mlp", image=(1, 8, 8), hidden=[5])
    with pytest.raises(ModelError, match=r"(?s)this state does not fit the network: .*hidden1"):
        load_state(network, build_model("mlp", image=(1, 8, 8), hidden=[6]).state_dict())


@pytest.mark.parametrize("ask", ["shallow", "deep"])
def test_unknown_cut_is_refused(networks, ask):
    with pytest.raises(ModelError, match=r"no cut 'head'; its cuts are hidden1, hidden2, hidden3"):
        getattr(networks["mlp"], ask)(some_images("mlp"), "head")


def test_unknown_network_is_refused():
    with pytest.raises(ModelError, match="unknown network 'resnet21'; the networks are resnet20, resnet32, resnet8"):
        build_model("resnet21")


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("resnet8", {"widht": 4}, "unexpected keyword argument 'widht'"),
        ("mlp", {"width": 4}, "unexpected keyword argument 'width'"),
        ("resnet8", {"depth": 14}, "multiple values for keyword argument 'depth'"),
        *(
            ("mlp", {"dropout": share}, "dropout = .*; it must be a number from 0 to")
            for share in (1.5, 1, math.nan, "a", True)
        ),
        ("svhn-convnet", {"dropout": -0.1}, "dropout = -0.1; it must be a number from 0 to below 1"),
        *(
            ("resnet8", {"width": width}, "width = .*; it must be an even number")
            for width in (-4, 0, 3, 2.0, True, "4")
        ),
        *(
            ("mlp", {"hidden": hidden}, "hidden = .*; it must be a list of at least one width")
            for hidden in ([], [0], [3.0], 3, "wide")
        ),
        ("mlp", {"linear_last": "no"}, "linear_last = 'no'; it must be true or false"),
        ("resnet8", {"normalised": 1}, "normalised = 1; it must be true or false"),
        ("resnet8", {"zero_init_residual": 0}, "zero_init_residual = 0; it must be true or false"),
        ("vit", {"layers": 0}, "patch, width, layers and heads must be numbers of at least 1"),
        ("vit", {"image": (1, 8, 8), "patch": 3}, "patch = 3; it must divide the images, 8 × 8"),
        ("vit", {"image": (1, 8, 12), "patch": 8}, "patch = 8; it must divide the images, 8 × 12"),
        ("vit", {"width": 6}, "width = 6; it must be a multiple of heads = 4"),
        ("resnet8", {"width": 2**62}, ""),
    ],
)
def test_unknown_and_impossible_options_are_refused(name, options, reason):
    with pytest.raises(ModelError, match=f"network '{name}' does not take these options: .*{reason}"):
        build_model(name, **options)
