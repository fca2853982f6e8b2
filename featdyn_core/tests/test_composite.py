"""Composites against running the two halves by hand; the grid against a loop over composites."""

import copy
import importlib
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from featdyn_core.composite import (
    POLICIES,
    calibration_images,
    composite,
    composite_grid,
    predict,
    recalibrate,
)
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.models import build_model

module = importlib.import_module("featdyn_core.composite")  # the package's own name for it is the function

CROSS_ENTROPY = 1e-5  # nats; folding normalisation into convolutions changes logits by rounding
STATISTICS = 1e-6  # relative; batch moments by another order of summation
# Multiply-adds of a ResNet-20: up to stage 3, and after stages 1, 2, 3.
MULTIPLY_ADDS = {"shallow": 40_550_400, "deep": (25_952_896, 12_976_768, 640)}

CUTS = ("stem", "stage1_block1", "stage2_block1", "stage3_block1")


@pytest.fixture(scope="module")
def images(tiny_trajectory):
    return tiny_trajectory.dataset.test_images


@pytest.fixture(scope="module")
def labels(tiny_trajectory):
    return tiny_trajectory.dataset.test_labels


def literal_grid(trajectory, images, cuts, shallow_epochs, deep_epochs, policy):
    """Logits (cuts, S, T, N, classes) of every composite, one by one."""
    with torch.no_grad():
        rows = [
            [
                torch.stack([composite(trajectory, s, t, cut, batchnorm=policy)(images) for t in deep_epochs])
                for s in shallow_epochs
            ]
            for cut in cuts
        ]
    return torch.stack([torch.stack(row) for row in rows])


# Composite


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("epoch", [0, 2])
def test_composite_of_one_epoch_is_the_network_bit_for_bit(tiny_trajectory, images, cut, epoch):
    found = composite(tiny_trajectory, epoch, epoch, cut)
    assert torch.equal(found(images), tiny_trajectory.network(epoch)(images))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("shallow", "deep"), [(1, 4), (4, 1)])
def test_composite_runs_the_shallow_half_of_one_and_the_deep_half_of_the_other(
    tiny_trajectory, images, cut, shallow, deep
):
    features = tiny_trajectory.network(shallow).shallow(images, cut)
    expected = tiny_trajectory.network(deep).deep(features, cut)
    assert torch.equal(composite(tiny_trajectory, shallow, deep, cut)(images), expected)
    assert not torch.equal(expected, tiny_trajectory.network(deep)(images))


def test_composite_is_in_eval_mode_and_leaves_the_checkpoints_alone(tiny_trajectory):
    before = {epoch: copy.deepcopy(tiny_trajectory.state(epoch)) for epoch in tiny_trajectory.epochs}
    found = composite(tiny_trajectory, 0, 4, "stem", batchnorm="recalibrate")
    assert not any(part.training for part in found.modules())
    for epoch, state in before.items():
        for name, tensor in state.items():
            assert torch.equal(tensor, tiny_trajectory.state(epoch)[name]), (epoch, name)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        pytest.param((3, 4, "stem"), MeasurementError, "no checkpoint at epoch 3; it has 0, 1, 2, 4", id="shallow"),
        pytest.param((4, 5, "stem"), MeasurementError, "no checkpoint at epoch 5", id="deep"),
        pytest.param((0, 4, "trunk"), ModelError, "no cut 'trunk'; its cuts are stem, stage1_block1", id="cut"),
    ],
)
def test_composite_names_what_is_not_there(tiny_trajectory, arguments, kind, message):
    with pytest.raises(kind, match=message):
        composite(tiny_trajectory, *arguments)


def test_unknown_policy_is_named_with_its_alternatives(tiny_trajectory, images):
    message = "unknown batchnorm policy 'forget'; it is one of carry, recalibrate"
    with pytest.raises(MeasurementError, match=message):
        composite(tiny_trajectory, 0, 4, "stem", batchnorm="forget")
    with pytest.raises(MeasurementError, match=message):
        grid_of(tiny_trajectory, images, batchnorm="forget")


def test_predict_is_the_argmax_of_the_logits_whatever_the_batch(tiny_trajectory, images):
    network = tiny_trajectory.network(2)
    expected = network(images).argmax(1).numpy()
    found = predict(network, images, batch_size=7)
    assert found.dtype == np.uint8
    assert len(set(found)) > 2  # predictions of one class could not tell composites apart
    np.testing.assert_array_equal(found, expected)


# Recalibration


def test_recalibrated_statistics_are_those_of_a_pass_in_train_mode_over_the_deep_half(tiny_trajectory):
    cut, size = "stage1_block1", tiny_trajectory.recipe.training.batch_size
    found = composite(tiny_trajectory, 1, 4, cut, batchnorm="recalibrate")

    plain = tiny_trajectory.network(4)
    deep = torch.nn.Sequential(*(plain.blocks[name] for name in plain.deep_blocks(cut))).train()
    for layer in deep.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
            layer.reset_running_stats()
    with torch.no_grad():
        features = tiny_trajectory.network(1).shallow(tiny_trajectory.dataset.train_images, cut)
        for batch in features.split(size):
            deep(batch)

    recalibrated, expected = found.state_dict(), plain.state_dict()
    shallow = tiny_trajectory.state(1)
    for name, tensor in recalibrated.items():
        reference = shallow if found.in_shallow_part(name, cut) else expected
        assert torch.equal(tensor, reference[name]), name


def test_recalibrated_statistics_are_plain_averages_over_batches(tiny_trajectory):
    """The first normalisation after the cut, from moments of its inputs written out."""
    found = composite(tiny_trajectory, 1, 4, "stage1_block1", batchnorm="recalibrate")
    with torch.no_grad():
        features = tiny_trajectory.network(1).shallow(tiny_trajectory.dataset.train_images, "stage1_block1")
        first = found.blocks["stage2_block1"].first
        inputs = [first.conv(batch) for batch in features.split(tiny_trajectory.recipe.training.batch_size)]
    assert len(inputs) > 1
    mean = torch.stack([part.mean((0, 2, 3)) for part in inputs]).mean(0)
    variance = torch.stack([part.transpose(0, 1).flatten(1).var(1) for part in inputs]).mean(0)
    torch.testing.assert_close(first.norm.running_mean, mean, rtol=STATISTICS, atol=STATISTICS)
    torch.testing.assert_close(first.norm.running_var, variance, rtol=STATISTICS, atol=STATISTICS)


def test_recalibration_leaves_dropout_off():
    images = torch.randint(0, 256, (24, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with_dropout, without = (
        build_model("svhn-convnet", image=(1, 32, 32), dropout=share, generator=torch.Generator().manual_seed(1)).eval()
        for share in (0.3, 0.0)
    )
    for network in (with_dropout, without):
        recalibrate(network, images, list(network.blocks), 12)
    statistics = [
        [buffer for name, buffer in network.named_buffers() if "running" in name] for network in (with_dropout, without)
    ]
    assert len(statistics[0]) == 14
    assert all(itertools.starmap(torch.equal, zip(*statistics, strict=True)))
    assert not any(part.training for part in with_dropout.modules())


def test_calibration_images_are_the_first_training_images(tiny_trajectory, monkeypatch):
    monkeypatch.setattr(module, "CALIBRATION_IMAGES", 150)
    assert torch.equal(calibration_images(tiny_trajectory), tiny_trajectory.dataset.train_images[:150])


# Grid


def grid_of(trajectory, images, **changes):
    arguments = {"cuts": CUTS, "shallow_epochs": [0, 1, 2, 4], "deep_epochs": [1, 4], **changes}
    return composite_grid(trajectory, images, **arguments)


@pytest.mark.parametrize("policy", ["carry", "recalibrate"])
@pytest.mark.parametrize(
    ("shallow_epochs", "deep_epochs"),
    [
        pytest.param([0, 1, 2, 4], [1, 4], id="deep among shallow"),
        pytest.param([0, 4], [1, 2, 4], id="deep outside shallow"),
    ],
)
def test_grid_is_the_loop_over_composites(tiny_trajectory, images, labels, policy, shallow_epochs, deep_epochs):
    logits = literal_grid(tiny_trajectory, images, CUTS, shallow_epochs, deep_epochs, policy)
    grid = grid_of(
        tiny_trajectory,
        images,
        labels=labels,
        batchnorm=policy,
        shallow_epochs=shallow_epochs,
        deep_epochs=deep_epochs,
    )
    predictions = logits.argmax(-1).numpy()
    reference = np.stack([predict(tiny_trajectory.network(t), images) for t in deep_epochs])
    np.testing.assert_array_equal(grid.predictions, predictions)
    np.testing.assert_array_equal(grid.reference, reference)
    for cut, row, column in np.ndindex(predictions.shape[:3]):
        loss = F.cross_entropy(logits[cut, row, column], labels).item()
        assert grid.cross_entropy[cut, row, column] == pytest.approx(loss, abs=CROSS_ENTROPY)
        hits = [int(predictions[cut, row, column, i] == labels[i]) for i in range(len(labels))]
        same = [int(predictions[cut, row, column, i] == reference[column, i]) for i in range(len(labels))]
        assert grid.accuracy[cut, row, column] == sum(hits) / len(hits)
        assert grid.agreement[cut, row, column] == sum(same) / len(same)


def test_policies_differ(tiny_trajectory, images):
    carry, recalibrate = (grid_of(tiny_trajectory, images, batchnorm=policy) for policy in POLICIES)
    assert (carry.predictions != recalibrate.predictions).any()
    assert (carry.predictions[0, 0] != carry.predictions[0, 2]).any()


def test_grid_of_a_perceptron_with_dropout_is_the_loop_over_composites(tiny_perceptron, images):
    cuts, epochs = ("hidden1", "hidden2"), [0, 2, 4]
    grid = grid_of(tiny_perceptron, images, cuts=cuts, shallow_epochs=epochs, deep_epochs=epochs)
    logits = literal_grid(tiny_perceptron, images, cuts, epochs, epochs, "carry")
    np.testing.assert_array_equal(grid.predictions, logits.argmax(-1).numpy())


def test_axes_are_ascending_without_repetition(tiny_trajectory, images):
    grid = grid_of(
        tiny_trajectory,
        images,
        cuts=["stage2_block1", "stem", "stage2_block1"],
        shallow_epochs=[4, 0, 4],
        deep_epochs=(2, 1),
    )
    assert grid.cuts == ("stage2_block1", "stem")
    assert grid.shallow_epochs.tolist() == [0, 4]
    assert grid.deep_epochs.tolist() == [1, 2]
    logits = literal_grid(tiny_trajectory, images, grid.cuts, [0, 4], [1, 2], "carry")
    np.testing.assert_array_equal(grid.predictions, logits.argmax(-1).numpy())


@pytest.mark.parametrize("policy", ["carry", "recalibrate"])
def test_pairs_choose_what_is_evaluated(tiny_trajectory, images, labels, policy):
    pairs = np.array([[True, False], [False, False], [False, True], [True, True]])
    whole = grid_of(tiny_trajectory, images, labels=labels, batchnorm=policy)
    part = grid_of(tiny_trajectory, images, labels=labels, batchnorm=policy, pairs=pairs)
    np.testing.assert_array_equal(part.evaluated, pairs)
    np.testing.assert_array_equal(part.predictions[:, pairs], whole.predictions[:, pairs])
    np.testing.assert_array_equal(part.reference, whole.reference)
    for name in ("cross_entropy", "accuracy", "agreement"):
        found, expected = getattr(part, name), getattr(whole, name)
        np.testing.assert_allclose(found[:, pairs], expected[:, pairs], atol=CROSS_ENTROPY, rtol=0)
        assert np.isnan(found[:, ~pairs]).all()


def test_columns_are_those_of_memory_and_transfer(tiny_trajectory, images):
    grid = grid_of(tiny_trajectory, images, shallow_epochs=[0, 1, 2, 4], deep_epochs=[2, 4])
    number = CUTS.index("stage1_block1")
    np.testing.assert_array_equal(grid.memory("stage1_block1", 2), grid.predictions[number, :3, 0])
    np.testing.assert_array_equal(grid.transfer("stage1_block1", 2), grid.predictions[number, 2:, 0])
    np.testing.assert_array_equal(grid.memory("stem", 4), grid.predictions[0, :, 1])
    np.testing.assert_array_equal(grid.transfer("stem", 4), grid.predictions[0, 3:, 1])
    np.testing.assert_array_equal(grid.reference_at(2), predict(tiny_trajectory.network(2), images))
    np.testing.assert_array_equal(grid.memory("stem", 2)[-1], grid.reference_at(2))


def test_columns_need_every_shallow_epoch_of_their_side_only(tiny_trajectory, images):
    pairs = np.array([[True, True], [True, True], [False, True], [True, True]])
    grid = grid_of(tiny_trajectory, images, pairs=pairs)
    assert grid.memory("stem", 1).shape == (2, len(images))
    with pytest.raises(MeasurementError, match="deep epoch 1 was evaluated on a part of its"):
        grid.transfer("stem", 1)


def test_columns_name_what_is_not_in_the_grid(tiny_trajectory, images):
    grid = grid_of(tiny_trajectory, images, cuts=["stem"])
    with pytest.raises(MeasurementError, match=r"deep epoch 2 is not in this grid; it has \[1, 4\]"):
        grid.memory("stem", 2)
    with pytest.raises(MeasurementError, match="cut 'stage1_block1' is not in this grid; it has stem"):
        grid.transfer("stage1_block1", 4)
    with pytest.raises(MeasurementError, match="accuracy needs labels"):
        _ = grid.accuracy
    assert grid.labels is None
    assert np.isnan(grid.cross_entropy).all()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"cuts": []}, MeasurementError, "at least one image, cut, shallow epoch", id="no cut"),
        pytest.param({"shallow_epochs": []}, MeasurementError, "at least one image", id="no shallow epoch"),
        pytest.param({"deep_epochs": []}, MeasurementError, "at least one image", id="no deep epoch"),
        pytest.param({"shallow_epochs": [3]}, MeasurementError, "no checkpoint at epoch 3", id="shallow epoch"),
        pytest.param({"deep_epochs": [7]}, MeasurementError, "no checkpoint at epoch 7", id="deep epoch"),
        pytest.param({"cuts": ["head"]}, ModelError, "no cut 'head'", id="cut"),
        pytest.param({"labels": torch.zeros(3, dtype=torch.long)}, MeasurementError, "found 3 for 100", id="labels"),
        pytest.param({"pairs": np.ones((2, 4), bool)}, MeasurementError, r"shape \(S, T\) = \(4, 2\)", id="pairs"),
    ],
)
def test_grid_names_what_is_not_there(tiny_trajectory, images, changes, kind, message):
    with pytest.raises(kind, match=message):
        grid_of(tiny_trajectory, images, **changes)


def test_grid_needs_an_image(tiny_trajectory, images):
    with pytest.raises(MeasurementError, match="at least one image"):
        grid_of(tiny_trajectory, images[:0])


def test_progress_counts_shallow_epochs(tiny_trajectory, images):
    seen = []
    grid_of(tiny_trajectory, images[:4], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


# Cost


class Largest(TorchDispatchMode):
    """Records the largest floating-point tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.is_floating_point():
            self.elements = max(self.elements, found.numel())
        return found


def test_features_are_streamed_in_chunks(tiny_trajectory, monkeypatch):
    """No tensor holds the features of more than one chunk of images, and chunks change no prediction."""
    images = tiny_trajectory.dataset.train_images
    whole = grid_of(tiny_trajectory, images)
    largest_feature = 4 * 8 * 8
    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 24 * largest_feature * 4)
    with Largest() as seen:
        chunked = grid_of(tiny_trajectory, images)
    assert seen.elements == 24 * largest_feature
    assert len(images) % 24  # the last chunk is a short one
    np.testing.assert_array_equal(chunked.predictions, whole.predictions)


def test_operations_are_those_of_one_shallow_pass_an_epoch_and_one_deep_pass_a_pair(make_trajectory):
    count, epochs = 8, (0, 1, 2, 4)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    zeros = torch.zeros(count, dtype=torch.long)
    scale = (0.5, 0.5, 0.5)
    dataset = Dataset("random", images, zeros, images, zeros, 10, scale, scale, "random", (count, count))
    trajectory = make_trajectory("resnet20", dataset)
    cuts = trajectory.network(0).depths
    with FlopCounterMode(display=False) as counter:
        composite_grid(trajectory, images, cuts=cuts, shallow_epochs=epochs, deep_epochs=epochs)
    formula = count * (4 * MULTIPLY_ADDS["shallow"] + 4 * 4 * sum(MULTIPLY_ADDS["deep"]))
    assert 1.0 <= counter.get_total_flops() / (2 * formula) <= 1.02
