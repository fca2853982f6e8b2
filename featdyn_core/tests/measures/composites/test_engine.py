"""The cost of a grid in operations and memory, and its precisions."""

import dataclasses
import gc
import itertools
import weakref
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites import engine as grid_engine
from featdyn_core.measures.composites.engine import CHUNK_BYTES, GridEngine, _computed, check_precision
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.measures.composites.masks import band
from featdyn_core.measures.composites.policies import POLICIES
from featdyn_core.networks.blocks import BlockNetwork

# Multiply-adds of a ResNet-20: in all, after stages 1, 2, 3, and up to them.
WHOLE = 40_551_040
DEEP = {1: 25_952_896, 2: 12_976_768, 3: 640}
SHALLOW = {stage: WHOLE - deep for stage, deep in DEEP.items()}

CUTS = ("stem", "stage1_block1", "stage2_block1", "stage3_block1")
LARGEST_FEATURE = 4 * 8 * 8  # of the tiny ResNet-8 at a cut, in elements


def grid_of(trajectory, images, **changes):
    arguments = {"cuts": CUTS, "shallow_epochs": [0, 1, 2, 4], "deep_epochs": [1, 4], **changes}
    return composite_grid(trajectory, images, **arguments)


def noise(count, side):
    """Random images of three channels, the same in both splits."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    zeros, scale = torch.zeros(count, dtype=torch.long), (0.5, 0.5, 0.5)
    return Dataset("noise", images, zeros, images, zeros, 10, scale, scale, "noise", (count, count))


@pytest.fixture(scope="module")
def resnet20(make_trajectory):
    return make_trajectory("resnet20", noise(8, 32))


# Operations


# What 8 images, or 8 training images, add in whole, shallow and deep passes, by stages.
@pytest.mark.parametrize(
    ("stages", "deep_epochs", "batchnorm", "multiply_adds"),
    [
        pytest.param((1, 2, 3), (0, 2), "carry", 3 * SHALLOW[3] + 6 * sum(DEEP.values()), id="deep among shallow"),
        pytest.param(
            (1, 2, 3), (2, 4), "carry", 3 * SHALLOW[3] + 6 * sum(DEEP.values()) + WHOLE, id="one deep outside shallow"
        ),
        pytest.param(
            (1, 2, 3),
            (0, 2),
            "recalibrate",
            3 * SHALLOW[3] + 6 * sum(DEEP.values()) + 3 * SHALLOW[2] + 6 * (DEEP[1] + DEEP[2]),
            id="statistics re-estimated",
        ),
        pytest.param(
            (1,),
            (2, 4),
            "recalibrate",
            2 * (3 * SHALLOW[1] + 6 * DEEP[1]) + 2 * WHOLE,
            id="statistics re-estimated at every cut",
        ),
    ],
)
def test_operations_are_those_of_the_formula(resnet20, stages, deep_epochs, batchnorm, multiply_adds):
    """One shallow pass per epoch and one deep pass per pair; one pass of one image sets the size of a chunk."""
    cuts = [resnet20.network(0).depths[stage - 1] for stage in stages]
    arguments = {"cuts": cuts, "shallow_epochs": (0, 1, 2), "deep_epochs": deep_epochs, "batchnorm": batchnorm}
    with FlopCounterMode(display=False) as counter:
        composite_grid(resnet20, resnet20.dataset.test_images, **arguments)
    assert counter.get_total_flops() == 2 * (8 * multiply_adds + WHOLE)


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


@pytest.mark.parametrize("policy", POLICIES)
def test_each_checkpoint_is_read_once(tiny_trajectory, policy):
    read = Counter()

    def load(epoch):
        read[epoch] += 1
        return tiny_trajectory.load(epoch)

    trajectory = dataclasses.replace(tiny_trajectory, load=load)
    grid_of(trajectory, tiny_trajectory.dataset.test_images, shallow_epochs=[0, 1, 2], batchnorm=policy)
    assert read == {epoch: 1 for epoch in (0, 1, 2, 4)}


# Progress


def test_the_gpu_reports_a_computed_row_with_the_next_one_queued(monkeypatch):
    log = []

    class Event:
        def __init__(self, blocking):
            assert blocking

        def record(self, stream):
            log.append(f"record {len(log)} on {stream}")
            self.number = len(log)

        def synchronize(self):
            log.append(f"wait for {self.number - 1}")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")

    def rows():
        for count in (10, 20, 30):
            log.append(f"queue {count}")
            yield count
        log.append("queue the networks")

    for done in _computed(rows(), torch.device("cuda", 1)):
        log.append(f"report {done}")
    stream = "on the stream of cuda:1"
    first = ["queue 10", f"record 1 {stream}", "queue 20", f"record 3 {stream}", "wait for 1", "report 10"]
    second = ["queue 30", f"record 7 {stream}", "wait for 3", "report 20"]
    assert log == [*first, *second, "queue the networks", "wait for 7", "report 30"]


def test_cpu_reports_a_row_before_the_next():
    log = []
    rows = (log.append(f"compute {count}") or count for count in (10, 20))
    for done in _computed(rows, torch.device("cpu")):
        log.append(f"report {done}")
    assert log == ["compute 10", "report 10", "compute 20", "report 20"]


# Memory


class Largest(TorchDispatchMode):
    """Records the largest floating-point tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.is_floating_point():
            self.elements = max(self.elements, found.numel())
        return found


class Live(TorchDispatchMode):
    """Records the peak number of bytes in tensors that operations returned."""

    def __init__(self):
        super().__init__()
        self.holders, self.bytes, self.most = Counter(), 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            storage = found.untyped_storage()
            self._hold(storage.data_ptr(), storage.nbytes(), 1)
            weakref.finalize(found, self._hold, storage.data_ptr(), storage.nbytes(), -1)
        return found

    def _hold(self, address, size, change):
        before = self.holders[address] > 0
        self.holders[address] += change
        self.bytes += size * ((self.holders[address] > 0) - before)
        self.most = max(self.most, self.bytes)


@pytest.mark.parametrize(("policy", "renewed"), [("carry", 0), ("recalibrate", 3)])
def test_memory_is_that_of_the_formula(tiny_trajectory, policy, renewed):
    """One chunk holds all images, so that features are most of it."""
    images, network = tiny_trajectory.dataset.train_images, tiny_trajectory.network(0)
    shallow, deep, cuts, count = 4, 2, len(CUTS), len(images)
    with Live() as seen:
        grid_of(tiny_trajectory, images, labels=tiny_trajectory.dataset.train_labels, batchnorm=policy)
    size = sum(4 * tensor.numel() for tensor in network.state_dict().values())
    networks = (deep + 2 + ((1 + renewed) * deep if renewed else 0)) * size
    features = sum(feature[0].numel() for feature in network.features(images[:1], CUTS).values())
    chunk = 4 * count * (4 * LARGEST_FEATURE + features + deep * 10)
    kept = (cuts * shallow * deep + deep) * count + 8 * cuts * shallow * deep
    assert 0.7 <= seen.most / (networks + chunk + kept) <= 1


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


def test_intermediate_size_ignores_images_and_deep_epochs(tiny_trajectory, monkeypatch):
    monkeypatch.setitem(CHUNK_BYTES, "cpu", 16 * LARGEST_FEATURE * 4)
    images = tiny_trajectory.dataset.train_images
    for count, deep_epochs in itertools.product((25, 200), ([4], [0, 1, 2, 4])):
        with Largest() as seen:
            # Epochs 2 and 4 are not among the shallow ones, so that their networks run for the reference.
            grid_of(tiny_trajectory, images[:count], shallow_epochs=[0, 1], deep_epochs=deep_epochs)
        assert seen.elements == 16 * LARGEST_FEATURE, (count, deep_epochs)


@pytest.mark.parametrize(
    ("network", "options", "side", "images"),
    [
        pytest.param("resnet20", {}, 32, 32, id="resnet20"),
        pytest.param("svhn-convnet", {}, 32, 16, id="pooled before the cut"),
        pytest.param("stl10-convnet", {}, 96, 4, id="fewest"),
        pytest.param("mlp", {"hidden": [12]}, 8, 2048, id="most"),
    ],
)
def test_chunk_is_of_the_largest_tensor_a_layer_returns(make_trajectory, network, options, side, images):
    trajectory = make_trajectory(network, noise(2, side), **options)
    cut = trajectory.network(0).depths[-1]
    engine = GridEngine(
        trajectory,
        trajectory.dataset.test_images,
        None,
        (cut,),
        [0],
        [0],
        np.ones((1, 1), bool),
        "carry",
        torch.device("cpu"),
        "fp32",
    )
    assert engine.chunks == [slice(0, images)]


@pytest.mark.parametrize("width", [None, 0], ids=["all pairs", "band"])
def test_predictions_take_one_byte_for_each_pair_and_image(tiny_trajectory, width):
    images, epochs = tiny_trajectory.dataset.test_images, [0, 1, 4]
    pairs = None if width is None else band(epochs, epochs[1:], width)
    grid = grid_of(tiny_trajectory, images, shallow_epochs=epochs, deep_epochs=epochs[1:], pairs=pairs)
    assert grid.predictions.nbytes == len(CUTS) * 3 * 2 * len(images)
    assert grid.reference.nbytes == 2 * len(images)
    assert grid.cross_entropy.nbytes == 8 * len(CUTS) * 3 * 2


@pytest.mark.parametrize(
    ("changes", "networks"),
    [
        pytest.param({}, 2 + 1, id="carry"),
        pytest.param({"deep_epochs": [2]}, 1 + 1, id="one deep epoch"),
        pytest.param({"batchnorm": "recalibrate"}, 2 + 1 + (1 + 3) * 2, id="recalibrate"),
        pytest.param({"batchnorm": "recalibrate", "cuts": CUTS[-1:]}, 2 + 1, id="nothing to recalibrate"),
        pytest.param({"precision": "fp16"}, 2 + 1, id="with the recheck"),
    ],
)
def test_networks_at_a_time_are_those_of_the_formula(tiny_trajectory, monkeypatch, changes, networks):
    most = []
    original = grid_engine.fold

    def counted(network):
        most.append(sum(type(thing) is BlockNetwork for thing in gc.get_objects()))
        return original(network)

    monkeypatch.setattr(grid_engine, "fold", counted)
    gc.freeze()  # so that only later tensors are counted
    try:
        grid_of(tiny_trajectory, tiny_trajectory.dataset.test_images, **changes)
    finally:
        gc.unfreeze()
    assert max(most) == networks


# Precision


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("tf32", "precision tf32 needs a CUDA device, found 'cpu'; use fp32 or fp16"),
        ("bf16", "bf16 is not offered: its 8 bits of significand flip too many predictions; use fp16"),
        ("fp8", "unknown precision 'fp8'; use one of fp32, tf32, fp16"),
    ],
)
def test_an_unavailable_precision_says_why(precision, message):
    with pytest.raises(MeasurementError, match=message):
        check_precision(precision, torch.device("cpu"))


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_grid_on_a_gpu_is_the_grid_on_the_cpu(gpu, tiny_trajectory, precision):
    images = tiny_trajectory.dataset.test_images
    expected = grid_of(tiny_trajectory, images)
    found = grid_of(tiny_trajectory, images, device=gpu, precision=precision)
    assert (found.predictions != expected.predictions).mean() <= 0.01
    assert found.flip_rate <= 0.01
