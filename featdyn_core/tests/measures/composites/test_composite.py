"""Composites against their two halves, run one after the other."""

import copy

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.statistics import reestimate

CUTS = ("stem", "stage1_block1", "stage2_block1", "stage3_block1")


@pytest.fixture(scope="module")
def images(tiny_trajectory):
    return tiny_trajectory.dataset.test_images


# Composite


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("epoch", [0, 2])
def test_composite_of_one_epoch_is_the_network_bit_for_bit(tiny_trajectory, images, cut, epoch):
    found = composite(tiny_trajectory, epoch, epoch, cut)
    assert torch.equal(found(images), tiny_trajectory.network(epoch)(images))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("shallow", "deep"), [(1, 4), (4, 1)])
def test_a_composite_joins_one_shallow_half_to_another_deep_half(tiny_trajectory, images, cut, shallow, deep):
    features = tiny_trajectory.network(shallow).shallow(images, cut)
    expected = tiny_trajectory.network(deep).deep(features, cut)
    assert torch.equal(composite(tiny_trajectory, shallow, deep, cut)(images), expected)
    assert not torch.equal(expected, tiny_trajectory.network(deep)(images))


def test_a_composite_is_in_eval_mode_and_changes_no_checkpoint(tiny_trajectory):
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


def test_unknown_policy_is_named_with_its_alternatives(tiny_trajectory):
    message = "unknown batchnorm policy 'forget'; use one of carry, recalibrate"
    with pytest.raises(MeasurementError, match=message):
        composite(tiny_trajectory, 0, 4, "stem", batchnorm="forget")


def test_predict_is_the_argmax_of_the_logits_whatever_the_batch(tiny_trajectory, images):
    network = tiny_trajectory.network(2)
    expected = network(images).argmax(1).numpy()
    found = predict(network, images, batch_size=7)
    assert found.dtype == np.uint8
    assert len(set(found)) > 2  # predictions of one class could not tell composites apart
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(predict, id="predict"),
        pytest.param(lambda *given: reestimate(*given, ["stage1_block1"], 50), id="reestimate"),
    ],
)
def test_networks_run_in_exact_arithmetic(tiny_trajectory, images, function):
    network, found = tiny_trajectory.network(2), set()
    convolution = torch.backends.cudnn.conv
    convolution.fp32_precision = "tf32"  # torch's default
    network.blocks["stem"].register_forward_hook(lambda *_: found.add(convolution.fp32_precision))
    function(network, images)
    assert found == {"ieee"}
