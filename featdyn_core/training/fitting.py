"""Whether a recipe and its images fit each other, found out before anything is trained."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import ModelError, RecipeError
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.names import is_factory
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import new_network, training_set


@undisturbed()
def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse a training that would fail at its first epoch, or normalise by a single image.

    Labels of a file that are not here, or not for these images, are a ``DataError`` (see ``training_set``).

    Raises:
        RecipeError: batches that the number of images does not allow.
        ModelError: options that the network does not take, images that are not for it, or a cut that it lacks.
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
            "image, by which nothing can be normalised; choose another batch_size, or another subset of the data"
        )
    # What is somebody's own may not be able to do without numbers.
    _try(network, dataset, last, where, "cpu" if is_factory(recipe.network.name) else "meta")


@torch.no_grad()
def _try(network: BlockNetwork, dataset: Dataset, batch: int, where: str, device: str) -> None:
    """Let the network see a batch; one without numbers, on the device ``meta``, costs no memory and no time.

    Raises:
        ModelError: it cannot take the images, or gives logits of another shape than (N, classes).
    """
    shape = tuple(dataset.train_images.shape[1:])
    try:
        with torch.random.fork_rng(devices=[]):  # which dropout draws from
            logits = network.to(device).train()(torch.zeros((batch, *shape), device=device))
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{where}: network: it cannot take the images of {dataset.name}, {shape} (channels, height, width): "
            f"{error}; choose another network or other images"
        ) from error
    if logits.shape != (batch, dataset.classes):
        raise ModelError(
            f"{where}: network: it gives logits of shape {tuple(logits.shape)} for {batch} images of {dataset.name}, "
            f"which has {dataset.classes} classes; make it (N, {dataset.classes})"
        )
