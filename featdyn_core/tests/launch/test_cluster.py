"""Jobs: the same outcomes as processes, failures with their trace, and a real Slurm cluster if there is one."""

import functools
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from featdyn_core.errors import RecipeError, TrainingError
from featdyn_core.launch import cluster as module
from featdyn_core.launch.cluster import Cluster, read_settings
from featdyn_core.launch.measuring import Place, measure_missing, say_all
from featdyn_core.launch.training import Trainer, train_missing
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.made import column
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import TrainingSpec

KINDS = ["local", pytest.param("slurm", marks=pytest.mark.cluster)]


@pytest.fixture(params=KINDS)
def cluster(request, tmp_path, monkeypatch) -> Cluster:
    """Return a cluster of processes, or the one that SLURM_CONF names."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)
    return Cluster(tmp_path / "jobs", {"time": "5"}, kind=request.param)


def root(number: int) -> float:
    """Return a square root; refuse a negative number."""
    if number == 7:
        raise ValueError("seven is not wanted")
    if number < 0:
        raise TrainingError(f"{number} is negative")
    return number**0.5


def vanish(_: object) -> None:
    """End like a job that the system kills."""
    os._exit(9)


def test_each_piece_has_its_outcome(cluster):
    found = dict(cluster.spread(root, [4, -1, 9]))
    assert (found[4], found[9]) == (2.0, 3.0)
    assert str(found[-1]) == "-1 is negative"
    assert not list(cluster.spread(root, []))


def test_a_fault_is_reported_with_its_trace_and_the_others_go_on(cluster):
    found = dict(cluster.spread(root, [7, 4]))
    assert found[4] == 2.0
    assert isinstance(found[7], TrainingError)
    assert all(words in str(found[7]) for words in ("Traceback", "in root", "seven is not wanted"))


def test_a_job_that_died_is_reported_with_its_logs(cluster):
    ((_, found),) = cluster.spread(vanish, ["x"])
    assert isinstance(found, TrainingError)
    assert "ended without a result" in str(found)
    assert str(cluster.folder) in str(found)


def test_training_and_measuring_in_jobs(cluster, tmp_path, capsys):
    trainer, requests = Trainer(tmp_path / "store", "cpu", "eager", None), [(tiny_recipe(), 0), (tiny_recipe(), 1)]
    assert train_missing(trainer, requests, 1, cluster.spread) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 trained, 0 already complete, 0 not; ")
    said: list[str] = []
    place = Place(tmp_path / "store", "cpu")
    assert (
        say_all(measure_missing(place, [column(1), column(1, seed=1)], cluster.spread, said.append), said.append) == 0
    )
    assert said[0] == "2 records: 0 here, 2 to be measured"
    assert not place.measurements(measure=False).missing([column(1), column(1, seed=1)])


def test_a_failed_training_is_reported_and_sets_the_status(tmp_path, capsys):
    def spread(work, pieces):
        yield from ((piece, TrainingError("the loss is nan")) for piece in pieces)
        assert isinstance(work, functools.partial)

    trainer = Trainer(tmp_path / "store", "cpu", "eager", None)
    assert train_missing(trainer, [(tiny_recipe(), 0)], 1, spread) == 2
    captured = capsys.readouterr()
    assert captured.err == "featdyn: tiny seed 0: the loss is nan\n"
    assert captured.out.startswith("0 trained, 0 already complete, 1 not; ")


def test_options_of_sbatch():
    assert read_settings("") == {}
    assert read_settings("partition=gpu,gres=gpu:1,time=240") == {"partition": "gpu", "gres": "gpu:1", "time": "240"}
    for text in ("gpu", "--partition=gpu", "time=4:00:00", "=x"):
        with pytest.raises(RecipeError, match="expected options such as"):
            read_settings(text)


def test_a_missing_cluster_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match="there is no cluster here"):
        list(Cluster(tmp_path / "jobs").spread(root, [4]))


@pytest.mark.cluster
def test_a_job_that_is_preempted_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """An urgent job takes both nodes; the training is queued again, and gives the bits of one alone."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)
    recipe = tiny_recipe(training=TrainingSpec(epochs=3000, batch_size=20, checkpoints=(0, 3000)))
    store, trainer = Store(tmp_path / "store", device="cpu"), Trainer(tmp_path / "store", "cpu", "eager", None)
    cluster = Cluster(tmp_path / "jobs", {"time": "10", "partition": "usual"})
    with ThreadPoolExecutor() as pool:
        status = pool.submit(train_missing, trainer, [(recipe, 0)], 1, cluster.spread)
        while not store.status(recipe, 0).startswith("training ("):
            assert not status.done()
            time.sleep(0.2)
        urgent = ["srun", "--partition=urgent", "--nodes=2", "squeue", "-h", "-p", "usual", "-o", "%T"]
        states = subprocess.run(urgent, capture_output=True, text=True, check=True).stdout.split()
        assert set(states) == {"PENDING"}
        assert status.result() == 0
    alone = Store(tmp_path / "alone", device="cpu").get(recipe, 0)
    assert store.get(recipe, 0).digests == alone.digests
