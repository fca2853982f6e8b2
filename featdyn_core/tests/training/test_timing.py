"""Epochs are timed from a few steps of the real network and batches."""

import pytest
import torch

from featdyn_core.errors import ModelError, TrainingError
from featdyn_core.tests.tiny import tiny_branch, tiny_digits, tiny_recipe
from featdyn_core.training import timing
from featdyn_core.training.steps import Stepper
from featdyn_core.training.timing import epoch_seconds
from featdyn_core.trajectories.recipe import NetworkSpec, TrainingSpec


@pytest.fixture
def steps(monkeypatch):
    """Let each step take a second on a fake clock; return (batch size, frozen blocks) of each step."""
    taken = []
    original = Stepper._step

    def step(self, size):
        taken.append((size, len(self.frozen)))
        original(self, size)

    monkeypatch.setattr(Stepper, "_step", step)
    monkeypatch.setattr(timing.time, "monotonic", lambda: float(len(taken)))
    return taken


def recipe_of(batch_size: int, **tables):
    return tiny_recipe(training=TrainingSpec(epochs=3, batch_size=batch_size, checkpoints=(0, 3)), **tables)


def test_ten_steps_after_ten_tell_of_all_the_steps_of_an_epoch(steps):
    assert epoch_seconds(recipe_of(8), tiny_digits()) == 25.0  # 200 images
    assert steps == [(8, 0)] * 20


def test_an_epoch_of_fewer_steps_is_timed_whole(steps):
    assert epoch_seconds(recipe_of(48), tiny_digits()) == 5.0
    assert [size for size, _ in steps] == [48, 48, 48, 48, 8] * 2


def test_of_several_at_once_each_has_its_share(steps):
    assert epoch_seconds(recipe_of(8), tiny_digits(), at_once=3) == 25.0
    assert len(steps) == 60


def test_what_a_branch_freezes_stands_still(steps):
    epoch_seconds(tiny_branch(freeze="hidden1"), tiny_digits())
    assert {frozen for _, frozen in steps} == {1}


def test_timing_leaves_the_generator_of_the_process_alone():
    before = torch.random.get_rng_state()
    assert epoch_seconds(recipe_of(8), tiny_digits()) > 0
    assert torch.equal(torch.random.get_rng_state(), before)


def test_too_little_memory_is_named(monkeypatch):
    def step(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Stepper, "_step", step)
    with pytest.raises(TrainingError, match=r"tiny: cpu has too little memory for one training; free some$"):
        epoch_seconds(recipe_of(8), tiny_digits())
    with pytest.raises(TrainingError, match="for 2 trainings; free some or choose a lower --at-once"):
        epoch_seconds(recipe_of(8), tiny_digits(), at_once=2)


def test_a_network_that_does_not_fit_is_refused():
    with pytest.raises(ModelError):
        epoch_seconds(recipe_of(8, network=NetworkSpec("mlp", {"hidden": []})), tiny_digits())
