"""The start of a training: the network of its own seed, or another one."""

import dataclasses

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.records.kind import Scope
from featdyn_core.records.origin import Options, measure, read, resolve
from featdyn_core.tests.tiny import tiny_branch, tiny_recipe
from featdyn_core.training.branching import initial_state

RELATIVE = 1e-12


@pytest.fixture
def begun(tiny_trajectory):
    """A trajectory whose every checkpoint is the network that its seed draws."""
    item = tiny_trajectory
    drawn = initial_state(item.recipe, item.seed, item.dataset, None)
    return dataclasses.replace(item, load=lambda _: drawn)


def distance(trajectory):
    return read(measure(trajectory, {}), {}).distance


def test_a_training_begins_with_the_network_of_its_seed(begun):
    assert distance(begun) == 0


def test_checkpoints_of_another_seed_are_far_from_it(begun):
    assert distance(dataclasses.replace(begun, seed=begun.seed + 1)) > 0.5


def test_the_distance_is_relative_to_the_drawn_network(begun):
    twice = {name: 2 * value for name, value in begun.state(0).items()}
    assert distance(dataclasses.replace(begun, load=lambda _: twice)) == pytest.approx(1, rel=RELATIVE)


def test_a_branch_draws_no_network():
    branch = tiny_branch(tiny_recipe())
    with pytest.raises(RecipeError, match="is a branch"):
        resolve(Options(), Scope(branch, 0, 1, {}, {}, images=20))


def test_there_is_one_part():
    assert resolve(Options(), Scope(tiny_recipe(), 0, 1, {}, {}, images=20)) == {"": {}}
