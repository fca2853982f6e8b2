"""The one-step protocol against a literal loop of deep copies and torch's own optimiser."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.noise import NORM_SAMPLES, one_step_changes, parameter_noise_changes

FEATURE_CHANGE = 1e-8  # in float64, as the benchmark's equality gate has it
NORM = 1e-6  # relative; a linear layer recovered from its outputs by solving for it

UPDATES = 5


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def samples(tiny_trajectory):
    return tiny_trajectory.dataset.test_images[:7]


class Batches:
    """Stands in for a generator: deals given mini-batches; dropout's seed goes with the mini-batch."""

    def __init__(self, batches):
        self.batches = list(batches)

    def choice(self, count, size, replace):
        """Return the indices of the next mini-batch."""
        assert not replace
        self.current = self.batches.pop(0)
        return np.random.default_rng(self.current).choice(count, size, replace=False)

    def integers(self, high):
        """Return the seed of the current mini-batch."""
        assert self.current < high
        return self.current


def literal_changes(trajectory, epoch, rate, samples, cut, batches):
    """One deep copy an update: torch.optim.SGD in train mode, statistics put back, features in eval mode."""
    images, labels = trajectory.training_set()
    start = trajectory.network(epoch).double()
    with torch.no_grad():
        before = start.shallow(samples, cut).flatten(1)
    changes = []
    for batch in batches:
        network = copy.deepcopy(start).train()
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.0, weight_decay=0.01)
        index = torch.from_numpy(np.random.default_rng(batch).choice(len(labels), 64, replace=False))
        torch.manual_seed(batch)
        F.cross_entropy(network(images[index]), labels[index]).backward()
        optimizer.step()
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
        with torch.no_grad():
            changes.append(network.eval().shallow(samples, cut).flatten(1) - before)
    return torch.stack(changes, dim=1).numpy()


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        pytest.param(0, 0.1, id="first epoch"),
        pytest.param(2, 0.05, id="after the milestone"),
        pytest.param(4, 0.05, id="end of training"),
    ],
)
@pytest.mark.parametrize("cut", ["stem", "stage2_block1", "stage3_block1"])
def test_changes_are_those_of_the_literal_loop(tiny_trajectory, samples, epoch, rate, cut):
    batches = range(UPDATES)
    found = one_step_changes(
        tiny_trajectory, epoch, samples, updates=UPDATES, cut=cut, rng=Batches(batches), dtype=torch.float64
    )
    expected = literal_changes(tiny_trajectory, epoch, rate, samples, cut, batches)
    assert np.abs(expected).max() > 1e-3  # otherwise nothing would be compared
    np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_changes_of_a_network_with_dropout_are_those_of_the_literal_loop(tiny_perceptron, samples):
    found = one_step_changes(
        tiny_perceptron, 0, samples, updates=3, cut="hidden2", rng=Batches(range(3)), dtype=torch.float64
    )
    expected = literal_changes(tiny_perceptron, 0, 0.1, samples, "hidden2", range(3))
    np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_updates_do_not_depend_on_each_other(tiny_trajectory, samples):
    """In another order the same mini-batches give the same changes: weights and statistics do not move on."""
    order = [3, 0, 4, 2, 1]
    dealt, shuffled = (
        one_step_changes(tiny_trajectory, 1, samples, updates=UPDATES, cut="stage1_block1", rng=Batches(batches))
        for batches in (range(UPDATES), order)
    )
    np.testing.assert_array_equal(shuffled, dealt[:, order])
    assert len(np.unique(dealt.round(9), axis=1)[0]) == UPDATES


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_shape_and_repeatability(tiny_trajectory, tiny_perceptron, samples, protocol):
    shapes = [(tiny_trajectory, "stage2_block1", 8 * 4 * 4), (tiny_perceptron, "hidden1", 12)]
    for trajectory, cut, features in shapes:
        first, second, other = (
            protocol(trajectory, 2, samples, updates=3, cut=cut, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
        )
        assert first.shape == (len(samples), 3, features)
        assert first.dtype == np.float64
        np.testing.assert_array_equal(first, second)
        assert (first != other).any(axis=2).all()


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_the_generator_alone_decides_dropout_too(tiny_perceptron, samples, protocol):
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(protocol(tiny_perceptron, 2, samples, updates=2, cut="hidden1", rng=rng()))
    np.testing.assert_array_equal(*found)


def test_single_precision_is_near_double(tiny_trajectory, samples):
    single, double = (
        one_step_changes(tiny_trajectory, 1, samples, updates=2, cut="stem", rng=rng(), dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    assert not np.array_equal(single, double)
    np.testing.assert_allclose(single, double, atol=1e-4)


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_checkpoints_are_left_alone(tiny_trajectory, samples, protocol):
    before = {name: value.clone() for name, value in tiny_trajectory.state(4).items()}
    protocol(tiny_trajectory, 4, samples, updates=2, cut="stage3_block1", rng=rng())
    assert all(torch.equal(value, tiny_trajectory.state(4)[name]) for name, value in before.items())


# Parameter noise


@pytest.fixture(scope="module")
def linear(make_trajectory):
    """Features are a linear layer of two inputs, so that its parameters can be read off them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (80, 1, 1, 2), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (80,), generator=generator)
    dataset = Dataset("pairs", images, labels, images, labels, 4, (0.5,), (0.5,), "random", (80, 80))
    return make_trajectory("mlp", dataset, hidden=[3], linear_last=True)


def parameter_changes(protocol, trajectory, updates):
    """Changes (K, 3, 3) of the linear layer's weight and bias, solved for from three samples' features."""
    corners = torch.tensor([[0, 0], [255, 0], [0, 255]], dtype=torch.uint8).view(3, 1, 1, 2)
    features = protocol(trajectory, 0, corners, updates=updates, cut="hidden1", rng=rng(), dtype=torch.float64)
    standardised_with_bias = np.array([[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    return np.linalg.solve(standardised_with_bias, features.transpose(1, 0, 2))


def test_noise_has_the_norm_of_one_of_the_gradient_steps(linear):
    steps = parameter_changes(one_step_changes, linear, NORM_SAMPLES)
    noise = parameter_changes(parameter_noise_changes, linear, 40)
    norms = np.linalg.norm(steps, axis=(1, 2))
    ratios = np.linalg.norm(noise, axis=(1, 2))[:, None] / norms
    assert (np.abs(ratios - 1).min(axis=1) < NORM).all()
    assert len(set(np.abs(ratios - 1).argmin(axis=1))) > 1  # drawn anew, not one for all
    assert np.ptp(norms) > 100 * NORM * norms.mean()


def test_noise_is_isotropic_where_gradient_steps_are_not(linear):
    """Share of variance along the leading of nine directions: 1/9 for isotropic noise, but for sampling."""
    leading = []
    for protocol in (parameter_noise_changes, one_step_changes):
        changes = parameter_changes(protocol, linear, 400).reshape(400, 9)
        spectrum = np.linalg.eigvalsh(np.cov(changes, rowvar=False))
        leading.append(spectrum[-1] / spectrum.sum())
    assert leading[0] < 0.17
    assert leading[1] > 0.25


# Errors


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"updates": 1}, MeasurementError, "at least 2 updates and 1 sample, found 1", id="updates"),
        pytest.param({"count": 0}, MeasurementError, "at least 2 updates and 1 sample", id="samples"),
        pytest.param({"epoch": 3}, MeasurementError, "no checkpoint at epoch 3", id="epoch"),
        pytest.param({"cut": "trunk"}, ModelError, "no cut 'trunk'", id="cut"),
    ],
)
def test_protocol_names_what_it_needs(tiny_trajectory, samples, protocol, changes, kind, message):
    asked = {"updates": 2, "count": 7, "epoch": 1, "cut": "stem", **changes}
    with pytest.raises(kind, match=message):
        protocol(
            tiny_trajectory,
            asked["epoch"],
            samples[: asked["count"]],
            updates=asked["updates"],
            cut=asked["cut"],
            rng=rng(),
        )
