"""Seeds in the form of ``--seeds``, and the cost of trainings."""

import dataclasses
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featdyn_core.launch import inventory
from featdyn_core.launch.inventory import Holding, Queue, dry_run, epochs_here, estimate, grouped, seed_ranges
from featdyn_core.register.reading import parse_seeds
from featdyn_core.store.heartbeats import Beat, write_beat
from featdyn_core.store.locks import hold
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.edits import edit_manifest
from featdyn_core.tests.tiny import SUBSET, tiny_branch, tiny_digits, tiny_recipe
from featdyn_core.training import loop
from featdyn_core.training.steps import Stepper
from featdyn_core.trajectories.recipe import NetworkSpec
from featdyn_core.trajectories.trajectory import new_network


def test_seeds_are_written_as_ranges():
    assert seed_ranges([9, 5, 6, 7]) == "5-7,9"
    assert seed_ranges([3]) == "3"
    assert seed_ranges([]) == ""


@given(st.sets(st.integers(0, 300)))
def test_what_is_written_is_read(seeds):
    assert set(parse_seeds(seed_ranges(seeds))) == seeds


def test_groups_keep_recipe_order_and_separate_state_and_reason():
    found = [Holding("b", 1, "complete"), Holding("a", 1, "missing"), Holding("b", 2, "complete"), Holding("b", 3, "x")]
    assert grouped(found) == {("b", "complete", ""): [1, 2], ("b", "x", ""): [3], ("a", "missing", ""): [1]}


# Costs


@pytest.fixture
def timed(monkeypatch):
    """Let every timed epoch take 7 seconds; return the names of timed recipes."""
    names = []

    def epoch_seconds(recipe, dataset, *, device, engine, at_once):
        assert (len(dataset.train_labels), str(device), engine, at_once) == (SUBSET, "cpu", "eager", 1)
        names.append(recipe.name)
        return 7.0

    monkeypatch.setattr(inventory, "epoch_seconds", epoch_seconds)
    return names


@pytest.fixture
def store(tmp_path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store", device="cpu")


PARAMETERS = 4 * (64 * 12 + 12 + 12 * 10 + 10)
"""Bytes of the tiny network's parameters."""


def test_bytes_are_those_of_the_network_whatever_is_in_the_store(store, timed):
    buffers = new_network(tiny_recipe(), tiny_digits()).state_dict().values()
    checkpoint = sum(tensor.nbytes for tensor in buffers)
    assert checkpoint >= PARAMETERS
    size = estimate(store, tiny_recipe(), {}).size
    assert size == 4 * checkpoint + PARAMETERS  # the momentum
    store.get(tiny_recipe(), 0)
    folder = store.folder(tiny_recipe(), 0)
    assert size < sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 1.3 * size
    (folder / "of somebody else").write_bytes(bytes(10**6))
    assert estimate(store, tiny_recipe(), {}).size == size
    assert timed


def test_only_trainings_of_this_machine_tell_the_seconds(store, timed):
    store.get(tiny_recipe(), 0)
    (seconds,) = epochs_here(store).values()
    log = store.open(tiny_recipe(), 0).log
    assert seconds == sorted(record.seconds for record in log[1:])[1]
    assert estimate(store, tiny_recipe(name="like-it"), epochs_here(store)).epoch == seconds
    assert not timed
    edit_manifest(store.folder(tiny_recipe(), 0), lambda facts: facts["environments"][0].update(host="elsewhere"))
    assert epochs_here(store) == {}
    assert estimate(store, tiny_recipe(), epochs_here(store)).epoch == 7.0
    assert timed == ["tiny"]


def test_another_engine_or_size_of_batch_tells_nothing(store, timed):
    store.get(tiny_recipe(), 0)
    assert epochs_here(Store(store.root, device="cpu", engine="compiled")) == {}
    training = dataclasses.replace(tiny_recipe().training, batch_size=20)
    assert estimate(store, tiny_recipe(training=training), epochs_here(store)).epoch == 7.0
    assert timed == ["tiny"]


def test_epochs_that_overlap_count_with_their_share(store, timed, monkeypatch):
    """Each epoch takes a second, in which the two others wait."""
    run, epochs = Stepper.run_epoch, []
    monkeypatch.setattr(Stepper, "run_epoch", lambda *given: epochs.append(given) or run(*given))
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(len(epochs))))
    store.at_once = 3
    store.get_many([(tiny_recipe(), seed) for seed in range(3)])
    assert {record.seconds for record in store.open(tiny_recipe(), 0).log[1:]} == {3.0}
    wanted = [(tiny_recipe(), seed) for seed in range(3, 6)]
    assert dry_run(store, wanted, 1)[1].startswith("together: about 9 seconds in 1 process, ")
    assert not timed
    store.at_once = 1
    assert dry_run(store, wanted, 1)[1].startswith("together: about 1.1 minutes in 1 process, ")
    assert timed == ["tiny"]


def test_a_store_of_an_earlier_version_tells_the_seconds(store):
    store.get(tiny_recipe(), 0)
    (seconds,) = epochs_here(store).values()
    edit_manifest(store.folder(tiny_recipe(), 0), lambda facts: facts.pop("at_once"))
    assert list(epochs_here(store).values()) == [seconds]


@pytest.mark.parametrize(("count", "jobs", "shared"), [(5, 1, 4), (5, 2, 3), (2, 1, 2), (1, 4, 1)])
def test_as_many_are_timed_as_will_train_at_once(store, monkeypatch, count, jobs, shared):
    timed = []
    monkeypatch.setattr(inventory, "epoch_seconds", lambda *_, at_once, **__: timed.append(at_once) or 1.0)
    store.at_once = 4
    dry_run(store, [(tiny_recipe(), seed) for seed in range(count)], jobs)
    assert timed == [shared]


def test_a_frozen_branch_is_timed_as_one(store, timed):
    store.get(tiny_branch(freeze="hidden1"), 0)  # and with it its parent
    known = epochs_here(store)
    assert len(known) == 2
    estimate(store, tiny_branch(), known)
    assert not timed


def test_epochs_of_a_parent_are_counted_once(store, timed):
    """Three of the parent, and two of the branch after its first; both are alike, so they are timed once."""
    lines = dry_run(store, [(tiny_recipe(), 0), (tiny_branch(), 0), (tiny_recipe(), 1)], 2)
    assert [line.partition(" and ")[0] for line in lines[:2]] == [
        "tiny, seeds 0-1: 2 to train, about 21 seconds of a process",
        "branch, seeds 0: 1 to train, about 14 seconds of a process",
    ]
    assert lines[2].startswith("together: about 28 seconds in 2 processes, ")
    assert timed == ["tiny"]


def test_what_was_interrupted_costs_what_is_left(store, timed, monkeypatch):
    monkeypatch.setattr(store, "status", lambda *_: "partial (2/3)")
    monkeypatch.setattr(store, "resume_epoch", lambda *_: 2)
    assert "about 7 seconds of a process" in dry_run(store, [(tiny_recipe(), 0)], 1)[0]
    assert timed


@pytest.mark.parametrize(
    ("seconds", "told"), [(1e-4, "1 second"), (1.6, "2 seconds"), (59.0, "59 seconds"), (90.0, "1.5 minutes")]
)
def test_no_training_takes_no_time(store, monkeypatch, seconds, told):
    monkeypatch.setattr(inventory, "epoch_seconds", lambda *_, **__: seconds / 3)
    (_, together) = dry_run(store, [(tiny_recipe(), 0)], 1)
    assert together.startswith(f"together: about {told} in 1 process, ")


def test_what_is_complete_or_does_not_fit_costs_nothing(store):
    store.get(tiny_recipe(), 0)
    unfit = tiny_recipe(name="unfit", network=NetworkSpec("mlp", {"hidden": []}))
    lines = dry_run(store, [(tiny_recipe(), 0), (unfit, 0)], 1)
    assert lines[:2] == ["tiny, seeds 0: already complete", "unfit, seeds 0: cannot be trained now (1)"]
    assert lines[2].startswith("(1) ")
    assert lines[3:] == ["together: nothing that can be trained now"]


# Queues


def test_a_queue_knows_what_is_done_running_and_left(tmp_path):
    store = Store(tmp_path, device="cpu")
    queue = Queue(store, [(tiny_recipe(), seed) for seed in range(4)])
    assert queue.line() == "0 done, 0 running, 4 left"
    keys = [store.key(tiny_recipe(), seed) for seed in range(4)]
    for key in [*keys[:3], "of another queue"]:
        write_beat(tmp_path, Beat(key, "tiny", 0, 1, 3, 0.5, 1.0))
    with hold(store.layout.lock(keys[0])), hold(store.layout.lock(keys[1])):  # and the trainer of the third was killed
        assert queue.line() == "0 done, 2 running, 2 left"
        store.folder(tiny_recipe(), 0).mkdir()
        assert queue.line() == "1 done, 1 running, 2 left"
    assert queue.line() == "1 done, 0 running, 3 left"
