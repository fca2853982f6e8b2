"""Mutations of the length of memory windows, in epochs, along the path and at a tolerance."""

import numpy as np
import pytest

from claims.meta.modules import claim_modules
from claims.meta.mutations import Mutations
from featdyn_core.analysis import growth
from featdyn_core.records.path import TrainingPath

MODULES = claim_modules()


def all_that_lies_before(patch: pytest.MonkeyPatch) -> None:
    """Extend every window to the first epoch."""
    patch.setattr(growth, "memory_window", lambda _, epochs, __: epochs[-1] - epochs[0])


def counted_in_epochs(patch: pytest.MonkeyPatch) -> None:
    """Make all epochs of the path equally long."""
    patch.setattr(TrainingPath, "length", property(lambda self: np.broadcast_to(self.epochs, self.norms.shape)))


def nearest_alone(patch: pytest.MonkeyPatch) -> None:
    """Replace the mean over a window by the nearest composite, which is the network itself."""

    def at_once(predictions, *_):
        return np.zeros(len(predictions)), np.zeros(np.shape(predictions))

    patch.setattr(MODULES["epsilon-window"], "miss_rates", at_once)


MUTATIONS: Mutations = {
    "memory window reaches back as far as it can": (all_that_lies_before, ("window-growth",)),
    "path length counted in epochs": (counted_in_epochs, ("window-growth-constant-rate",)),
    "nearest composite stands for the window": (nearest_alone, ("epsilon-window",)),
}
