"""Re-estimated statistics against passes in train mode, and the images they are taken from."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch

from featdyn_core.data.augmentation import CropFlip
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites import statistics as module
from featdyn_core.measures.composites.composite import composite
from featdyn_core.measures.composites.statistics import (
    reestimate,
    reestimated,
    reset_statistics,
    share_shown_in_training,
    statistics_batches,
    statistics_images,
)
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model
from featdyn_core.seeds import torch_generator
from featdyn_core.training.steps import ResidentSet
from featdyn_core.trajectories.specs import DataSpec
from featdyn_core.trajectories.trajectory import Trajectory

STATISTICS = 1e-6  # relative; batch moments by another order of summation


def augmented(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory as one of a training that crops and flips its images."""
    recipe = trajectory.recipe
    return dataclasses.replace(
        trajectory, recipe=recipe.replace(data=dataclasses.replace(recipe.data, augmentation="crop-flip"))
    )


def test_re_estimated_statistics_equal_a_pass_in_train_mode(tiny_trajectory):
    cut, size = "stage1_block1", 50
    training = dataclasses.replace(tiny_trajectory.recipe.training, batch_size=size)
    recipe = dataclasses.replace(tiny_trajectory.recipe, training=training)
    tiny_trajectory = dataclasses.replace(tiny_trajectory, recipe=recipe)
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

    found_state, expected = found.state_dict(), plain.state_dict()
    shallow = tiny_trajectory.state(1)
    for name, tensor in found_state.items():
        reference = shallow if found.in_shallow_part(name, cut) else expected
        assert torch.equal(tensor, reference[name]), name


def test_re_estimated_statistics_weigh_images_equally(tiny_trajectory):
    """The first normalisation after the cut, from moments of its inputs written out; the last batch is smaller."""
    found = composite(tiny_trajectory, 1, 4, "stage1_block1", batchnorm="recalibrate")
    with torch.no_grad():
        features = tiny_trajectory.network(1).shallow(tiny_trajectory.dataset.train_images, "stage1_block1")
        first = found.blocks["stage2_block1"].first
        inputs = first.conv(features)
    batches = inputs.split(tiny_trajectory.recipe.training.batch_size)
    assert len({len(part) for part in batches}) == 2
    variances = torch.stack([part.transpose(0, 1).flatten(1).var(1) for part in batches])
    sizes = torch.tensor([len(part) for part in batches]) / len(inputs)
    torch.testing.assert_close(first.norm.running_mean, inputs.mean((0, 2, 3)), rtol=STATISTICS, atol=STATISTICS)
    torch.testing.assert_close(first.norm.running_var, sizes @ variances, rtol=STATISTICS, atol=STATISTICS)


def test_re_estimated_layers_keep_their_momentum(tiny_trajectory):
    found = composite(tiny_trajectory, 1, 4, "stage1_block1", batchnorm="recalibrate")
    norms = [module for module in found.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(500, 64, [64] * 7 + [52]), (500, 499, [500]), (500, 500, [500]), (5, 2, [2, 3]), (4, 1, [2, 2]), (3, 1, [3])],
)
def test_statistics_batches_hold_each_image_once_and_none_alone(count, size, sizes):
    images = torch.arange(count)
    batches, shares = zip(*statistics_batches(images, size), strict=True)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), images)
    np.testing.assert_allclose(shares, np.array(sizes) / np.cumsum(sizes), rtol=0)


def test_one_image_is_too_few_for_normalisation_statistics(tiny_trajectory):
    images = tiny_trajectory.dataset.test_images
    with pytest.raises(MeasurementError, match="1 training images: normalisation statistics need at least 2"):
        reestimate(tiny_trajectory.network(0), images[:1], ["stem"], 50)


def test_re_estimation_leaves_dropout_off():
    images = torch.randint(0, 256, (24, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with_dropout, without = (
        build_model("svhn-convnet", image=(1, 32, 32), dropout=share, generator=torch.Generator().manual_seed(1)).eval()
        for share in (0.3, 0.0)
    )
    for network in (with_dropout, without):
        reestimate(network, images, list(network.blocks), 12)
    buffers = [
        [buffer for name, buffer in network.named_buffers() if "running" in name] for network in (with_dropout, without)
    ]
    assert len(buffers[0]) == 14
    assert all(itertools.starmap(torch.equal, zip(*buffers, strict=True)))
    assert not any(part.training for part in with_dropout.modules())


class Renamed(torch.nn.BatchNorm2d):
    """A user's class."""


NORMS = {
    "BatchNorm1d": (torch.nn.Flatten(), torch.nn.BatchNorm1d(48)),
    "BatchNorm2d": (torch.nn.Identity(), torch.nn.BatchNorm2d(3)),
    "BatchNorm3d": (torch.nn.Unflatten(2, (2, 2)), torch.nn.BatchNorm3d(3)),
    "SyncBatchNorm": (torch.nn.Identity(), torch.nn.SyncBatchNorm(3)),
    "InstanceNorm2d": (torch.nn.Identity(), torch.nn.InstanceNorm2d(3, track_running_stats=True)),
    "of one's own": (torch.nn.Identity(), Renamed(3)),
}


@pytest.mark.parametrize("name", NORMS)
@torch.no_grad()
def test_every_norm_with_running_statistics_is_re_estimated(name):
    shape, norm = NORMS[name]
    network = BlockNetwork({"shape": shape, "norm": norm, "rest": torch.nn.Flatten()}, ["shape"], [0.0], [1.0]).eval()
    images = torch.rand((20, 3, 4, 4), generator=torch.Generator().manual_seed(0)) * 255
    reestimate(network, images, ["norm"], 10)
    plain = copy.deepcopy(norm).train()
    plain.reset_running_stats()
    plain.momentum = None
    if name == "InstanceNorm2d":  # has no cumulative average of its own: one batch is that of all images
        plain.momentum = 1.0
        plain(network.shallow(images, "shape"))
    else:
        for batch in network.shallow(images, "shape").split(10):
            plain(batch)
    assert (norm.running_mean - 0.5).abs().max() < 0.3
    torch.testing.assert_close(norm.running_mean, plain.running_mean, rtol=STATISTICS, atol=STATISTICS)
    torch.testing.assert_close(norm.running_var, plain.running_var, rtol=STATISTICS, atol=STATISTICS)


def test_normalisation_without_statistics_needs_no_re_estimation():
    norms = torch.nn.Sequential(torch.nn.BatchNorm2d(3, track_running_stats=False), torch.nn.LayerNorm(4))
    assert reset_statistics([norms]) == []


def test_statistics_images_are_the_first_training_images(tiny_trajectory, monkeypatch):
    monkeypatch.setattr(module, "STATISTICS_IMAGES", 150)
    assert torch.equal(statistics_images(tiny_trajectory), tiny_trajectory.dataset.train_images[:150])


def test_statistics_images_are_augmented_if_training_augments(tiny_trajectory):
    trajectory = augmented(tiny_trajectory)
    crops = CropFlip(trajectory.dataset.train_images, torch.device("cpu"))
    crops.draw(torch_generator(trajectory.seed, "measure", "calibration"))
    found = statistics_images(trajectory)
    assert torch.equal(found, crops.take(torch.arange(len(found))))
    assert torch.equal(found, statistics_images(trajectory))
    assert not torch.equal(found, statistics_images(dataclasses.replace(trajectory, seed=trajectory.seed + 1)))


def test_re_estimation_keeps_a_network_s_own_training_statistics(tiny_trajectory):
    trajectory = augmented(tiny_trajectory)
    images, labels = trajectory.training_set()
    resident = ResidentSet(images, labels, augment=True, seed=trajectory.seed, device=torch.device("cpu"))
    network = trajectory.network(4)
    shown = []
    for epoch in range(20):
        resident.shuffle(epoch)
        shown.append(resident.batch(torch.zeros(1, dtype=torch.int64), len(images))[0])
    reestimate(network, torch.cat(shown), list(network.blocks), 50)
    trained = dict(network.named_buffers())

    def distance(images: torch.Tensor) -> float:
        again = trajectory.network(4)
        reestimate(again, images, list(again.blocks), 50)
        differences = [
            (buffer - trained[name]).norm() / trained[name].norm()
            for name, buffer in again.named_buffers()
            if name.endswith("running_mean")
        ]
        return float(torch.stack(differences).mean())

    assert distance(statistics_images(trajectory)) < 0.5 * distance(images)


@pytest.fixture(params=["none", "crop-flip"])
def trajectory(request, tiny_trajectory):
    recipe = dataclasses.replace(tiny_trajectory.recipe, data=DataSpec("digits", augmentation=request.param))
    return dataclasses.replace(tiny_trajectory, recipe=recipe)


def test_statistics_images_are_shown_in_training(trajectory):
    assert share_shown_in_training(trajectory, statistics_images(trajectory)) == 1


def test_held_out_images_are_not(trajectory):
    images = trajectory.dataset.test_images
    assert share_shown_in_training(trajectory, images) == 0
    mixed = trajectory.dataset.train_images[:100].clone()
    mixed[:25] = images[:25]
    assert share_shown_in_training(trajectory, mixed) == 0.75


def test_augmented_images_are_not_those_of_a_training_without(tiny_trajectory, trajectory):
    share = share_shown_in_training(tiny_trajectory, statistics_images(trajectory))
    assert (share == 1) is (trajectory.recipe.data.augmentation == "none")


def test_reestimation_alone_leaves_the_parameters(tiny_trajectory):
    network, start = reestimated(tiny_trajectory.network(4), tiny_trajectory), tiny_trajectory.network(4)
    assert all(torch.equal(value, start.get_parameter(name)) for name, value in network.named_parameters())
    assert any(not torch.equal(value, start.get_buffer(name)) for name, value in network.named_buffers())
