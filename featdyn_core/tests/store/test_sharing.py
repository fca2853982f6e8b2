"""Several processes share one store: each trajectory is trained once, and a waiting process says for whom it waits."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import filelock
import pytest
import torch

from featdyn_core.store import heartbeats, locks
from featdyn_core.store import supply as store_module
from featdyn_core.tests.store.watched import LONGER, PATIENCE, Watched, assert_same, wait_until
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.training import Training


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def get_together(root: Path, requests: list[Training], threads: int):
    """Start with the other process; return what was trained here, and the digests of all results."""
    torch.set_num_threads(threads)
    store = Watched(root / "store")
    (root / f"ready-{os.getpid()}").touch()
    wait_until(lambda: len(list(root.glob("ready-*"))) == 2)
    found = store.get_many(requests)
    here = sorted((name, seed) for name, seed, epoch in store.trained if epoch == 1)
    return here, [trajectory.digests for trajectory in found]


def test_two_processes_train_each_trajectory_once_and_share_work(tmp_path, workers):
    requests = [(LONGER, seed) for seed in range(6)]
    both = [workers.submit(get_together, tmp_path, requests, torch.get_num_threads()) for _ in range(2)]
    (first, first_digests), (second, second_digests) = (future.result(PATIENCE) for future in both)
    assert sorted(first + second) == [("longer", seed) for seed in range(6)]
    assert first
    assert second
    assert first_digests == second_digests


def test_two_processes_train_one_trajectory_once(tmp_path, workers):
    both = [workers.submit(get_together, tmp_path, [(LONGER, 0)], torch.get_num_threads()) for _ in range(2)]
    (first, first_digests), (second, second_digests) = (future.result(PATIENCE) for future in both)
    assert first + second == [("longer", 0)]
    assert first_digests == second_digests


def test_a_lock_held_elsewhere_is_shown_and_waited_for_last(store, monkeypatch, reference):
    path = store.root / "locks" / f"{store.key(tiny_recipe(), 0)}.lock"
    path.parent.mkdir(parents=True)
    lock = filelock.FileLock(path)
    lock.acquire()
    assert store.status(tiny_recipe(), 0) == "training (0/3)"
    naps = []

    def nap(seconds):
        naps.append(seconds)
        assert store.status(tiny_recipe(), 1) == "complete"
        if len(naps) == 2:
            lock.release()

    monkeypatch.setattr(store_module.time, "sleep", nap)
    found, _ = store.get_many([(tiny_recipe(), 0), (tiny_recipe(), 1)])
    assert_same(found, reference)
    assert len(naps) == 2


def test_trainer_that_was_stopped_is_reported(store):
    """It holds its trajectory and sends no heartbeat."""
    layout, key = store.layout, store.key(tiny_recipe(), 0)
    said = heartbeats.Beat(key, "tiny", 0, 2, 3, 1.0, 0.1, time.time() - heartbeats.STALE_SECONDS - 5, 77, "there")
    heartbeats.write_beat(store.root, said)
    with locks.hold(layout.lock(key)):
        assert re.fullmatch(r"training \(2/3; pid 77 on there, silent for 12\d s\)", store.status(tiny_recipe(), 0))
