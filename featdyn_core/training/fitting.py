"""Check that a recipe and its images fit each other, before anything is trained."""

import copy

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import ModelError, RecipeError
from featdyn_core.networks.acceptance import accept, check_logits, misfit
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.names import is_factory
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import new_network, training_set


@undisturbed()
def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse a training that would fail in its first epoch, or would normalise over a single image.

    Labels of a file that are missing, or belong to other images, are a ``DataError`` (see ``training_set``).

    Raises:
        RecipeError: the batch size does not fit the number of images.
        ModelError: the network does not take its options or these images, or lacks a cut.
    """
    where = f"recipe {recipe.name!r}"
    images, batch = len(dataset.train_labels), recipe.training.batch_size
    if images < batch:
        raise RecipeError(
            f"{where}: training, batch_size: {batch:,}, but {dataset.name} has {images:,} training images here; "
            f"make it at most {images:,}"
        )
    training_set(recipe, 0, dataset)
    try:
        network = new_network(recipe, dataset)
        for cut in filter(None, (recipe.branch.keep, recipe.branch.freeze) if recipe.branch else ()):
            network.shallow_blocks(cut)
    except ModelError as error:
        raise ModelError(f"{where}: network or branch: {error}") from error
    last = images % batch or batch
    if last == 1 and any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise RecipeError(
            f"{where}: training, batch_size: with {batch:,} of {images:,} training images the last batch is a single "
            "image, and normalisation needs two; choose another batch_size, or another subset of the data"
        )
    own = is_factory(recipe.network.name)  # a user's network may need real numbers
    try:
        _try(network, dataset, last, "cpu" if own else "meta")
        if own:
            accept(network, dataset.train_images, dataset.classes, dataset.name)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error


@torch.no_grad()
def _try(network: BlockNetwork, dataset: Dataset, batch: int, device: str) -> None:
    """Run the network on a batch; on the device ``meta``, which has no numbers, this costs no memory and no time.

    Logits of another shape than (N, classes) are a ``ModelError``.

    Raises:
        ModelError: the network cannot take the images.
    """
    images = torch.zeros((batch, *dataset.train_images.shape[1:]), device=device)
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
            logits = copy.deepcopy(network).to(device).train()(images)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError(misfit(images, dataset.name, error)) from error
    check_logits(logits, batch, dataset.classes, type(network).__name__, dataset.name)
