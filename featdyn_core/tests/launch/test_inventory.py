"""Seeds written as they are read; what trainings cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featdyn_core.launch.inventory import Holding, Queue, estimate, grouped, seed_ranges
from featdyn_core.register.reading import parse_seeds
from featdyn_core.store.heartbeats import Beat, write_beat
from featdyn_core.store.locks import hold
from featdyn_core.store.supply import Store
from featdyn_core.tests.tiny import tiny_branch, tiny_recipe


def test_seeds_are_written_as_ranges():
    assert seed_ranges([9, 5, 6, 7]) == "5-7,9"
    assert seed_ranges([3]) == "3"
    assert seed_ranges([]) == ""


@given(st.sets(st.integers(0, 300)))
def test_what_is_written_is_read(seeds):
    assert set(parse_seeds(seed_ranges(seeds))) == seeds


def test_groups_keep_the_order_of_recipes_and_tell_states_and_reasons_apart():
    found = [Holding("b", 1, "complete"), Holding("a", 1, "missing"), Holding("b", 2, "complete"), Holding("b", 3, "x")]
    assert grouped(found) == {("b", "complete", ""): [1, 2], ("b", "x", ""): [3], ("a", "missing", ""): [1]}


def test_a_branch_costs_what_its_own_epochs_do_and_tells_nothing_of_others(tmp_path):
    store, branch = Store(tmp_path, device="cpu"), tiny_branch(freeze="hidden1")
    assert estimate(store, branch) is None
    store.get(branch, 0)  # and with it its parent
    assert estimate(store, branch).seconds == pytest.approx(estimate(store, tiny_recipe()).seconds * 2 / 3)
    assert estimate(store, branch).size == pytest.approx(estimate(store, tiny_recipe()).size * 3 / 4)
    parent = store.folder(tiny_recipe(), 0)
    for path in parent.iterdir():
        path.unlink()
    parent.rmdir()
    assert estimate(store, tiny_recipe()) is None


def test_a_queue_knows_what_is_done_running_and_left(tmp_path):
    store = Store(tmp_path, device="cpu")
    queue = Queue(store, [(tiny_recipe(), seed) for seed in range(4)])
    assert str(queue) == "0 done, 0 running, 4 left"
    keys = [store.key(tiny_recipe(), seed) for seed in range(4)]
    for key in [*keys[:3], "of another queue"]:
        write_beat(tmp_path, Beat(key, "tiny", 0, 1, 3, 0.5, 1.0))
    with hold(store.layout.lock(keys[0])), hold(store.layout.lock(keys[1])):  # and the trainer of the third was killed
        assert str(queue) == "0 done, 2 running, 2 left"
        store.folder(tiny_recipe(), 0).mkdir()
        assert str(queue) == "1 done, 1 running, 2 left"
    assert str(queue) == "1 done, 0 running, 3 left"
