"""What a grid costs, in operations and in memory, and what it may be computed with."""

import itertools
import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from featdyn_core import grid_engine
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError
from featdyn_core.grid import composite_grid
from featdyn_core.grid_engine import CHUNK_BYTES, check_precision

# Multiply-adds of a ResNet-20: up to stage 3, and after stages 1, 2, 3.
MULTIPLY_ADDS = {"shallow": 40_550_400, "deep": (25_952_896, 12_976_768, 640)}

CUTS = ("stem", "stage1_block1", "stage2_block1", "stage3_block1")
LARGEST_FEATURE = 4 * 8 * 8  # of the tiny ResNet-8 at a cut, in elements


def grid_of(trajectory, images, **changes):
    arguments = {"cuts": CUTS, "shallow_epochs": [0, 1, 2, 4], "deep_epochs": [1, 4], **changes}
    return composite_grid(trajectory, images, **arguments)


# Operations


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


def test_nothing_is_re_estimated_where_no_normalisation_follows(tiny_trajectory, tiny_perceptron, monkeypatch):
    renewed = []
    original = grid_engine.reset_statistics

    def reset(blocks):
        renewed.append(original(blocks))
        return renewed[-1]

    monkeypatch.setattr(grid_engine, "reset_statistics", reset)
    images = tiny_trajectory.dataset.test_images
    cuts = ["stage2_block1", "stage3_block1"]  # only the head follows the second
    found = grid_of(tiny_trajectory, images, cuts=cuts, batchnorm="recalibrate")
    assert len(renewed) == 4 * 2
    assert all(renewed)
    renewed.clear()
    epochs = {"shallow_epochs": [0, 2], "deep_epochs": [2, 4]}
    grid_of(tiny_perceptron, images, cuts=["hidden1"], batchnorm="recalibrate", **epochs)
    assert not renewed
    np.testing.assert_array_equal(found.predictions[1], grid_of(tiny_trajectory, images, cuts=cuts).predictions[1])


# Memory


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
    monkeypatch.setitem(CHUNK_BYTES, "cpu", 24 * LARGEST_FEATURE * 4)
    with Largest() as seen:
        chunked = grid_of(tiny_trajectory, images)
    assert seen.elements == 24 * LARGEST_FEATURE
    assert len(images) % 24  # the last chunk is a short one
    np.testing.assert_array_equal(chunked.predictions, whole.predictions)


def test_intermediate_tensors_grow_neither_with_images_nor_with_deep_epochs(tiny_trajectory, monkeypatch):
    monkeypatch.setitem(CHUNK_BYTES, "cpu", 16 * LARGEST_FEATURE * 4)
    images = tiny_trajectory.dataset.train_images
    for count, deep_epochs in itertools.product((25, 200), ([4], [0, 1, 2, 4])):
        with Largest() as seen:
            # Epochs 2 and 4 are not among the shallow ones, so that their networks run for the reference.
            grid_of(tiny_trajectory, images[:count], shallow_epochs=[0, 1], deep_epochs=deep_epochs)
        assert seen.elements == 16 * LARGEST_FEATURE, (count, deep_epochs)


def test_predictions_take_one_byte_a_composite_and_image(tiny_trajectory):
    images = tiny_trajectory.dataset.test_images
    grid = grid_of(tiny_trajectory, images)
    assert grid.predictions.nbytes == len(CUTS) * 4 * 2 * len(images)
    assert grid.reference.nbytes == 2 * len(images)


@pytest.mark.parametrize(
    ("changes", "networks"),
    [
        pytest.param({}, 2 + 1, id="carry"),
        pytest.param({"deep_epochs": [2]}, 1 + 1, id="one deep epoch"),
        pytest.param({"batchnorm": "recalibrate"}, 2 + 1 + 2 * 3, id="recalibrate"),
        pytest.param({"precision": "fp16"}, 2 + 1, id="with the recheck"),
    ],
)
def test_folded_networks_at_a_time_are_the_deep_ones_and_one_shallow_one(
    tiny_trajectory, monkeypatch, changes, networks
):
    alive, most = weakref.WeakSet(), []
    original = grid_engine.fold

    def counted(network):
        alive.add(network)
        most.append(len(alive))
        return original(network)

    monkeypatch.setattr(grid_engine, "fold", counted)
    grid_of(tiny_trajectory, tiny_trajectory.dataset.test_images, **changes)
    assert max(most) == networks


# Precision


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("tf32", "precision tf32 needs a CUDA device, found 'cpu'; take fp32 or fp16"),
        ("bf16", "bf16 is not offered: its 8 bits of significand flip too many predictions; take fp16"),
        ("fp8", "unknown precision 'fp8'; it is one of fp32, tf32, fp16"),
    ],
)
def test_precision_that_cannot_be_had_says_why(precision, message):
    with pytest.raises(MeasurementError, match=message):
        check_precision(precision, torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_grid_on_a_gpu_is_the_grid_on_the_cpu(tiny_trajectory, precision):
    images = tiny_trajectory.dataset.test_images
    expected = grid_of(tiny_trajectory, images)
    found = grid_of(tiny_trajectory, images, device="cuda", precision=precision)
    assert (found.predictions != expected.predictions).mean() <= 0.01
    assert found.flip_rate <= 0.01
