"""How long an epoch takes on this machine, estimated from a few of its steps."""

import dataclasses
import time

import torch

from featdyn_core.data.sources import Dataset
from featdyn_core.devices import is_out_of_memory, wake
from featdyn_core.errors import TrainingError
from featdyn_core.numerics import exact_arithmetic, one_thread, seeded_dropout, undisturbed
from featdyn_core.training.loop import new_stepper, on_stream, own_stream
from featdyn_core.training.steps import Stepper, resolve_engine
from featdyn_core.trajectories.recipe import Recipe

STEPS = 10
"""Number of timed steps; as many come before them, to compile, capture and warm up."""


def first_steps(recipe: Recipe, dataset: Dataset, steps: int) -> Dataset:
    """Return a data set whose epoch has at most ``steps`` steps of a recipe's batches."""
    count = steps * recipe.training.batch_size
    images, labels = dataset.train_images[:count], dataset.train_labels[:count]
    return dataclasses.replace(dataset, train_images=images, train_labels=labels)


def epoch_seconds(
    recipe: Recipe, dataset: Dataset, *, device: torch.device | str = "cpu", engine: str = "auto", at_once: int = 1
) -> float:
    """Return the seconds of an epoch of one training, or its share of several, from ``STEPS`` steps of its batches.

    They start from any network, so neither a parent's checkpoints nor a store are needed. If recipe and images do not
    fit each other, the error is that of ``fitting.check_fit``.

    Args:
        recipe: recipe of the training; the frozen part of a branch stays frozen.
        dataset: the recipe's images, with clean labels.
        device: device of the training.
        engine: its engine (see ``steps.resolve_engine``).
        at_once: number of trainings at once; their seconds are divided by it.

    Raises:
        TrainingError: the device has too little memory for so many trainings.
        RuntimeError: torch fails for another reason.
        MemoryError: as ``RuntimeError``.
    """
    wake(device := torch.device(device))
    engine, few = resolve_engine(engine, device), first_steps(recipe, dataset, STEPS)
    seconds = 0.0
    try:
        with one_thread(), undisturbed(), exact_arithmetic(), seeded_dropout(0, device):
            steppers = [new_stepper(recipe, seed, few, device, engine) for seed in range(at_once)]
            if recipe.branch and recipe.branch.freeze:
                for stepper in steppers:
                    stepper.freeze(recipe.branch.freeze)
            trainings = [(stepper, own_stream(recipe, device)) for stepper in steppers]
            for epoch in range(2):
                seconds = _round(trainings, device, epoch, recipe.learning_rate(epoch))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        many, fewer = ("one training", "") if at_once == 1 else (f"{at_once} trainings", " or choose a lower --at-once")
        raise TrainingError(f"{recipe.name}: {device} has too little memory for {many}; free some{fewer}") from error
    steps = -(-len(dataset.train_labels) // recipe.training.batch_size)
    return seconds / at_once / len(steppers[0].sizes) * steps


def _round(
    trainings: list[tuple[Stepper, torch.cuda.Stream | None]], device: torch.device, epoch: int, rate: float
) -> float:
    """Return the seconds of one epoch of each training on its stream, all at once."""
    started = time.monotonic()
    for stepper, stream in trainings:
        with on_stream(device, stream):
            stepper.run_epoch(epoch, rate)
    for stepper, stream in trainings:
        with on_stream(device, stream):
            stepper.tally.losses.cpu()  # waits for the steps
    return time.monotonic() - started
