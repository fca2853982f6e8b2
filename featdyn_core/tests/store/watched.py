"""A store that records what it trains, with assertions for several test modules."""

import os
import time
from pathlib import Path

from featdyn_core.store.supply import Store
from featdyn_core.tests.tiny import same_state, tiny_recipe, without_seconds
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import TrainingSpec
from featdyn_core.trajectories.trajectory import EpochRecord, Trajectory

LONGER = tiny_recipe(name="longer", training=TrainingSpec(epochs=30, batch_size=25, checkpoints=(0, 10, 20, 30)))
FILES = [*(f"epoch-{epoch:04d}.safetensors" for epoch in range(4)), "manifest.json", "optimizer.safetensors"]

PATIENCE = 300.0
"""Seconds that a busy machine may take to start two processes."""


class StoppedError(Exception):
    """A training was stopped on purpose."""


class Watched(Store):
    """A store that notes which epochs were trained."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, device="cpu", watch=self.note)
        self.trained: list[tuple[str, int, int]] = []

    def note(self, _key: str, recipe: Recipe, seed: int, record: EpochRecord) -> None:
        """Note an epoch."""
        self.trained.append((recipe.name, seed, record.epoch))


def assert_same(found: Trajectory, expected: Trajectory) -> None:
    """Compare checkpoints byte for byte, and logs record by record."""
    assert (found.key, found.epochs, found.digests) == (expected.key, expected.epochs, expected.digests), (
        expected.recipe.name
    )
    others = [epoch for epoch in expected.epochs if not same_state(found.state(epoch), expected.state(epoch))]
    assert not others, expected.recipe.name
    assert without_seconds(found.log) == without_seconds(expected.log), expected.recipe.name


def folder_of(store: Store) -> Path:
    """Return the present or future folder of the tiny trajectory of seed 0."""
    return store.folder(tiny_recipe(), 0)


def wait_until(condition) -> None:
    """Wait for other processes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def fail_with(code: int):
    """Return a function that fails like the operating system."""

    def fail(*_args, **_named):
        raise OSError(code, os.strerror(code))

    return fail
