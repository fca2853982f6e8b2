"""Mutations of a measurement's inputs: splits, labels, checkpoints, and images for re-estimated statistics."""

import dataclasses

import pytest

from claims.meta.mutations import Mutations
from featdyn_core.data.labels import randomize_labels
from featdyn_core.measures.composites import engine, statistics
from featdyn_core.measures.distances import surrogates
from featdyn_core.seeds import numpy_generator
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.trajectory import Trajectory

NOISE = 0.4
"""Share of the held-out labels that are drawn at random."""

REESTIMATING = (statistics, engine)


def splits_swapped(patch: pytest.MonkeyPatch) -> None:
    original, other = Trajectory.evaluation_set, {"held-out": "training", "training": "held-out"}
    patch.setattr(Trajectory, "evaluation_set", lambda self, split: original(self, other[split]))


def noise_on_held_out_labels(patch: pytest.MonkeyPatch) -> None:
    original = Trajectory.evaluation_set

    def noisy(self, split):
        images, labels = original(self, split)
        if split == "held-out":
            labels = randomize_labels(labels, NOISE, self.dataset.classes, numpy_generator(self.seed, "labels"))
        return images, labels

    patch.setattr(Trajectory, "evaluation_set", noisy)


def checkpoints_of_another_seed(patch: pytest.MonkeyPatch) -> None:
    """Return the checkpoints of the previous seed; for the first seed, those of the second."""
    original = Store.open

    def handed_out(self, recipe, seed):
        other = seed - 1 if seed and self.folder(recipe, seed - 1).is_dir() else seed + 1
        return dataclasses.replace(original(self, recipe, seed), load=original(self, recipe, other).load)

    patch.setattr(Store, "open", handed_out)


def statistics_of_held_out_images(patch: pytest.MonkeyPatch) -> None:
    """Re-estimate normalisation on the images of the measurement."""
    for module in REESTIMATING:
        patch.setattr(module, "statistics_images", lambda item: item.evaluation_set("held-out")[0])


def surrogates_of_the_last_epoch(patch: pytest.MonkeyPatch) -> None:
    """Take all training features at t, instead of at epochs of the window."""
    original = surrogates.compared_at

    def compared(item, cut, drawn, end, *others):
        return original(item, cut, drawn * 0 + end, end, *others)

    patch.setattr(surrogates, "compared_at", compared)


MUTATIONS: Mutations = {
    "splits swapped": (splits_swapped, ("memory-window", "transferability")),
    "label noise on held-out labels": (noise_on_held_out_labels, ("random-label-collapse",)),
    "checkpoints of another seed": (checkpoints_of_another_seed, ("weight-averages",)),
    "statistics re-estimated on held-out images": (statistics_of_held_out_images, ("weight-averages",)),
    "surrogates of the last epoch alone": (surrogates_of_the_last_epoch, ("bridge",)),
}
