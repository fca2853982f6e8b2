"""Mutations of composites: their halves, their comparisons, and how they are read."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from claims.meta.mutations import Break, Mutations
from claims.meta.mutations.handed_out import REESTIMATING
from featdyn_core.measures.composites import composite as composites
from featdyn_core.measures.composites import displacement, grid, statistics
from featdyn_core.measures.composites.consistency import pointwise_consistency
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.records import averages
from featdyn_core.records.column import Column


def literal_grid(
    item, images, *, cuts, shallow_epochs, deep_epochs, labels=None, batchnorm="carry", pairs=None, **_
) -> CompositeGrid:
    """Evaluate the composite grid by its definition."""
    shallow_epochs, deep_epochs = sorted(shallow_epochs), sorted(deep_epochs)
    cuts = [cuts] if isinstance(cuts, str) else cuts
    shape = (len(cuts), len(shallow_epochs), len(deep_epochs))
    evaluated = np.ones(shape[1:], bool) if pairs is None else pairs
    predictions = np.zeros((*shape, len(images)), np.uint8)
    losses = np.zeros(shape)
    for index in zip(*np.nonzero(np.broadcast_to(evaluated, shape)), strict=True):
        epochs = shallow_epochs[index[1]], deep_epochs[index[2]]
        network = composites.composite(item, *epochs, cuts[index[0]], batchnorm=batchnorm)
        with torch.no_grad():
            logits = network(images)
        predictions[index] = logits.argmax(1)
        losses[index] = F.cross_entropy(logits, labels)
    return CompositeGrid(
        cuts=tuple(cuts),
        shallow_epochs=np.array(shallow_epochs),
        deep_epochs=np.array(deep_epochs),
        predictions=predictions,
        reference=np.stack([composites.predict(item.network(epoch), images) for epoch in deep_epochs]).astype(np.uint8),
        evaluated=evaluated,
        cross_entropy=losses,
        labels=labels.numpy(),
    )


def use_literal_grid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(grid, "composite_grid", literal_grid)


def merging(rule: Callable[..., torch.Tensor]) -> Break:
    """Break the composite: ``rule(in_shallow_part, is_statistic, shallow_value, deep_value)`` chooses each tensor."""

    def merged(network, shallow, deep, cut):
        return {key: rule(network.in_shallow_part(key, cut), "running" in key, shallow[key], deep[key]) for key in deep}

    def broken(patch: pytest.MonkeyPatch) -> None:
        use_literal_grid(patch)
        patch.setattr(composites, "merged_state", merged)

    return broken


def own_shallow_half(patch: pytest.MonkeyPatch) -> None:
    """Use a network's own shallow part in a stranger's composite."""
    original = composites.joined

    def own(item, _, deep, cut, **options):
        return original(item, item.state(deep), deep, cut, **options)

    patch.setattr(composites, "joined", own)


def not_averaged(patch: pytest.MonkeyPatch) -> None:
    """Replace an average by its last state, so that a stranger's average is the network itself."""
    original = averages.averaged
    patch.setattr(averages, "averaged", lambda item, states: original(item, states[-1:]))


def statistics_of_noise(patch: pytest.MonkeyPatch) -> None:
    """Re-estimate normalisation on images that no training shows."""

    def noise(item):
        images = item.training_set()[0][: statistics.STATISTICS_IMAGES]
        return torch.randint(256, images.shape, generator=torch.Generator().manual_seed(0), dtype=images.dtype)

    for module in REESTIMATING:
        patch.setattr(module, "statistics_images", noise)


def not_displaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(displacement, "displaced", lambda item, _, deep, *__, **___: item.network(deep))


def label_for_reference(patch: pytest.MonkeyPatch) -> None:
    def against_labels(self):
        return np.array([pointwise_consistency(rows, self.labels) for rows in self.predictions])

    patch.setattr(Column, "consistency", property(against_labels))
    patch.setattr(Column, "agreement", Column.accuracy)


def drifting_accuracy(patch: pytest.MonkeyPatch) -> None:
    """Add a term in the shallow epoch to accuracy, as a wrong order of images would."""
    original = vars(Column)["accuracy"].fget
    patch.setattr(Column, "accuracy", property(lambda self: original(self) + 1e-4 * self.epochs))


def unchanging_accuracy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Column, "accuracy", property(lambda self: np.ones(self.predictions.shape[:-1])))


MUTATIONS: Mutations = {
    "composite ignores the shallow epoch": (merging(lambda *choice: choice[-1]), ("memory-window", "not-convergence")),
    "composite ignores the deep epoch": (merging(lambda *choice: choice[-2]), ("window-growth",)),
    "normalisation statistics of the wrong half": (
        merging(lambda shallow, statistic, s, t: s if shallow != statistic else t),
        ("memory-window", "transferability"),
    ),
    "stranger not a stranger": (own_shallow_half, ("memory-window", "transferability")),
    "averages not averaged": (not_averaged, ("weight-averages",)),
    "statistics of noise": (statistics_of_noise, ("weight-averages",)),
    "displaced network not displaced": (not_displaced, ("beyond-closeness",)),
    "consistency compares with the label": (label_for_reference, ("collapse-beyond-renaming",)),
    "accuracy drifts with the epoch": (drifting_accuracy, ("forgetting",)),
}

IN_TRUE_WORLDS: dict[str, tuple[Break, str]] = {"accuracy never changes": (unchanging_accuracy, "forgetting-flat")}
"""Name to the mutation and the claim; the claim has no data at small scale, so its planted true world is used."""
