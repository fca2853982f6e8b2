"""A trajectory: all checkpoints of one training, with the data and the network they belong to."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from featdyn_core.data.labels import permute_labels, randomize_labels
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import MeasurementError
from featdyn_core.networks.blocks import BlockNetwork, load_state
from featdyn_core.networks.factory import from_factory
from featdyn_core.networks.names import is_factory
from featdyn_core.networks.zoo import build_model
from featdyn_core.numerics import undisturbed
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.recipe import Recipe

State = dict[str, Tensor]

SPLITS = ("held-out", "training")


@dataclass(frozen=True)
class EpochRecord:
    """What was logged of one epoch.

    Attributes:
        epoch: number of epochs trained; 0 is the initial network.
        train_loss: mean cross-entropy of the epoch's steps, in nats (NaN at epoch 0).
        train_accuracy: share of training samples classified as their (possibly randomised) label, in [0, 1]; at
            epoch 0 of the first ones.
        learning_rate: the rate the epoch was trained with.
        probe_loss: at checkpoints, cross-entropy in eval mode and fp32 on the first training images.
        seconds: wall-clock duration of the epoch.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    learning_rate: float
    probe_loss: float | None
    seconds: float


@dataclass(frozen=True)
class Trajectory:
    """All checkpoints of one training.

    Attributes:
        recipe: what determines the training, with ``seed``.
        seed: the training seed.
        key: hex digest of recipe, seed and data.
        epochs: ascending epochs of the checkpoints.
        dataset: the images and the clean labels.
        load: epoch to state dict; the source of the checkpoints.
        log: one record an epoch.
        digests: hex sha256 of each checkpoint file; empty for trajectories that are in memory only.
        evaluation_images: largest number of images of each split on which claims are measured; a share of 500
            images has a standard error below 0.023.
        device: where it is measured; its states and networks are handed out on the CPU.
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
        network = new_network(self.recipe, self.dataset)
        load_state(network, self.state(epoch))
        return network.eval()

    def frozen_at(self, epoch: int) -> "Trajectory":
        """Return the trajectory of a network that never moves: the checkpoint of ``epoch`` at every epoch."""
        return dataclasses.replace(self, key="", load=lambda _: self.state(epoch), log=(), digests={})

    def evaluation_set(self, split: str) -> tuple[Tensor, Tensor]:
        """First images (N ≤ ``evaluation_images``, C, H, W) of a split and their true labels (N,).

        Args:
            split: ``held-out`` (the test part) or ``training``.

        Raises:
            MeasurementError: another split.
        """
        if split not in SPLITS:
            raise MeasurementError(f"unknown split {split!r}; the splits are {', '.join(SPLITS)}")
        data = self.dataset
        images, labels = (
            (data.test_images, data.test_labels) if split == "held-out" else (data.train_images, data.train_labels)
        )
        return images[: self.evaluation_images], labels[: self.evaluation_images]

    def training_set(self) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and the labels (N,) that the network was trained with, label noise included."""
        return training_set(self.recipe, self.seed, self.dataset)


@undisturbed()
def new_network(recipe: Recipe, dataset: Dataset, generator: torch.Generator | None = None) -> BlockNetwork:
    """Build the recipe's network for the data set, initialised from ``generator`` if one is given.

    torch's layers initialise themselves from its global generator in any case; that is put back afterwards.
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
    """Training images and labels of (recipe, seed): labels randomised or permuted as the recipe says."""
    labels = dataset.train_labels
    if recipe.labels.permuted:
        labels = permute_labels(labels, dataset.classes, numpy_generator(seed, "labels", "permutation"))
    if recipe.labels.randomized:
        rng = numpy_generator(seed, "labels")
        labels = randomize_labels(labels, recipe.labels.randomized, dataset.classes, rng)
    return dataset.train_images, labels
