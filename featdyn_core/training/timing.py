"""How long an epoch takes on this machine, estimated from a few of its steps."""

import dataclasses
import time

import torch

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import TrainingError
from featdyn_core.numerics import exact_arithmetic, is_out_of_memory, one_thread, seeded_dropout, undisturbed, wake
from featdyn_core.training.loop import new_stepper
from featdyn_core.training.steps import resolve_engine
from featdyn_core.trajectories.recipe import Recipe

STEPS = 10
"""Number of timed steps; as many come before them, to compile, capture and warm up."""


def epoch_seconds(
    recipe: Recipe, dataset: Dataset, *, device: torch.device | str = "cpu", engine: str = "auto"
) -> float:
    """Return the seconds of an epoch of one training, from ``STEPS`` steps of its network and batches.

    They start from any network, so neither a parent's checkpoints nor a store are needed. If recipe and images do not
    fit each other, the error is that of ``fitting.check_fit``.

    Args:
        recipe: recipe of the training; the frozen part of a branch stays frozen.
        dataset: the recipe's images, with clean labels.
        device: device of the training.
        engine: its engine (see ``steps.resolve_engine``).

    Raises:
        TrainingError: the device has too little memory for one training.
        RuntimeError: torch fails for another reason.
        MemoryError: as ``RuntimeError``.
    """
    wake(device := torch.device(device))
    size = recipe.training.batch_size
    images, labels = (part[: STEPS * size] for part in (dataset.train_images, dataset.train_labels))
    few = dataclasses.replace(dataset, train_images=images, train_labels=labels)
    started = 0.0
    try:
        with one_thread(), undisturbed(), exact_arithmetic(), seeded_dropout(0, device):
            stepper = new_stepper(recipe, 0, few, device, resolve_engine(engine, device))
            if recipe.branch and recipe.branch.freeze:
                stepper.freeze(recipe.branch.freeze)
            for epoch in range(2):
                started = time.monotonic()
                stepper.run_epoch(epoch, recipe.learning_rate(epoch)).losses.cpu()  # `cpu` waits for the steps
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(f"{recipe.name}: {device} has too little memory for one training; free some") from error
    each = (time.monotonic() - started) / len(stepper.sizes)
    return each * -(-len(dataset.train_labels) // size)
