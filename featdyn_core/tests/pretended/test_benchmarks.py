"""Rows of the benchmarks that are timed on a GPU: their gates hold on the pretended device, at a tiny size."""

import dataclasses

import pytest
import torch

from benchmarks import bench_grid, bench_one_step, bench_training
from featdyn_core.data.sources import load_dataset
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec

GPU = torch.device("cuda")

pytestmark = [pytest.mark.pretended, pytest.mark.usefixtures("pretended_gpu")]


@pytest.fixture(autouse=True)
def _new_streams():
    """Make new streams, because cached ones belong to an earlier device."""
    bench_training.streams.cache_clear()


def test_the_grid_in_half_precision_passes_its_gate():
    epochs, images = 2, 16
    trajectory = dataclasses.replace(bench_grid.planted(epochs, images), device="cuda")
    sample = bench_grid.every(3, tuple(trajectory.network(0).depths)[:1], epochs)
    exact = sample.of(bench_grid.engine(trajectory, sample.cuts, epochs, images))
    loop = bench_grid.Loop(trajectory, sample, images, torch.contiguous_format)
    assert bench_grid.gate("grid", loop(), exact).startswith("gate: 0 of")
    assert bench_grid.engine(trajectory, sample.cuts, epochs, images, "fp16").flip_rate <= 0.1


def test_one_step_changes_are_timed():
    recipe = tiny_recipe(data=DataSpec("digits"))
    trajectory = bench_one_step.untrained(recipe, load_dataset("digits"), "cuda")
    row = bench_one_step.compare(trajectory, "tiny", updates=6, pairs=1, to_reach=1.0)
    assert len(row.ratios) == 1


@pytest.mark.parametrize("engine", ["eager", "graphs"])
def test_training_passes_its_gate(engine):
    bench_training.gate(GPU, engine, bench_training.small)


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
