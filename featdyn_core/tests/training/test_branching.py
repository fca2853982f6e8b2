"""Branches: their start, their frozen part, and continuation of the parent's training."""

import contextlib
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import TrainingError
from featdyn_core.seeds import torch_generator
from featdyn_core.tests.tiny import (
    SUBSET,
    MemorySink,
    StoppedError,
    same_state,
    tiny_branch,
    tiny_continuation,
    tiny_digits,
    tiny_recipe,
    without_seconds,
)
from featdyn_core.training import loop as training
from featdyn_core.training.branching import initial_optimizer, initial_state
from featdyn_core.training.loop import train
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, ScheduleSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import Trajectory, new_network

CUT = "stage1_block1"
RESNET = {
    "network": NetworkSpec("resnet8", {"width": 4}),
    "data": DataSpec("digits", SUBSET, augmentation="crop-flip"),
    "optimizer": OptimizerSpec("sgd", 0.1, momentum=0.9, weight_decay=0.1),
}
PLAIN_SGD = tiny_recipe(
    network=NetworkSpec("mlp", {"hidden": [12], "dropout": 0.5}), optimizer=OptimizerSpec("sgd", 0.1)
)
HALF = TrainingSpec(3, 50, (0, 1, 2, 3), "bf16")
ADAM = tiny_recipe(**RESNET | {"optimizer": OptimizerSpec("adam", 0.01)})


def run(recipe: Recipe, seed: int = 0, **sink) -> MemorySink:
    """Train into memory, the parent of a branch first."""
    into = MemorySink(**sink)
    parent = trained(recipe.branch.parent, seed) if recipe.branch else None
    with contextlib.suppress(StoppedError):
        into.records = list(train(recipe, seed, tiny_digits(), into, parent=parent))
    return into


def trained(recipe: Recipe, seed: int = 0) -> Trajectory:
    sink = run(recipe, seed)
    states, optimizer = sink.states, sink.optimizer
    return Trajectory(
        recipe,
        seed,
        "",
        tuple(states),
        tiny_digits(),
        load=states.__getitem__,
        load_optimizer=lambda: optimizer,
    )


def test_an_unchanged_branch_equals_its_parent_bit_for_bit():
    parent, branch = run(PLAIN_SGD), run(tiny_branch(PLAIN_SGD))
    assert list(branch.states) == [1, 2, 3]
    assert all(same_state(branch.states[epoch], parent.states[epoch]) for epoch in branch.states)
    assert without_seconds(tuple(branch.records[1:])) == without_seconds(tuple(parent.records[2:]))
    assert branch.records[0].probe_loss == parent.records[1].probe_loss


def test_momentum_begins_anew_at_a_branch():
    """This is the reading of ``branching``: the branch equals its parent at its start, and differs afterwards."""
    parent, branch = run(tiny_recipe()), run(tiny_branch())
    assert same_state(branch.states[1], parent.states[1])
    assert not same_state(branch.states[2], parent.states[2])


def test_what_is_kept_is_the_parents_and_what_is_not_is_new():
    recipe = tiny_recipe(**RESNET)
    parent = trained(recipe)
    network = new_network(recipe, tiny_digits())
    begin = new_network(recipe, tiny_digits(), torch_generator(0, "init")).state_dict()
    found = initial_state(tiny_branch(recipe, keep=CUT), 0, tiny_digits(), parent)
    assert found.keys() == begin.keys()
    drawn = {name for name, value in begin.items() if value.ndim > 1}
    for name, value in found.items():
        kept = network.in_shallow_part(name, CUT)
        assert not kept or torch.equal(value, parent.state(1)[name]), name
        if name in drawn:
            assert kept is torch.equal(value, parent.state(1)[name]), name
            assert not torch.equal(value, begin[name]), name
        elif not kept and "linear" not in name:
            assert torch.equal(value, begin[name]), name  # normalisation begins as in every network
    assert drawn


def test_what_is_new_depends_on_the_seed_and_not_on_the_cut():
    recipe = tiny_recipe(**RESNET)
    one, deeper = (
        initial_state(tiny_branch(recipe, keep=cut), 0, tiny_digits(), trained(recipe))
        for cut in (CUT, "stage2_block1")
    )
    other = initial_state(tiny_branch(recipe, keep=CUT), 1, tiny_digits(), trained(recipe, 1))
    last = "blocks.head.linear.weight"
    assert torch.equal(one[last], deeper[last])
    assert not torch.equal(one[last], other[last])


@pytest.mark.parametrize("keep", ["", CUT])
def test_a_frozen_part_stands_still_and_the_rest_trains_on(keep):
    """This includes statistics, weight decay and momentum."""
    recipe = tiny_recipe(**RESNET)
    found = run(tiny_branch(recipe, keep=keep, freeze=CUT)).states
    network = new_network(recipe, tiny_digits())
    for epoch in (2, 3):
        for name, value in found[epoch].items():
            still = torch.equal(value, found[epoch - 1][name])
            assert still is network.in_shallow_part(name, CUT), name
    assert any("running" in name for name in found[3] if network.in_shallow_part(name, CUT))


@pytest.mark.parametrize("parent", [tiny_recipe(**RESNET), ADAM], ids=["momentum", "adam"])
@pytest.mark.parametrize("keep", ["", CUT], ids=["all kept", "rest new"])
@given(stop_after=st.integers(2, 3))
@settings(max_examples=2, deadline=None)
def test_a_resumed_branch_is_bit_for_bit_the_uninterrupted_one(parent, keep, stop_after):
    recipe = tiny_branch(parent, keep=keep, freeze=CUT)
    expected = run(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "RESUME_SECONDS", 0.0)
        first = run(recipe, stop_after=stop_after)
        assert first.point.epoch == stop_after
        second = run(recipe, start=first.point)
    assert not second.states.keys() & first.states.keys()
    states = first.states | second.states
    assert states.keys() == expected.states.keys()
    assert all(same_state(states[epoch], expected.states[epoch]) for epoch in states)
    assert without_seconds(tuple(second.records)) == without_seconds(tuple(expected.records))


@pytest.mark.parametrize("wrong", ["none", "another recipe", "another seed"])
def test_a_branch_without_its_parent_is_refused(wrong):
    parent = {"none": None, "another recipe": trained(PLAIN_SGD), "another seed": trained(tiny_recipe(), 1)}[wrong]
    sink = MemorySink()
    with pytest.raises(TrainingError, match="branch seed 0 is a branch of tiny; give the parent's trajectory too"):
        train(tiny_branch(), 0, tiny_digits(), sink, parent=parent)
    assert not sink.states


# With the optimiser kept

CONTINUED = {
    "no state": PLAIN_SGD,
    "momentum": tiny_recipe(**RESNET),
    "adam": ADAM,
    "bf16": tiny_recipe(**RESNET, training=HALF),
    "milestone at the branch": tiny_recipe(**RESNET, schedule=ScheduleSpec((3,))),
    "milestone after the branch": tiny_recipe(**RESNET, schedule=ScheduleSpec((2, 4), 0.5)),
}


@pytest.mark.parametrize("name", CONTINUED)
def test_a_kept_optimizer_continues_the_parent_bit_for_bit(name):
    parent, branch = CONTINUED[name], run(tiny_continuation(CONTINUED[name]))
    more = dataclasses.replace(parent.training, epochs=5, checkpoints=(0, 3, 4, 5))
    longer = run(parent.replace(training=more))
    assert list(branch.states) == [3, 4, 5]
    assert all(same_state(branch.states[epoch], longer.states[epoch]) for epoch in branch.states)
    assert without_seconds(tuple(branch.records[1:])) == without_seconds(tuple(longer.records[4:]))
    assert same_state(branch.optimizer, longer.optimizer)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_without_a_kept_optimizer_the_bits_are_others(name):
    """This shows that the test above can fail."""
    kept = tiny_continuation(CONTINUED[name])
    anew = kept.replace(branch=dataclasses.replace(kept.branch, optimizer=""))
    first, second = run(kept).states, run(anew).states
    assert same_state(first[3], second[3])
    assert not same_state(first[4], second[4])


@pytest.mark.parametrize("name", ["momentum", "adam", "bf16"])
@pytest.mark.parametrize("freeze", ["", CUT], ids=["all moves", "frozen"])
def test_a_resumed_continuation_is_the_uninterrupted_one(name, freeze, monkeypatch):
    recipe = tiny_continuation(CONTINUED[name], freeze=freeze)
    expected = run(recipe)
    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    first = run(recipe, stop_after=4)
    assert first.point.epoch == 4
    second = run(recipe, start=first.point)
    assert list(second.states) == [5]
    assert same_state(second.states[5], expected.states[5])
    assert same_state(second.optimizer, expected.optimizer)


def test_a_training_resumed_at_its_end_leaves_its_optimizer(monkeypatch):
    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    stopped = run(ADAM, stop_after=3)
    assert not stopped.optimizer
    assert same_state(run(ADAM, start=stopped.point).optimizer, run(ADAM).optimizer)


def test_a_frozen_part_stands_still_beside_a_kept_optimizer():
    states = run(tiny_continuation(CONTINUED["momentum"], freeze=CUT)).states
    network = new_network(CONTINUED["momentum"], tiny_digits())
    for name, value in states[5].items():
        assert torch.equal(value, states[3][name]) is network.in_shallow_part(name, CUT), name


def test_a_continuation_needs_its_parents_optimizer():
    states = run(tiny_recipe()).states
    parent = Trajectory(tiny_recipe(), 0, "", tuple(states), tiny_digits(), load=states.__getitem__)
    with pytest.raises(TrainingError, match=r"no optimiser state.*give one from a store"):
        train(tiny_continuation(), 0, tiny_digits(), MemorySink(), parent=parent)
    with pytest.raises(
        TrainingError, match="continuation seed 0 is a branch of tiny; give the parent's trajectory too"
    ):
        initial_optimizer(tiny_continuation(), 0, None)


@pytest.mark.parametrize("name", CONTINUED)
@pytest.mark.parametrize("engine", ["eager", "graphs"])
def test_on_a_gpu_a_kept_optimizer_continues_the_parent(gpu, name, engine):
    parent = CONTINUED[name]
    more = dataclasses.replace(parent.training, epochs=5, checkpoints=(0, 3, 4, 5))
    sinks = {"parent": MemorySink(), "longer": MemorySink(), "branch": MemorySink()}
    for recipe, part in ((parent, "parent"), (parent.replace(training=more), "longer")):
        train(recipe, 0, tiny_digits(), sinks[part], device=gpu, engine=engine)
    states, optimizer = sinks["parent"].states, sinks["parent"].optimizer
    whole = Trajectory(
        parent, 0, "", tuple(states), tiny_digits(), load=states.__getitem__, load_optimizer=lambda: optimizer
    )
    train(tiny_continuation(parent), 0, tiny_digits(), sinks["branch"], parent=whole, device=gpu, engine=engine)
    for epoch, state in sinks["branch"].states.items():
        assert same_state(state, sinks["longer"].states[epoch]), f"epoch {epoch}"
