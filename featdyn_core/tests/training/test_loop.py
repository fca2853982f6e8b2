"""The training loop against a plain one, its randomness, and its resumption."""

import contextlib
import functools
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import ModelError, TrainingError
from featdyn_core.networks.blocks import load_state
from featdyn_core.seeds import torch_generator
from featdyn_core.tests.test_devices import OUT_OF_MEMORY
from featdyn_core.tests.tiny import (
    SUBSET,
    MemorySink,
    StoppedError,
    coloured_digits,
    same_state,
    tiny_digits,
    tiny_recipe,
    without_seconds,
)
from featdyn_core.training import loop as training
from featdyn_core.training.loop import Job, train, train_many
from featdyn_core.trajectories.probe import evaluate_loss
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, LabelSpec, NetworkSpec, OptimizerSpec, ScheduleSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import new_network, training_set

WEIGHT_TOLERANCE = 1e-5
"""Between the fused optimiser and a plain one, after twelve steps."""

CROPPED = DataSpec("digits", SUBSET, augmentation="crop-flip")
RESNET = NetworkSpec("resnet8", {"width": 4})
DROPOUT = NetworkSpec("mlp", {"hidden": [12], "dropout": 0.5})
ADAM = OptimizerSpec("adam", 0.01, weight_decay=1e-3)

RESUMABLE = {
    "perceptron": (tiny_recipe(), tiny_digits),
    "no momentum": (tiny_recipe(optimizer=OptimizerSpec("sgd", 0.1)), tiny_digits),
    "dropout, schedule": (tiny_recipe(network=DROPOUT, schedule=ScheduleSpec((1, 2), 0.5)), tiny_digits),
    "adam, label noise": (tiny_recipe(optimizer=ADAM, labels=LabelSpec(0.5)), tiny_digits),
    "grey convolutions": (tiny_recipe(network=RESNET, data=CROPPED), tiny_digits),
    "coloured convolutions": (tiny_recipe(network=RESNET, data=CROPPED), coloured_digits),
    "coloured, adam": (tiny_recipe(network=RESNET, data=CROPPED, optimizer=ADAM), coloured_digits),
    "coloured, bf16": (
        tiny_recipe(network=RESNET, data=CROPPED, training=TrainingSpec(3, 50, (0, 1, 2, 3), "bf16")),
        coloured_digits,
    ),
}


def run(recipe: Recipe, seed: int = 0, dataset: Dataset | None = None, **sink) -> MemorySink:
    """Train into memory; without ``stop_after`` the sink's records are the whole log."""
    into = MemorySink(**sink)
    with contextlib.suppress(StoppedError):
        into.records = list(train(recipe, seed, dataset or tiny_digits(), into))
    return into


@functools.cache
def uninterrupted(name: str) -> MemorySink:
    recipe, dataset = RESUMABLE[name]
    return run(recipe, 0, dataset())


def plain_training(recipe: Recipe, dataset: Dataset):
    """Train as a textbook does, by torch's plain SGD or Adam; yields epoch, loss, accuracy and network."""
    spec = recipe.optimizer
    network = new_network(recipe, dataset, torch_generator(0, "init"))
    images, labels = training_set(recipe, 0, dataset)
    if spec.name == "sgd":
        optimizer = torch.optim.SGD(network.parameters(), spec.learning_rate, spec.momentum, 0, spec.weight_decay)
    else:
        optimizer = torch.optim.Adam(network.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
    for epoch in range(recipe.training.epochs):
        order = torch.randperm(len(labels), generator=torch_generator(0, "order", epoch)).tolist()
        losses, hits = [], 0
        network.train()
        for start in range(0, len(order), recipe.training.batch_size):
            batch = order[start : start + recipe.training.batch_size]
            optimizer.zero_grad()
            logits = network(images[batch])
            loss = F.cross_entropy(logits, labels[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            hits += int((logits.argmax(1) == labels[batch]).sum())
        yield epoch + 1, sum(losses) / len(losses), hits / len(order), network


@pytest.mark.parametrize(
    "tables",
    [
        {"optimizer": OptimizerSpec("sgd", 0.05, momentum=0.9, weight_decay=1e-2)},
        {"optimizer": ADAM},
        {"network": RESNET},
        {"labels": LabelSpec(randomized=0.5)},
        {"labels": LabelSpec(permuted=True)},
        {"training": TrainingSpec(epochs=2, batch_size=64, checkpoints=(0, 1, 2))},  # 200 = 3 · 64 + 8
    ],
    ids=lambda tables: str(*tables),
)
def test_training_is_that_of_a_plain_loop(tables):
    recipe = tiny_recipe(**tables)
    found = run(recipe)
    for epoch, loss, accuracy, network in plain_training(recipe, tiny_digits()):
        record = found.records[epoch]
        assert record.epoch == epoch
        assert record.train_loss == pytest.approx(loss, abs=WEIGHT_TOLERANCE), f"epoch {epoch}"
        assert record.train_accuracy == pytest.approx(accuracy, abs=1e-12), f"epoch {epoch}"
        for name, value in network.state_dict().items():
            torch.testing.assert_close(found.states[epoch][name], value, atol=WEIGHT_TOLERANCE, rtol=WEIGHT_TOLERANCE)


def test_learning_rate_follows_the_schedule_in_log_and_weights():
    recipe = tiny_recipe(schedule=ScheduleSpec(milestones=(1, 2), factor=1e-12), optimizer=OptimizerSpec("sgd", 0.1))
    found = run(recipe)
    assert [record.learning_rate for record in found.records] == pytest.approx([0.1, 0.1, 1e-13, 1e-25])
    moved = [
        max((after[name] - before[name]).abs().max().item() for name in before)
        for before, after in itertools.pairwise(found.states.values())
    ]
    assert moved[0] > 1e-3
    assert max(moved[1:]) < 1e-9


def test_trainings_with_dropout_in_two_threads_equal_one_alone():
    # so many epochs that one thread almost certainly runs during the other's
    recipe = tiny_recipe(network=DROPOUT, training=TrainingSpec(epochs=40, batch_size=10, checkpoints=(0, 40)))
    alone = [run(recipe, seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(functools.partial(run, recipe), (0, 1)))
    for seed, (one, other) in enumerate(zip(alone, together, strict=True)):
        assert without_seconds(tuple(one.records)) == without_seconds(tuple(other.records)), f"seed {seed}"
        assert same_state(one.states[40], other.states[40]), f"seed {seed}"


def test_log_begins_with_the_initial_network_and_has_every_epoch():
    found = run(tiny_recipe())
    assert [record.epoch for record in found.records] == [0, 1, 2, 3]
    assert math.isnan(found.records[0].train_loss)
    assert all(math.isfinite(record.train_loss) for record in found.records[1:])
    assert found.records[-1].train_loss < found.records[1].train_loss


def test_checkpoints_and_probe_losses_are_at_the_given_epochs():
    recipe = tiny_recipe(training=TrainingSpec(epochs=3, batch_size=50, checkpoints=(1, 3)))
    found = run(recipe)
    assert list(found.states) == [1, 3]
    assert [record.probe_loss is not None for record in found.records] == [False, True, False, True]
    every = run(tiny_recipe())
    assert same_state(found.states[3], every.states[3])


def test_a_probe_loss_is_of_the_checkpoint_on_noisy_train_labels():
    recipe = tiny_recipe(labels=LabelSpec(randomized=1.0), network=DROPOUT)
    found = run(recipe)
    images, labels = training_set(recipe, 0, tiny_digits())
    for epoch, state in found.states.items():
        network = new_network(recipe, tiny_digits())
        load_state(network, state)
        again = evaluate_loss(network, images[:256], labels[:256])
        assert found.records[epoch].probe_loss == pytest.approx(again, abs=1e-6), f"epoch {epoch}"


def test_same_seed_same_bits_whatever_the_global_state():
    recipe = tiny_recipe(network=DROPOUT, data=CROPPED)
    torch.manual_seed(1)
    first = run(recipe)
    torch.manual_seed(2)
    again = run(recipe)
    assert all(same_state(first.states[epoch], again.states[epoch]) for epoch in first.states)
    assert without_seconds(first.records) == without_seconds(again.records)


def test_other_seed_other_weights_from_the_start():
    first, other = run(tiny_recipe(), seed=0), run(tiny_recipe(), seed=1)
    assert not [epoch for epoch in first.states if same_state(first.states[epoch], other.states[epoch])]


def test_dropout_draws_other_masks_every_epoch():
    # On copies of one image nothing but the masks can make the loss of a network at rest change.
    data = tiny_digits()
    same = Dataset(
        **{name: getattr(data, name) for name in data.__dataclass_fields__}
        | {
            "train_images": data.train_images[:1].repeat(SUBSET, 1, 1, 1),
            "train_labels": data.train_labels[:1].repeat(SUBSET),
        }
    )
    recipe = tiny_recipe(network=DROPOUT, optimizer=OptimizerSpec("sgd", 0.0))
    losses = [record.train_loss for record in run(recipe, dataset=same).records[1:]]
    assert len(set(losses)) == len(losses)
    still = tiny_recipe(optimizer=OptimizerSpec("sgd", 0.0))
    assert len({record.train_loss for record in run(still, dataset=same).records[1:]}) == 1


def test_bf16_keeps_weights_in_fp32():
    full, half = (uninterrupted(name) for name in ("coloured convolutions", "coloured, bf16"))
    assert not same_state(full.states[3], half.states[3])
    for name, value in half.states[3].items():
        assert value.dtype == full.states[3][name].dtype, name
        torch.testing.assert_close(value.double(), full.states[3][name].double(), rtol=0.3, atol=0.3)


@pytest.mark.parametrize("name", RESUMABLE)
@given(stop_after=st.integers(1, 3))
@settings(max_examples=3, deadline=None)
def test_resumed_training_is_bit_for_bit_the_uninterrupted_one(name, stop_after):
    recipe, dataset = RESUMABLE[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "RESUME_SECONDS", 0.0)
        first = run(recipe, 0, dataset(), stop_after=stop_after)
        assert first.point.epoch == stop_after
        second = run(recipe, 0, dataset(), start=first.point)
    expected = uninterrupted(name)
    assert not second.states.keys() & first.states.keys()
    states = first.states | second.states
    assert states.keys() == expected.states.keys()
    assert all(same_state(states[epoch], expected.states[epoch]) for epoch in states)
    assert without_seconds(second.records) == without_seconds(expected.records)


def test_a_resume_point_is_a_copy_that_training_leaves_alone(monkeypatch):
    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    points = []
    sink = MemorySink()
    sink.save_resume_point = points.append
    train(tiny_recipe(), 0, tiny_digits(), sink)
    second = run(tiny_recipe(), start=points[0])
    assert list(second.states) == [2, 3]
    assert all(same_state(second.states[epoch], sink.states[epoch]) for epoch in second.states)


def test_resume_points_are_saved_no_oftener_than_the_interval(monkeypatch):
    monkeypatch.setattr(training, "RESUME_SECONDS", 1e6)
    assert run(tiny_recipe()).point is None


def test_loss_that_is_not_finite_is_named_by_epoch_and_step():
    recipe = tiny_recipe(optimizer=OptimizerSpec("sgd", 1e-30), schedule=ScheduleSpec(milestones=(1,), factor=1e60))
    sink = MemorySink()
    message = r"tiny seed 0: loss is (nan|inf) at epoch 2, step [23] of 4; lower the learning rate \(now 1e\+30\)"
    with pytest.raises(TrainingError, match=message):
        train(recipe, 0, tiny_digits(), sink)
    assert list(sink.states) == [0, 1]


@pytest.mark.parametrize("name", ["cuBLAS", "CUDA"])
def test_device_out_of_memory_ends_its_training_alone(name):
    error = OUT_OF_MEMORY[name]
    sinks = [MemorySink(), MemorySink()]
    sinks[0].progress = Mock(side_effect=error)
    jobs = [Job(tiny_recipe(), seed, tiny_digits(), sink) for seed, sink in enumerate(sinks)]
    (failed, outcome), (other, log) = train_many(jobs)
    assert (failed.seed, other.seed, len(log)) == (0, 1, 4)
    assert isinstance(outcome, TrainingError)
    assert f"tiny seed 0: cpu is out of memory ({error}); free it or train fewer" in str(outcome)


def test_another_fault_of_a_device_is_raised_as_it_is():
    sink = MemorySink()
    sink.progress = Mock(side_effect=RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        train(tiny_recipe(), 0, tiny_digits(), sink)


def test_trainings_at_once_come_out_as_if_each_were_alone():
    """Epochs alternate, also where one training ends before another and one draws dropout masks."""
    short = tiny_recipe(name="short", training=TrainingSpec(epochs=1, batch_size=50, checkpoints=(0, 1)))
    recipes = [tiny_recipe(), short, tiny_recipe(network=DROPOUT, data=CROPPED), tiny_recipe(network=RESNET)]
    alone = [run(recipe) for recipe in recipes]
    order: list[tuple[int, int]] = []
    sinks = [MemorySink() for _ in recipes]
    for number, sink in enumerate(sinks):
        sink.progress = lambda record, number=number: order.append((record.epoch, number))
    jobs = [Job(recipe, 0, tiny_digits(), sink) for recipe, sink in zip(recipes, sinks, strict=True)]
    logs = {job.recipe.digest: log for job, log in train_many(jobs)}
    assert next(iter(logs)) == short.digest  # handed over as soon as it ends
    for found, recipe, expected in zip(sinks, recipes, alone, strict=True):
        assert all(same_state(found.states[epoch], expected.states[epoch]) for epoch in expected.states), recipe.name
        assert without_seconds(logs[recipe.digest]) == without_seconds(expected.records), recipe.name
    assert order == sorted(order)


def test_a_training_that_ends_makes_room_for_the_next():
    """Its outcome is yielded before the next one is requested."""
    lengths, told = (1, 3, 2, 1), []

    def jobs():
        for seed, epochs in enumerate(lengths):
            told.append(f"{seed} begins")
            recipe = tiny_recipe(training=TrainingSpec(epochs, 50, (0, epochs)))
            yield Job(recipe, seed, tiny_digits(), MemorySink())

    for job, _ in train_many(jobs(), at_once=2):
        told.append(f"{job.seed} ended")
    assert told[:4] == ["0 begins", "1 begins", "0 ended", "2 begins"]
    assert told.index("3 begins") == min(told.index("1 ended"), told.index("2 ended")) + 1
    assert sorted(told[-2:])[0].endswith("ended")
    assert len(told) == 8


def test_training_that_fails_leaves_the_others_to_go_on():
    """Also if its recipe does not fit its network."""
    diverging = tiny_recipe(name="diverging", optimizer=OptimizerSpec("sgd", 1e30))
    recipes = [diverging, tiny_recipe(network=NetworkSpec("mlp", {"hidden": []})), tiny_recipe()]
    sinks = [MemorySink() for _ in recipes]
    jobs = [Job(recipe, 0, tiny_digits(), sink) for recipe, sink in zip(recipes, sinks, strict=True)]
    (_, unfit), (_, failed), (_, log) = train_many(jobs)
    assert isinstance(unfit, ModelError)
    assert isinstance(failed, TrainingError)
    assert "diverging seed 0" in str(failed)
    assert [record.epoch for record in log] == [0, 1, 2, 3]
    assert all(same_state(state, run(tiny_recipe()).states[epoch]) for epoch, state in sinks[2].states.items())


@pytest.mark.parametrize("name", RESUMABLE)
def test_graphs_on_a_gpu_train_as_the_eager_engine_does(gpu, name):
    """On the same device: captured and replayed steps run the same kernels on the same numbers."""
    recipe, dataset = RESUMABLE[name]
    sinks = [MemorySink() for _ in range(3)]
    train(recipe, 0, dataset(), sinks[0], device=gpu, engine="eager")
    jobs = [Job(recipe, 0, dataset(), sink) for sink in sinks[1:]]
    assert [len(log) for _, log in train_many(jobs, device=gpu, engine="graphs")] == [4, 4]
    for epoch, state in sinks[0].states.items():
        assert same_state(state, sinks[1].states[epoch]), f"epoch {epoch}"
        assert same_state(state, sinks[2].states[epoch]), f"epoch {epoch}"
