"""Measurements and trainings have the same bits in whatever torch modes their caller uses."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_parameter_registration_hook,
)

from featdyn_core.data.corruptions import corrupted_test_set
from featdyn_core.data.sources import load_dataset
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.displacement import displaced
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.measures.composites.statistics import reestimate
from featdyn_core.measures.linearized.descent import LinearizedNetwork, linearized_trajectory
from featdyn_core.measures.one_step.protocol import full_batch_change, one_step_changes, parameter_noise_changes
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model
from featdyn_core.store.supply import Store
from featdyn_core.tests.tiny import MemorySink, same_state, tiny_digits, tiny_recipe, without_seconds
from featdyn_core.training.loop import train
from featdyn_core.trajectories.trajectory import Trajectory

CUT = "stage2_block1"
IMAGES = 12


@contextlib.contextmanager
def default_dtype():
    """Make new tensors float64."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def hooks_of_all_modules():
    """Let every module return twice its output."""
    handles = [
        register_module_forward_hook(lambda _module, _inputs, output: 2 * output),
        register_module_forward_pre_hook(lambda _module, inputs: tuple(value * 3 for value in inputs)),
        register_module_full_backward_hook(lambda _module, inputs, _: tuple(v if v is None else 2 * v for v in inputs)),
        register_module_parameter_registration_hook(lambda _module, _name, value: torch.nn.Parameter(2 * value)),
    ]
    yield
    for handle in handles:
        assert handle.id in handle.hooks_dict_ref()
        handle.remove()


MODES = {
    "hooks of all modules": hooks_of_all_modules,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": default_dtype,
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "another device": lambda: torch.device("meta"),
}


def rng():
    return np.random.default_rng(5)


def changes(measure, **options):
    def found(trajectory):
        return measure(trajectory, 1, trajectory.dataset.test_images[:3], cut=CUT, rng=rng(), **options)

    return found


def grid(trajectory):
    images, labels = trajectory.dataset.test_images, trajectory.dataset.test_labels
    found = composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=[CUT],
        shallow_epochs=[0, 4],
        deep_epochs=[1, 4],
        batchnorm="recalibrate",
    )
    return found.predictions, found.reference, found.cross_entropy


def parameters(network: BlockNetwork):
    return [value.detach().clone().numpy() for value in network.state_dict().values()]


def reestimated(trajectory):
    network = trajectory.network(4)

    def found(given):
        reestimate(network, given.dataset.train_images, list(network.blocks), 64)
        return parameters(network)

    return found


def predictions(trajectory):
    network = trajectory.network(4)
    return lambda given: predict(network, given.dataset.test_images)


def linearized(method):
    """Linearise and train a network that was made outside."""

    def prepared(trajectory):
        network = trajectory.network(0)
        cut = network.depths[0]

        def found(given):
            images, labels = given.dataset.train_images[:IMAGES], given.dataset.train_labels[:IMAGES]
            linear = LinearizedNetwork(network, images, cut=cut, method=method, dtype=torch.float32)
            joint = linear.train(labels, steps=3)
            frozen = linear.train(labels, steps=2, freeze="shallow", start=joint.until(2))
            applied = linear.kernel()(linear.initial[None])
            both = linearized_trajectory(network, images, labels, cut=cut, steps=2, method=method)
            return joint.shallow, joint.deep, joint.losses, frozen.losses, applied.detach().numpy(), both.losses

        return found

    return prepared


def ready(measure):
    return lambda _: measure


CASES = {
    "one-step changes": ready(changes(one_step_changes, updates=3)),
    "full-batch change": ready(changes(full_batch_change, statistics="updated")),
    "parameter noise": ready(changes(parameter_noise_changes, updates=2)),
    "grid": ready(grid),
    "composite": ready(lambda given: parameters(composite(given, 1, 4, CUT, batchnorm="recalibrate"))),
    "displaced": ready(lambda given: parameters(displaced(given, 1, 4, CUT, rng(), match="angle"))),
    "re-estimated": reestimated,
    "predictions": predictions,
    "linearised by products": linearized("jvp"),
}


def same(first, second):
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return len(first) == len(second) and all(map(same, first, second))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_a_measurement_has_the_same_bits_in_every_mode(tiny_trajectory, case, mode):
    expected = CASES[case](tiny_trajectory)(tiny_trajectory)
    measure = CASES[case](tiny_trajectory)
    with MODES[mode]():
        found = measure(tiny_trajectory)
    assert same(found, expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_kernel_linearised_perceptron_has_the_same_bits_always(tiny_perceptron, mode):
    expected = linearized("kernel")(tiny_perceptron)(tiny_perceptron)
    measure = linearized("kernel")(tiny_perceptron)
    with MODES[mode]():
        found = measure(tiny_perceptron)
    assert same(found, expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_training_has_the_same_bits_in_every_mode(mode):
    outside, inside = MemorySink(), MemorySink()
    expected = train(tiny_recipe(), 0, tiny_digits(), outside)
    with MODES[mode]():
        found = train(tiny_recipe(), 0, tiny_digits(), inside)
    assert outside.states.keys() == inside.states.keys()
    assert all(same_state(outside.states[epoch], inside.states[epoch]) for epoch in outside.states)
    assert without_seconds(found) == without_seconds(expected)


def module():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.BatchNorm1d(12), nn.Linear(12, 10))


MADE = module()


def own(folder):
    torch.save(MADE.state_dict(), folder / "1.pt")
    network = BlockNetwork.from_module(MADE, ["1"])
    paths = {1: folder / "1.pt"}
    found = Trajectory.from_checkpoints(paths, network=network, dataset="digits", batch_size=9, learning_rate=0.1)
    return [*parameters(found.network(1)), *parameters(network)]


def generator():
    return torch.Generator().manual_seed(0)


LOADERS = {
    "images": lambda _: [load_dataset("digits").test_images.numpy()],
    "a subset": lambda _: [load_dataset("digits", subset=50).train_images.numpy()],
    "corrupted images": lambda _: [corrupted_test_set(tiny_digits().with_subset(9, 0), "frost", 1, rng())[0].numpy()],
    "one's own checkpoints": own,
    "a network": lambda _: parameters(build_model("resnet8", generator=generator())),
    "a transformer": lambda _: parameters(build_model("vit", generator=generator())),
    "a trajectory of a store": lambda folder: parameters(Store(folder, device="cpu").get(tiny_recipe(), 0).network(2)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", LOADERS)
def test_what_is_loaded_has_the_same_bits_in_every_mode(tmp_path, case, mode):
    expected = LOADERS[case](tmp_path)
    with MODES[mode]():
        found = LOADERS[case](tmp_path)
    assert same(found, expected)
