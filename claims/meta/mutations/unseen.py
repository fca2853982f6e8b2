"""Mutations of unseen images: the images of a column, and the epochs of its consistency."""

import pytest

from claims.meta.mutations import Break, Mutations
from featdyn_core.measures.composites import unseen
from featdyn_core.records.column import Column


def not_corrupted(patch: pytest.MonkeyPatch) -> None:
    """Use uncorrupted test images as corrupted and as random images."""
    patch.setattr(
        unseen, "unseen_images", lambda trajectory, _: (*trajectory.evaluation_set("held-out"), "synthesised")
    )


def last_epoch_alone(patch: pytest.MonkeyPatch) -> None:
    """Compute consistency from the composite of the deep epoch with itself alone."""
    patch.setattr(
        Column, "consistency", property(lambda self: (self.predictions[:, -1] == self.reference).astype(float))
    )


def only_the_deep_epoch(patch: pytest.MonkeyPatch) -> None:
    """Return a column's deep epoch for every epoch."""
    original = Column.at
    patch.setattr(Column, "at", lambda self, _: original(self, [self.deep]))


MUTATIONS: Mutations = {
    "corruption not applied": (not_corrupted, ("unseen-corrupted", "corruption-lowers-consistency"))
}

IN_TRUE_WORLDS: dict[str, tuple[Break, str]] = {
    "consistency of the last epoch alone": (last_epoch_alone, "beyond-random-images"),
    "consistency of the last epoch alone, corruptions": (last_epoch_alone, "corruption-lowers-consistency"),
    "consistency of the last epoch alone, matched accuracy": (last_epoch_alone, "collapse-beyond-accuracy"),
    "consistency of the last epoch alone, labels of people": (last_epoch_alone, "semantic-structure"),
    "no epoch but the deep one": (only_the_deep_epoch, "gain-needs-semantics"),
    "no epoch but the deep one, clean labels": (only_the_deep_epoch, "beyond-churn"),
    "no epoch but the deep one, random labels": (only_the_deep_epoch, "predictivity-needs-semantics"),
}
"""These claims are not SUPPORTED on small data, have none, or have a control that five seeds leave open. So their
planted true worlds are used."""
