"""Mutations of drift: its checkpoints and its controls."""

import dataclasses

import numpy as np
import pytest

from claims.meta.mutations import Mutations
from featdyn_core.measures.drift import directional
from featdyn_core.records.flatness import NAMES, Flatness
from featdyn_core.records.path import TrainingPath
from featdyn_core.trajectories.trajectory import Trajectory


def from_itself(patch: pytest.MonkeyPatch) -> None:
    """Measure drift from each checkpoint to itself."""
    patch.setattr(TrainingPath, "relative", property(lambda self: 0 * self.distances))


def network_of_the_last_epoch(patch: pytest.MonkeyPatch) -> None:
    """Return the network of the last epoch for every epoch."""
    original = Trajectory.network
    patch.setattr(Trajectory, "network", lambda self, _: original(self, self.epochs[-1]))


def not_frozen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Trajectory, "frozen_at", lambda self, _: self)


def halves_by_drift(patch: pytest.MonkeyPatch) -> None:
    """Put the images with the smallest change along the drift into one half."""
    original = Flatness.__dict__["halves"].fget

    def halves(self):
        order = np.argsort(self.drift[0, 0])
        order = np.stack(np.array_split(order[: len(order) // 2 * 2], 2), axis=-1).ravel()
        numbers = {name: value[..., order] for name in NAMES if (value := getattr(self, name)) is not None}
        return original(dataclasses.replace(self, **numbers))

    patch.setattr(Flatness, "halves", property(halves))


def random_directions_of_any_norm(patch: pytest.MonkeyPatch) -> None:
    """Do not normalise random directions."""
    patch.setattr(directional, "_unit", lambda directions: directions)


MUTATIONS: Mutations = {
    "drift of a checkpoint from itself": (from_itself, ("not-convergence",)),
    "features of the wrong epoch": (network_of_the_last_epoch, ("not-convergence",)),
    "frozen network not frozen": (not_frozen, ("not-convergence",)),
    "random directions not of equal norm": (random_directions_of_any_norm, ("flat-drift",)),
    "images halved by how flat their drift is": (halves_by_drift, ("flat-drift-on-test",)),
}
