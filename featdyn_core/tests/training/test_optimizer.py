"""The recipe's optimiser, and its tensors written and loaded again."""

import pytest
import torch

from featdyn_core.errors import TrainingError
from featdyn_core.tests.tiny import same_state
from featdyn_core.training.optimizer import load_optimizer, new_optimizer, optimizer_tensors
from featdyn_core.trajectories.specs import OptimizerSpec

SPECS = {
    "sgd": OptimizerSpec("sgd", 0.1, momentum=0.9, weight_decay=1e-3),
    "adam": OptimizerSpec("adam", 0.01, weight_decay=1e-3),
}


def convolution(memory_format: torch.memory_format) -> torch.nn.Conv2d:
    """Return a convolution whose weights have several channels and rows, so that their order in memory matters."""
    layer = torch.nn.Conv2d(3, 4, 2)
    torch.nn.init.constant_(layer.bias, 0.1)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, layer.weight.numel()).view_as(layer.weight))
    return layer.to(memory_format=memory_format)


def step(layer: torch.nn.Conv2d, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    images = torch.linspace(-2, 2, 48).view(1, 3, 4, 4)
    layer(images).pow(2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", SPECS)
def test_loaded_optimizer_goes_on_as_the_first_would(name, memory_format):
    layer, other = convolution(memory_format), convolution(memory_format)
    first, second = (new_optimizer(SPECS[name], item, torch.device("cpu")) for item in (layer, other))
    step(layer, first)
    other.load_state_dict(layer.state_dict())
    stored = {key: value.contiguous() for key, value in optimizer_tensors(first).items()}
    load_optimizer(second, stored)
    for _ in range(2):
        step(layer, first)
        step(other, second)
    assert same_state(layer.state_dict(), other.state_dict())
    assert same_state(optimizer_tensors(first), optimizer_tensors(second))


def test_tensors_are_copies():
    layer = convolution(torch.contiguous_format)
    optimizer = new_optimizer(SPECS["sgd"], layer, torch.device("cpu"))
    step(layer, optimizer)
    before = optimizer_tensors(optimizer)
    kept = {key: value.clone() for key, value in before.items()}
    step(layer, optimizer)
    assert same_state(before, kept)
    assert not same_state(before, optimizer_tensors(optimizer))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    "harm",
    [
        lambda tensors: {key: value[:1] for key, value in tensors.items() if value.ndim},
        lambda tensors: {f"1{key}": value for key, value in tensors.items()},
        lambda tensors: dict(list(tensors.items())[1:]) | {"0.other": torch.ones(())},
        lambda _: {"nothing": torch.ones(())},
    ],
    ids=["other shapes", "other parameters", "other names", "no index"],
)
def test_tensors_that_do_not_fit_are_refused(name, harm):
    layer = convolution(torch.contiguous_format)
    optimizer = new_optimizer(SPECS[name], layer, torch.device("cpu"))
    step(layer, optimizer)
    with pytest.raises(TrainingError, match=r"these tensors do not fit the optimiser, (SGD|Adam) over 2 parameters"):
        load_optimizer(optimizer, harm(optimizer_tensors(optimizer)))


def test_tensors_of_another_optimizer_are_refused():
    layer = convolution(torch.contiguous_format)
    first, second = (new_optimizer(spec, layer, torch.device("cpu")) for spec in SPECS.values())
    step(layer, first)
    with pytest.raises(TrainingError, match="do not fit the optimiser, Adam"):
        load_optimizer(second, optimizer_tensors(first))
