"""Trainings on the pretended device are those on the CPU, and their faults are found.

They are equal to the bit. Only Adam's are not: on a GPU its rate is a tensor of single precision, which torch's
bias correction rounds otherwise.
"""

import pytest
import torch

from featdyn_core.errors import TrainingError
from featdyn_core.tests.pretended.streams import RaceError, Stream
from featdyn_core.tests.test_devices import OUT_OF_MEMORY
from featdyn_core.tests.tiny import MemorySink, StoppedError, same_state, tiny_branch, tiny_digits, tiny_recipe
from featdyn_core.tests.training.test_branching import CONTINUED
from featdyn_core.tests.training.test_loop import RESUMABLE
from featdyn_core.training import loop
from featdyn_core.training.loop import Job, train, train_many
from featdyn_core.training.steps import ResidentSet, Stepper
from featdyn_core.training.timing import epoch_seconds
from featdyn_core.trajectories.specs import NetworkSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import Trajectory

ADAM_RATE = 1e-5
"""Largest distance of a parameter by Adam's rounded rate."""

pytestmark = pytest.mark.usefixtures("pretended_gpu")

FAST = ("perceptron", "no momentum", "dropout, schedule", "adam, label noise")
"""Trainings of perceptrons; those of convolutions take seconds."""

ENGINES = ("eager", "graphs")


def trained(recipe, device, engine="auto", dataset=None, parent=None, **sink):
    into = MemorySink(**sink)
    train(recipe, 0, dataset or tiny_digits(), into, parent=parent, device=device, engine=engine)
    return into


def marked(names):
    return [name if name in FAST else pytest.param(name, marks=pytest.mark.pretended) for name in names]


def require_equal(found, expected, name=""):
    assert found.keys() == expected.keys()
    for epoch, state in expected.items():
        if "adam" in name:
            for tensor, value in state.items():
                torch.testing.assert_close(found[epoch][tensor], value, rtol=0, atol=ADAM_RATE)
        else:
            assert same_state(found[epoch], state), f"epoch {epoch}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", marked(RESUMABLE))
def test_a_training_is_that_of_the_cpu(name, engine):
    recipe, dataset = RESUMABLE[name]
    expected = trained(recipe, "cpu", dataset=dataset())
    found = trained(recipe, "cuda", engine, dataset())
    require_equal(found.states, expected.states, name)
    assert found.optimizer.keys() == expected.optimizer.keys()
    assert [record.train_loss for record in found.records[1:]] == pytest.approx(
        [record.train_loss for record in expected.records[1:]], rel=1e-6
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", marked(["perceptron", "adam, label noise", "coloured, bf16"]))
def test_a_training_resumes_bit_for_bit(monkeypatch, name, engine):
    monkeypatch.setattr(loop, "RESUME_SECONDS", 0.0)
    recipe, dataset = RESUMABLE[name]
    whole, stopped = trained(recipe, "cuda", engine, dataset()), MemorySink(stop_after=2)
    with pytest.raises(StoppedError):
        train(recipe, 0, dataset(), stopped, device="cuda", engine=engine)
    resumed = trained(recipe, "cuda", engine, dataset(), start=stopped.point)
    require_equal(resumed.states, {epoch: whole.states[epoch] for epoch in resumed.states})
    assert same_state(resumed.optimizer, whole.optimizer)
    assert max(resumed.states) == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", [{"keep": "hidden1"}, {"freeze": "hidden1"}], ids=["anew", "frozen"])
def test_a_branch_is_that_of_the_cpu(options, engine):
    parent, branch = tiny_recipe(), tiny_branch(**options)
    states = trained(parent, "cpu").states
    whole = Trajectory(parent, 0, "", tuple(states), tiny_digits(), load=states.__getitem__)
    expected, found = (trained(branch, device, parent=whole).states for device in ("cpu", "cuda"))
    require_equal(found, expected)
    again = trained(branch, "cuda", engine, parent=whole).states
    require_equal(again, expected)


@pytest.mark.pretended
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_continuation_is_that_of_the_cpu(name):
    more = CONTINUED[name].training
    recipe = CONTINUED[name].replace(training=TrainingSpec(4, more.batch_size, (0, 3, 4)))
    require_equal(trained(recipe, "cuda").states, trained(recipe, "cpu").states, name)


def four(recipe):
    sinks = [MemorySink() for _ in range(4)]
    return sinks, [Job(recipe, seed, tiny_digits(), sink) for seed, sink in enumerate(sinks)]


@pytest.mark.parametrize("engine", ENGINES)
def test_four_at_once_are_each_as_if_alone(engine):
    recipe = tiny_recipe()
    sinks, jobs = four(recipe)
    ended = list(train_many(jobs, device="cuda", engine=engine))
    assert [len(log) for _, log in ended] == [4] * 4
    for seed, sink in enumerate(sinks):
        alone = MemorySink()
        train(recipe, seed, tiny_digits(), alone)
        require_equal(sink.states, alone.states)


@pytest.mark.parametrize("engine", ENGINES)
def test_epochs_of_several_at_once_are_timed(engine):
    assert epoch_seconds(tiny_recipe(), tiny_digits(), device="cuda", engine=engine, at_once=3) > 0


def test_steps_do_not_make_the_host_wait(pretended_gpu):
    """An epoch of many steps waits as often as one of few."""
    waited = []
    for size in (50, 10):
        recipe = tiny_recipe(training=TrainingSpec(3, size, (0, 1, 2, 3)))
        pretended_gpu.waits.clear()
        trained(recipe, "cuda", "eager")
        waited.append(pretended_gpu.waits.total())
    assert waited[0] == waited[1] > 0


def test_a_wait_in_a_step_is_found(monkeypatch):
    plain = Stepper._step

    def waiting(self, size):
        plain(self, size)
        self.tally.correct.item()

    monkeypatch.setattr(Stepper, "_step", waiting)
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        trained(tiny_recipe(), "cuda", "graphs")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forgotten_wait_between_streams_is_found(monkeypatch, engine):
    monkeypatch.setattr(Stream, "wait_stream", lambda *_: None)
    with pytest.raises(RaceError):
        trained(tiny_recipe(), "cuda", engine)


def test_labels_left_on_the_host_are_found(monkeypatch):
    plain = ResidentSet.batch

    def batch(self, start, size):
        images, labels = plain(self, start, size)
        return images, labels.cpu()

    monkeypatch.setattr(ResidentSet, "batch", batch)
    with pytest.raises(RuntimeError, match="to be on the same device, but found cuda:0 and cpu"):
        trained(tiny_recipe(), "cuda", "eager")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_one_training_out_of_memory_leaves_three(pretended_gpu, engine, error):
    recipe = tiny_recipe()
    sinks, jobs = four(recipe)
    trained(recipe, "cuda", engine)
    each = pretended_gpu.operators
    pretended_gpu.faults[each + each // 2] = error
    ended = [outcome for _, outcome in train_many(jobs, device="cuda", engine=engine)]
    failed = [outcome for outcome in ended if isinstance(outcome, TrainingError)]
    assert len(failed) == 1
    assert "is out of memory" in str(failed[0])
    assert sum(max(sink.states, default=0) == 3 for sink in sinks) == 3
    assert len(ended) == 4


def test_dropout_trainings_do_not_overlap():
    """They draw from one generator."""
    recipe = tiny_recipe(network=NetworkSpec("mlp", {"hidden": [12], "dropout": 0.3}))
    sinks, jobs = four(recipe)
    assert len(list(train_many(jobs, device="cuda"))) == 4
    require_equal(sinks[2].states, _alone(recipe, 2).states)


def _alone(recipe, seed):
    into = MemorySink()
    train(recipe, seed, tiny_digits(), into)
    return into
