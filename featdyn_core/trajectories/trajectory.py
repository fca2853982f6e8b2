"""A trajectory: all checkpoints of one training, with the data and the network they belong to."""

import copy
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from featdyn_core.data.label_files import load_labels
from featdyn_core.data.labels import permute_labels, randomize_labels
from featdyn_core.data.names import SPLITS
from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.display import Displayed, span
from featdyn_core.errors import CheckpointError, DataError, MeasurementError, ModelError, TrainingError
from featdyn_core.networks.acceptance import accept
from featdyn_core.networks.blocks import BlockNetwork, load_state
from featdyn_core.networks.factory import from_factory
from featdyn_core.networks.images import grey_levels
from featdyn_core.networks.names import is_factory
from featdyn_core.networks.zoo import build_model
from featdyn_core.numerics import undisturbed
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.checkpoints import by_epoch, read_state
from featdyn_core.trajectories.oneness import examined
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, TrainingSpec

State = dict[str, Tensor]


def _no_optimizer() -> State:
    raise TrainingError(
        "this trajectory has no optimiser state, so no branch can continue with it; give one from a store"
    )


@dataclass(frozen=True)
class EpochRecord:
    """Logged numbers of one epoch.

    Attributes:
        epoch: number of epochs trained; the first is 0 for the initial network, or the epoch of a branch.
        train_loss: mean cross-entropy of the epoch's steps, in nats (NaN at the first).
        train_accuracy: share of training samples classified as their (possibly randomised) label, in [0, 1]; at the
            first record it is measured on the first training images only.
        learning_rate: learning rate of the epoch.
        probe_loss: at checkpoints, cross-entropy in eval mode and fp32 on the first training images.
        seconds: wall-clock duration of the epoch.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    learning_rate: float
    probe_loss: float | None
    seconds: float


@dataclass(frozen=True, repr=False)
class Trajectory(Displayed):
    """All checkpoints of one training.

    Attributes:
        recipe: recipe of the training.
        seed: the training seed.
        key: hex digest of recipe, seed and data.
        epochs: ascending epochs of the checkpoints.
        dataset: the images and the clean labels.
        load: function from epoch to state dict; the source of the checkpoints.
        log: one record for each epoch.
        digests: hex SHA-256 of each checkpoint file; empty for trajectories that are in memory only.
        evaluation_images: largest number of images of each split for measurements; a share of 500 images has a standard
            error below 0.023.
        device: device for measurements; states and networks are returned on the CPU.
        template: the network itself, for checkpoints without a recipe; otherwise the recipe defines it.
        load_optimizer: the source of the optimiser's tensors after the last epoch (see ``training.optimizer``).
    """

    recipe: Recipe
    seed: int
    key: str
    epochs: tuple[int, ...]
    dataset: Dataset
    load: Callable[[int], State]
    log: tuple[EpochRecord, ...] = ()
    digests: dict[int, str] = field(default_factory=dict)
    evaluation_images: int = 500
    device: str = "cpu"
    template: BlockNetwork | None = None
    load_optimizer: Callable[[], State] = _no_optimizer

    @classmethod
    @undisturbed()
    def from_checkpoints(
        cls,
        checkpoints: Mapping[int, str | os.PathLike[str]],
        *,
        network: BlockNetwork,
        dataset: Dataset | str | os.PathLike[str],
        batch_size: int,
        learning_rate: float,
        weight_decay: float = 0.0,
        augmentation: str = "none",
        name: str = "own",
        seed: int = 0,
        one_training: bool = True,
    ) -> "Trajectory":
        """Return the trajectory of your own checkpoints, for the same measurements as a trained trajectory.

        Every file is read once to check that it fits, and again when its epoch is requested. The key is a digest over
        epochs, files, images and the other arguments, so that the same checkpoints have the same key everywhere.

        No checkpoint after epoch 0, invalid epochs and numbers out of range are a ``RecipeError``. Checkpoints that do
        not belong to one training are a ``CheckpointError``. Unavailable images are a ``DataError``, and images that
        are not grey levels a ``MeasurementError``. A network that is not a function of an image, or differs from the
        module that was cut, is a ``ModelError`` (see ``acceptance.accept``, which tries the last checkpoint).

        Args:
            checkpoints: files by epoch (see ``checkpoints.read_state``), or all files by steps of the optimiser.
            network: network of the checkpoints; ``BlockNetwork.from_module`` makes one from any module.
            dataset: the images of training and measurement, or their name for ``load_dataset``.
            batch_size: batch size of the training, for re-estimated statistics and one-step changes.
            learning_rate: learning rate of one-step changes.
            weight_decay: weight decay of one-step changes.
            augmentation: augmentation of the training, ``none`` or ``crop-flip``; re-estimated statistics use it too.
            name: name of the trajectory, for messages.
            seed: seed of the training, if it is known; random measurements use it.
            one_training: whether the checkpoints must belong to one training, in its order (see ``oneness``);
                suspicions are then warnings.

        Raises:
            ModelError: a file cannot be read, or its names or shapes do not fit the network.
        """
        if not isinstance(network, BlockNetwork):
            raise ModelError(
                f"a {type(network).__name__} has no cuts; give BlockNetwork.from_module(module, cuts=[...])"
            )
        dataset = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
        for images in (dataset.train_images, dataset.test_images):
            grey_levels(images)
        files = by_epoch(checkpoints)
        epochs = tuple(files)
        recipe = Recipe(
            name=name,
            data=DataSpec(dataset.name, augmentation=augmentation),
            network=NetworkSpec(f"{type(network).__module__}:{type(network).__qualname__}", {"cuts": [*network.cuts]}),
            optimizer=OptimizerSpec("sgd", learning_rate, weight_decay=weight_decay),
            training=TrainingSpec(epochs=epochs[-1], batch_size=batch_size, checkpoints=epochs),
        )
        template = copy.deepcopy(network).cpu()
        digests = _digests(files, template, dataset, name if one_training else "")
        load_state(template, read_state(files[epochs[-1]], template)[0])
        accept(template, dataset.train_images, dataset.classes, dataset.name)

        def load(epoch: int) -> State:
            state, digest = read_state(files[epoch], template)
            if digest != digests[epoch]:
                raise MeasurementError(f"{files[epoch]} has changed since this trajectory was made from it")
            return state

        facts = [recipe.to_dict(), seed, dataset.digest, sorted(digests.items())]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return cls(recipe, seed, key, epochs, dataset, load, digests=digests, template=template)

    def _facts(self) -> dict[str, object]:
        return {
            "recipe": self.recipe.name,
            "seed": self.seed,
            "network": self.recipe.network.name,
            "data": self.dataset.name,
            "checkpoints": span(self.epochs),
            "key": self.key[:12] or "none",
        }

    def state(self, epoch: int) -> State:
        """State dict after ``epoch`` epochs, tensors on the CPU.

        Raises:
            MeasurementError: there is no checkpoint at that epoch.
        """
        if epoch not in self.epochs:
            raise MeasurementError(
                f"{self.recipe.name} seed {self.seed} has no checkpoint at epoch {epoch}; "
                f"it has {', '.join(map(str, self.epochs))}"
            )
        return self.load(epoch)

    def network(self, epoch: int) -> BlockNetwork:
        """Return the network after ``epoch`` epochs, in eval mode, on the CPU."""
        network = copy.deepcopy(self.template) if self.template else new_network(self.recipe, self.dataset)
        load_state(network, self.state(epoch))
        return network.eval()

    def frozen_at(self, epoch: int) -> "Trajectory":
        """Return the trajectory of a frozen network, with the checkpoint of ``epoch`` at every epoch."""
        return dataclasses.replace(self, key="", load=lambda _: self.state(epoch), log=(), digests={})

    def evaluation_set(self, split: str) -> tuple[Tensor, Tensor]:
        """First images (N ≤ ``evaluation_images``, C, H, W) of a split and their true labels (N,).

        Args:
            split: ``held-out`` (the test part) or ``training``.

        Raises:
            MeasurementError: the split is unknown.
        """
        if split not in SPLITS:
            raise MeasurementError(f"unknown split {split!r}; the splits are {', '.join(SPLITS)}")
        data = self.dataset
        images, labels = (
            (data.test_images, data.test_labels) if split == "held-out" else (data.train_images, data.train_labels)
        )
        return images[: self.evaluation_images], labels[: self.evaluation_images]

    def training_set(self) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and labels (N,) of the training, label noise included."""
        return training_set(self.recipe, self.seed, self.dataset)


def _digests(
    files: Mapping[int, str | os.PathLike[str]], network: BlockNetwork, dataset: Dataset, one_training: str
) -> dict[int, str]:
    """Return the hex SHA-256 of each checkpoint file.

    Args:
        files: files by epoch.
        network: network of the files.
        dataset: data set for measurements.
        one_training: name of the training that all files must belong to; empty for no such check.

    Raises:
        CheckpointError: the files do not belong to one training.
    """
    digests: dict[int, str] = {}

    def read() -> Iterator[tuple[int, State]]:
        for epoch in sorted(files):
            state, digests[epoch] = read_state(files[epoch], network)
            yield epoch, state

    if not one_training:
        for _ in read():
            pass
        return digests
    found = examined(copy.deepcopy(network), read(), sorted(files), dataset)
    if told := found.told():
        raise CheckpointError(f"{one_training}: these checkpoints are not one training: {', '.join(told)}")
    for suspicion in found.suspicions:
        warnings.warn(f"{one_training}: {suspicion}", stacklevel=3)
    return digests


@undisturbed()
def new_network(recipe: Recipe, dataset: Dataset, generator: torch.Generator | None = None) -> BlockNetwork:
    """Build the recipe's network for the data set, initialised from ``generator`` if one is given.

    torch's layers always initialise themselves from its global generator, which is restored afterwards.
    """
    _, channels, height, width = dataset.train_images.shape
    name, options = recipe.network.name, recipe.network.options
    with torch.random.fork_rng(devices=[]):
        if is_factory(name):
            return from_factory(name, options, mean=dataset.mean, std=dataset.std, generator=generator)
        return build_model(
            name,
            image=(channels, height, width),
            classes=dataset.classes,
            mean=dataset.mean,
            std=dataset.std,
            generator=generator,
            **options,
        )


def training_set(recipe: Recipe, seed: int, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Training images and labels of (recipe, seed): labels of a file, randomised or permuted as the recipe says.

    A missing file of labels is an ``AbsentDataError``. Labels that differ from the recipe's or do not fit the images
    are a ``DataError``.
    """
    labels = _labels_of_file(recipe, dataset) if recipe.labels.file else dataset.train_labels
    if recipe.labels.permuted:
        labels = permute_labels(labels, dataset.classes, numpy_generator(seed, "labels", "permutation"))
    if recipe.labels.randomized:
        rng = numpy_generator(seed, "labels")
        labels = randomize_labels(labels, recipe.labels.randomized, dataset.classes, rng)
    return dataset.train_images, labels


def _labels_of_file(recipe: Recipe, dataset: Dataset) -> Tensor:
    named = recipe.labels
    try:
        return load_labels(named.file, named.column, named.sha256, dataset)
    except DataError as error:
        raise type(error)(f"recipe {recipe.name!r}: labels: {error}") from error
