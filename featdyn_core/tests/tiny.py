"""A training of milliseconds, and a sink that keeps it in memory; shared by the tests of several modules."""

import dataclasses
import functools
from typing import Any

import torch

from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.trajectories.recipe import BranchSpec, Recipe
from featdyn_core.trajectories.sink import ResumePoint
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import EpochRecord, State

SUBSET = 200


def tiny_recipe(**tables: Any) -> Recipe:
    """Return a perceptron on 200 digits: three epochs of four steps, every epoch kept."""
    base = {
        "name": "tiny",
        "data": DataSpec("digits", SUBSET),
        "network": NetworkSpec("mlp", {"hidden": [12]}),
        "optimizer": OptimizerSpec("sgd", 0.1, momentum=0.9),
        "training": TrainingSpec(epochs=3, batch_size=50, checkpoints=(0, 1, 2, 3)),
    }
    return Recipe(**(base | tables))


def tiny_branch(parent: Recipe | None = None, *, name: str = "branch", keep: str = "", freeze: str = "") -> Recipe:
    """Return a branch of the tiny training, or of another one of three epochs, from its first epoch."""
    parent = parent or tiny_recipe()
    training = dataclasses.replace(parent.training, checkpoints=(1, 2, 3))
    return parent.replace(name=name, branch=BranchSpec(parent, 1, keep, freeze), training=training)


def tiny_continuation(parent: Recipe | None = None, *, epochs: int = 5, freeze: str = "") -> Recipe:
    """Return a continuation of the tiny training, or of another one, with its optimiser."""
    parent = parent or tiny_recipe()
    last = parent.training.epochs
    training = dataclasses.replace(parent.training, epochs=epochs, checkpoints=tuple(range(last, epochs + 1)))
    branch = BranchSpec(parent, last, freeze=freeze, optimizer="kept")
    return parent.replace(name="continuation", branch=branch, training=training)


@functools.cache
def tiny_digits() -> Dataset:
    """Return the digits of ``tiny_recipe``."""
    return load_dataset("digits", subset=SUBSET)


@functools.cache
def coloured_digits() -> Dataset:
    """Return the digits with three different channels."""
    grey = tiny_digits()
    train, test = (
        torch.cat([images, 255 - images, images // 2], dim=1) for images in (grey.train_images, grey.test_images)
    )
    return dataclasses.replace(
        grey,
        name="coloured",
        train_images=train,
        test_images=test,
        mean=(0.3, 0.7, 0.15),
        std=(0.4, 0.4, 0.2),
    )


class StoppedError(Exception):
    """A training was stopped on purpose."""


class MemorySink:
    """Keeps checkpoints and resume points in memory, as a file would: contiguous copies.

    Args:
        start: the resume point to continue from.
        stop_after: the epoch after which ``progress`` raises ``StoppedError``.
    """

    def __init__(self, start: ResumePoint | None = None, stop_after: int | None = None) -> None:
        self.point, self.stop_after = start, stop_after
        self.states: dict[int, State] = {}
        self.optimizer: State = {}
        self.records: list[EpochRecord] = []

    def resume_point(self) -> ResumePoint | None:
        """Return the last one."""
        return self.point

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep it in ``states``."""
        self.states[epoch] = state

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep a copy of the last."""
        network, optimizer = (
            {name: value.contiguous() for name, value in part.items()} for part in (point.network, point.optimizer)
        )
        self.point = dataclasses.replace(point, network=network, optimizer=optimizer)

    def keep_optimizer(self, tensors: State) -> None:
        """Keep a copy in ``optimizer``."""
        self.optimizer = {name: value.contiguous() for name, value in tensors.items()}

    def progress(self, record: EpochRecord) -> None:
        """Keep it in ``records``, and stop if it is time."""
        self.records.append(record)
        if record.epoch == self.stop_after:
            raise StoppedError


def same_state(first: State, second: State) -> bool:
    """Whether two state dicts are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def without_seconds(log: tuple[EpochRecord, ...]) -> list[str]:
    """Return a log as text without the seconds of epochs, so that NaN equals NaN."""
    return [repr(dataclasses.replace(record, seconds=0.0)) for record in log]
