"""Descent of the network itself against torch's own optimiser, and against the linearised one where both agree."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.errors import DataError, TrainingError
from featdyn_core.measures.linearized.descent import linearized_trajectory
from featdyn_core.measures.linearized.kernel import HALVES
from featdyn_core.measures.linearized.real import real_descent
from featdyn_core.tests.measures.linearized.test_kernel import Problem, problem

ROUNDING = 1e-9  # of losses in double precision
RATE = 0.1


def by_optimizer(given: Problem, cut: str, freeze: str | None) -> list:
    """Return the network after each of six steps of torch's SGD, with one half held fixed."""
    network, states = copy.deepcopy(given.network), []
    moving = [
        value
        for name, value in network.named_parameters()
        if freeze != ("shallow" if network.in_shallow_part(name, cut) else "deep")
    ]
    optimizer = torch.optim.SGD(moving, lr=RATE)
    for _ in range(7):
        states.append(copy.deepcopy(network))
        optimizer.zero_grad()
        F.cross_entropy(network(given.images), given.labels).backward()
        optimizer.step()
    return states


@pytest.mark.parametrize("freeze", [None, *HALVES])
@pytest.mark.parametrize(("name", "cut"), [("mlp", "hidden1"), ("resnet8", "stage1_block1")])
def test_composites_are_those_of_a_training_by_sgd(name, cut, freeze):
    given = problem(name)
    found = real_descent(*given, cut=cut, steps=6, every=2, learning_rate=RATE, freeze=freeze)
    networks = by_optimizer(given, cut, freeze)[::2]
    assert found.steps.tolist() == [0, 2, 4, 6]
    with torch.no_grad():
        expected = [
            [F.cross_entropy(late.deep(early.shallow(given.images, cut), cut), given.labels) for late in networks]
            for early in networks
        ]
    assert found.grid == pytest.approx(np.array(expected), abs=ROUNDING)
    assert found.losses == pytest.approx(np.diagonal(found.grid), abs=ROUNDING)
    assert found.losses[0] - found.losses[-1] > 1e-3
    assert (np.ptp(found.grid, axis=0).max() < ROUNDING) == (freeze == "shallow")
    assert (np.ptp(found.grid, axis=1).max() < ROUNDING) == (freeze == "deep")


def test_small_moves_are_those_of_the_linearised_network():
    given, options = problem(), {"cut": "hidden1", "steps": 12, "learning_rate": 1e-6}
    linear = linearized_trajectory(*given, **options)
    real = real_descent(*given, **options)
    assert real.grid == pytest.approx(linear.loss_grid(given.labels), abs=ROUNDING)
    assert real.losses[0] - real.losses[-1] > 1e-6
    far = options | {"learning_rate": 0.3}
    apart = real_descent(*given, **far).losses - linearized_trajectory(*given, **far).losses
    assert abs(apart).max() > 1e-3


def test_the_network_is_left_as_it_was():
    given = problem()
    given.network.float().train()
    before = copy.deepcopy(given.network.state_dict())
    real_descent(*given, cut="hidden1", steps=2, learning_rate=RATE)
    assert given.network.training
    for key, value in given.network.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert value.dtype == before[key].dtype, key


def test_what_no_descent_can_be_made_of_is_refused():
    given, options = problem(), {"cut": "hidden1", "steps": 3, "learning_rate": RATE}
    with pytest.raises(TrainingError, match="learning rate 0 is not positive"):
        real_descent(*given, **(options | {"learning_rate": 0}))
    with pytest.raises(TrainingError, match="no half 'middle' to freeze"):
        real_descent(*given, **options, freeze="middle")
    with pytest.raises(DataError, match=r"labels must lie in 0\.\.3"):
        real_descent(given.network, given.images, given.labels + 4, **options)
    with pytest.raises(TrainingError, match=r"the loss at step \d is .*, with learning rate 1e\+200; lower it"):
        real_descent(*given, **(options | {"learning_rate": 1e200}))
