"""The one-step protocol against a literal loop of deep copies and torch's own optimiser."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import DeviceError, MeasurementError, ModelError
from featdyn_core.measures.one_step import protocol as noise
from featdyn_core.measures.one_step.protocol import (
    NORM_SAMPLES,
    STATISTICS,
    full_batch_change,
    one_step_changes,
    parameter_noise_changes,
)

FEATURE_CHANGE = 1e-8  # in float64, as the benchmark's equality gate has it
NORM = 1e-6  # relative; a linear layer recovered from its outputs by solving for it

UPDATES = 5


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def samples(tiny_trajectory):
    return tiny_trajectory.dataset.test_images[:7]


class Batches:
    """A fake generator that deals given mini-batches; each mini-batch has its own seed of dropout."""

    def __init__(self, batches):
        self.batches = list(batches)

    def choice(self, count, size, replace):
        """Return the indices of the next mini-batch."""
        assert not replace, "mini-batches are drawn without replacement"
        self.current = self.batches.pop(0)
        return np.random.default_rng(self.current).choice(count, size, replace=False)

    def integers(self, high):
        """Return the seed of the current mini-batch."""
        assert self.current < high
        return self.current


def literal_update(trajectory, start, rate, index, statistics):
    """Return a deep copy in eval mode after one step of torch.optim.SGD in train mode."""
    images, labels = trajectory.training_set()
    network = copy.deepcopy(start).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.0, weight_decay=0.01)
    F.cross_entropy(network(images[index]), labels[index]).backward()
    optimizer.step()
    if statistics == "frozen":
        for buffer, origin in zip(network.buffers(), start.buffers(), strict=True):
            buffer.copy_(origin)
    return network.eval()


def literal_changes(trajectory, epoch, rate, samples, cut, batches, statistics="frozen"):
    """Return the changes with one deep copy per update."""
    start = trajectory.network(epoch).double()
    changes = []
    with torch.no_grad():
        before = start.shallow(samples, cut).flatten(1)
    for batch in batches:
        index = np.random.default_rng(batch).choice(200, 64, replace=False)
        torch.manual_seed(batch)
        network = literal_update(trajectory, start, rate, index, statistics)
        with torch.no_grad():
            changes.append(network.shallow(samples, cut).flatten(1) - before)
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
@pytest.mark.parametrize("statistics", STATISTICS)
def test_changes_are_those_of_the_literal_loop(tiny_trajectory, samples, epoch, rate, cut, statistics):
    batches = range(UPDATES)
    options = {"updates": UPDATES, "cut": cut, "statistics": statistics, "dtype": torch.float64}
    found = one_step_changes(tiny_trajectory, epoch, samples, rng=Batches(batches), **options)
    expected = literal_changes(tiny_trajectory, epoch, rate, samples, cut, batches, statistics)
    assert np.abs(expected).max() > 1e-3  # otherwise nothing would be compared
    np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_changes_of_a_network_with_dropout_equal_the_plain_loop(tiny_perceptron, samples):
    found = one_step_changes(
        tiny_perceptron, 0, samples, updates=3, cut="hidden2", rng=Batches(range(3)), dtype=torch.float64
    )
    expected = literal_changes(tiny_perceptron, 0, 0.1, samples, "hidden2", range(3))
    np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_updated_statistics_add_to_the_changes(tiny_trajectory, tiny_perceptron, samples):
    """Statistics also move the features of a network with normalisation; a perceptron has none."""
    for trajectory, cut, moved in ((tiny_trajectory, "stem", True), (tiny_perceptron, "hidden1", False)):
        frozen, updated = (
            one_step_changes(trajectory, 1, samples, updates=2, cut=cut, rng=rng(), statistics=statistics)
            for statistics in STATISTICS
        )
        assert (abs(updated - frozen).max() > 0.01) == moved, cut
        assert np.array_equal(updated, frozen) != moved, cut


@pytest.mark.parametrize("statistics", STATISTICS)
def test_updates_do_not_depend_on_each_other(tiny_trajectory, samples, statistics):
    """The same mini-batches in another order give the same changes, because weights and statistics are put back."""
    order, options = [3, 0, 4, 2, 1], {"updates": UPDATES, "cut": "stage1_block1", "statistics": statistics}
    dealt, shuffled = (
        one_step_changes(tiny_trajectory, 1, samples, rng=Batches(batches), **options)
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
        assert first.shape == (len(samples), 3, features), cut
        assert first.dtype == np.float64, cut
        np.testing.assert_array_equal(first, second)
        assert (first != other).any(axis=2).all(), cut


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_the_generator_alone_decides_dropout_too(tiny_perceptron, samples, protocol):
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(protocol(tiny_perceptron, 2, samples, updates=2, cut="hidden1", rng=rng()))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_changes_are_computed_on_the_trajectorys_device(tiny_trajectory, samples, protocol):
    elsewhere = dataclasses.replace(tiny_trajectory, device="tpu")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        protocol(elsewhere, 2, samples, updates=3, cut="stem", rng=rng())


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_preparing_a_run_leaves_no_trace(tiny_perceptron, samples, protocol, monkeypatch):
    """A few runs come before those that count, as before the capture of a CUDA graph, and generators are restored."""
    expected = protocol(tiny_perceptron, 2, samples, updates=3, cut="hidden1", rng=rng())

    def prepared(_, run):
        with torch.random.fork_rng(devices=[]):
            for _ in range(3):
                run()
        return run

    monkeypatch.setattr(noise._Checkpoint, "_prepared", prepared)
    found = protocol(tiny_perceptron, 2, samples, updates=3, cut="hidden1", rng=rng())
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_changes_on_a_gpu_are_those_on_the_cpu(gpu, tiny_trajectory, samples, statistics):
    options = {"updates": UPDATES, "cut": "stage3_block1", "statistics": statistics, "dtype": torch.float64}
    expected, found = (
        one_step_changes(tiny_trajectory, 2, samples, rng=rng(), device=device, **options) for device in ("cpu", gpu)
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=FEATURE_CHANGE)


def test_single_precision_is_near_double(tiny_trajectory, samples):
    single, double = (
        one_step_changes(tiny_trajectory, 1, samples, updates=2, cut="stem", rng=rng(), dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    assert not np.array_equal(single, double)
    np.testing.assert_allclose(single, double, atol=1e-4)


@pytest.fixture
def allow_half_precision():
    """Return a function that allows reduced precision for float32 in every backend and lists the settings."""
    backends = torch.backends
    settings = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)
    before = [setting.fp32_precision for setting in settings]

    def allow():
        for setting, precision in zip(settings, ("tf32", "tf32", "bf16", "bf16"), strict=True):
            setting.fp32_precision = precision
        return settings

    yield allow
    for setting, precision in zip(settings, before, strict=True):
        setting.fp32_precision = precision


def test_precision_is_full_even_where_half_is_allowed(tiny_trajectory, samples, allow_half_precision, monkeypatch):
    options = {"updates": 2, "cut": "stage3_block1"}
    expected = one_step_changes(tiny_trajectory, 1, samples, rng=rng(), **options)
    settings, loss, seen = allow_half_precision(), F.cross_entropy, []

    def spy(*given):
        seen.append([setting.fp32_precision for setting in settings])
        return loss(*given)

    monkeypatch.setattr(F, "cross_entropy", spy)
    np.testing.assert_array_equal(one_step_changes(tiny_trajectory, 1, samples, rng=rng(), **options), expected)
    assert seen == [["ieee"] * 4] * 2
    assert [setting.fp32_precision for setting in settings] == ["tf32", "tf32", "bf16", "bf16"]


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_checkpoints_are_left_alone(tiny_trajectory, samples, protocol):
    before = {name: value.clone() for name, value in tiny_trajectory.state(4).items()}
    protocol(tiny_trajectory, 4, samples, updates=2, cut="stage3_block1", rng=rng())
    assert all(torch.equal(value, tiny_trajectory.state(4)[name]) for name, value in before.items())


# The full-batch step


def literal_full_batch(trajectory, epoch, rate, samples, cut, parts, statistics):
    """Change by the mean, weighted by size, of the states after one update with each of the mini-batches."""
    start, network = trajectory.network(epoch).double(), trajectory.network(epoch).double()
    states = [literal_update(trajectory, start, rate, part, statistics).state_dict() for part in parts]
    weights = np.array([len(part) for part in parts]) / sum(map(len, parts))
    network.load_state_dict(
        {name: sum(w * state[name] for w, state in zip(weights, states, strict=True)) for name in states[0]}
    )
    with torch.no_grad():
        return (network.shallow(samples, cut) - start.shallow(samples, cut)).flatten(1).numpy()


@pytest.mark.parametrize("statistics", STATISTICS)
def test_a_full_batch_step_averages_batches_near_the_recipe_size(tiny_trajectory, samples, statistics):
    found = full_batch_change(
        tiny_trajectory, 1, samples, cut="stage2_block1", rng=rng(), statistics=statistics, dtype=torch.float64
    )
    parts = np.array_split(rng().permutation(200), 3)
    assert [len(part) for part in parts] == [67, 67, 66]  # of the recipe's 64
    expected = literal_full_batch(tiny_trajectory, 1, 0.1, samples, "stage2_block1", parts, statistics)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_a_full_batch_step_is_the_gradient_without_normalisation(make_trajectory, samples):
    """The partition then has no effect, although its parts differ in size."""
    trajectory = make_trajectory("mlp", hidden=[12, 8])
    options = {"cut": "hidden2", "dtype": torch.float64}
    expected = literal_full_batch(trajectory, 2, 0.05, samples, "hidden2", [np.arange(200)], "frozen")
    for seed in (0, 1):
        found = full_batch_change(trajectory, 2, samples, rng=np.random.default_rng(seed), **options)
        np.testing.assert_allclose(found, expected, atol=FEATURE_CHANGE, rtol=0)


def test_a_full_batch_change_is_the_mean_for_linear_features(linear):
    options = {"cut": "hidden1", "rng": rng(), "dtype": torch.float64}
    images = linear.dataset.test_images[:4]
    changes = one_step_changes(linear, 0, images, updates=400, **options)
    centre = full_batch_change(linear, 0, images, **options)
    error = changes.std(axis=1) / np.sqrt(400)
    assert (abs(changes.mean(axis=1) - centre) < 4.5 * error).all()
    assert (abs(changes.mean(axis=1)) > 4.5 * error).any()  # a centre of 0 would be seen


def test_a_full_batch_change_has_a_row_a_sample_and_is_seeded(tiny_trajectory, samples):
    first, second, other = (
        full_batch_change(tiny_trajectory, 2, samples, cut="stem", rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first.shape == (len(samples), 4 * 8 * 8)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any(axis=1).all()


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
    assert len(set(np.abs(ratios - 1).argmin(axis=1))) > 1  # drawn for each update, not once for all
    assert np.ptp(norms) > 100 * NORM * norms.mean()


def test_noise_is_isotropic_where_gradient_steps_are_not(linear):
    """The share of variance along the leading one of nine directions is 1/9 for isotropic noise, up to sampling."""
    leading = []
    for protocol in (parameter_noise_changes, one_step_changes):
        changes = parameter_changes(protocol, linear, 400).reshape(400, 9)
        spectrum = np.linalg.eigvalsh(np.cov(changes, rowvar=False))
        leading.append(spectrum[-1] / spectrum.sum())
    assert leading[0] < 0.17
    assert leading[1] > 0.25


# Errors

PROTOCOLS = [one_step_changes, full_batch_change, parameter_noise_changes]


def asked(protocol, trajectory, samples, epoch=1, **options):
    given = {"cut": "stem", "rng": rng(), **({} if protocol is full_batch_change else {"updates": 2})}
    return protocol(trajectory, epoch, samples, **(given | options))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        pytest.param({"epoch": 3}, MeasurementError, "no checkpoint at epoch 3", id="epoch"),
        pytest.param({"cut": "trunk"}, ModelError, "no cut 'trunk'", id="cut"),
        pytest.param({"dtype": torch.bfloat16}, MeasurementError, "bfloat16 .* use torch.float32", id="precision"),
    ],
)
def test_protocol_names_what_it_needs(tiny_trajectory, samples, protocol, options, kind, message):
    with pytest.raises(kind, match=message):
        asked(protocol, tiny_trajectory, samples, **options)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocol_needs_samples(tiny_trajectory, samples, protocol):
    with pytest.raises(MeasurementError, match="at least 1 sample, found none"):
        asked(protocol, tiny_trajectory, samples[:0])


@pytest.mark.parametrize("protocol", [one_step_changes, parameter_noise_changes])
def test_protocol_needs_repetitions(tiny_trajectory, samples, protocol):
    with pytest.raises(MeasurementError, match="at least 2 updates, found 1"):
        asked(protocol, tiny_trajectory, samples, updates=1)


@pytest.mark.parametrize("protocol", [one_step_changes, full_batch_change])
def test_unknown_statistics(tiny_trajectory, samples, protocol):
    with pytest.raises(MeasurementError, match="statistics 'batch' is none of frozen, updated"):
        asked(protocol, tiny_trajectory, samples, statistics="batch")
