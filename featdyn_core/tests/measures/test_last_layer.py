"""What the last layer reads, in batches or at once."""

import pytest
import torch

from featdyn_core.measures.last_layer import read_by_the_last_layer


@pytest.mark.parametrize("name", ["tiny_trajectory", "tiny_perceptron"])
def test_the_last_layer_turns_them_into_the_networks_logits(request, name):
    trajectory = request.getfixturevalue(name)
    images, _ = trajectory.evaluation_set("held-out")
    network = trajectory.network(4)
    found = torch.from_numpy(read_by_the_last_layer(network, images, batch_size=7))
    assert found.ndim == 2
    with torch.no_grad():
        assert torch.allclose(network.head.linear(found), network(images), atol=1e-5)


def test_dropout_is_off(tiny_perceptron):
    images, _ = tiny_perceptron.evaluation_set("held-out")
    once, again = (read_by_the_last_layer(tiny_perceptron.network(4).train(), images) for _ in range(2))
    assert (once == again).all()
