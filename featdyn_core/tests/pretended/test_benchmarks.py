"""Rows of the benchmarks that are timed on a GPU: their gates hold on the pretended device, at a tiny size."""

import pytest
import torch

from benchmarks import bench_grid, bench_one_step, bench_training
from featdyn_core.data.sources import load_dataset
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec

GPU = torch.device("cuda")

pytestmark = [pytest.mark.pretended, pytest.mark.usefixtures("pretended_gpu")]


@pytest.fixture(autouse=True)
def _new_streams():
    """Make new streams, because cached ones belong to an earlier device."""
    bench_training.streams.cache_clear()


def test_rows_of_the_grid_are_timed_behind_their_gate():
    rows = bench_grid.on_gpu((2, 24, 3), NetworkSpec("resnet8", {"width": 4}))
    assert [len(row.ratios) for row in rows] == [3, 3]
    for row in rows:
        told, flips = row.note.split("; ")
        assert told.startswith("gate: 0 of")
        assert float(flips.removeprefix("flip rate in fp16 ").rstrip("%")) <= 10


def test_the_row_of_one_step_changes_is_timed():
    row = bench_one_step.on_gpu(tiny_recipe(data=DataSpec("digits")), load_dataset("digits"), updates=6, pairs=1)
    assert len(row.ratios) == 1
    assert not row.skipped


def test_rows_of_training_are_timed_behind_their_gate():
    cases = (("eager", 1, None), ("graphs", 1, 8.0), ("graphs", 2, 20.0))
    rows = bench_training.on_gpu(256, (0,), pairs=1, cases=cases, build=bench_training.small)
    assert [(row.share, row.to_reach, len(row.ratios)) for row in rows] == [(1, None, 1), (1, 8.0, 1), (0.5, 20.0, 1)]
    assert all("first epoch" in row.note for row in rows)


def test_two_trainings_at_once_are_timed_together():
    options = {"augment": True, "device": GPU, "engine": "graphs"}
    dataset = bench_training.random_images(256)
    steppers = [bench_training.library(bench_training.small(), dataset, "bf16", **options) for _ in range(2)]
    one, other = bench_training.epoch_of(steppers)
    assert one == other


def test_a_training_on_a_kept_stream_waits_for_what_was_made():
    options = {"augment": True, "device": GPU, "engine": "eager"}
    dataset = bench_training.random_images(256)
    first, second = (
        bench_training.epoch_of([bench_training.library(bench_training.small(), dataset, "fp32", **options)])
        for _ in range(2)
    )
    assert first == second
