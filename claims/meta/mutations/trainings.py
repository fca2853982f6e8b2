"""Mutations of training, each with the recipes that it affects, which are trained again."""

import pytest

from claims.meta.mutations import Break
from featdyn_core.training import loop
from featdyn_core.training.steps import Stepper
from featdyn_core.trajectories import trajectory


def no_label_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trajectory, "randomize_labels", lambda labels, *_: labels)


def nothing_frozen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stepper, "freeze", lambda *_: None)


def nothing_initialised_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "initial_state", lambda recipe, _, __, parent: parent.state(recipe.first_epoch))


MUTATIONS: dict[str, tuple[Break, tuple[str, ...], tuple[str, ...]]] = {
    "label noise not applied": (
        no_label_noise,
        ("random-label-collapse", "collapse-beyond-renaming"),
        ("digits-small-noisy",),
    ),
    "freezing ignored": (nothing_frozen, ("depth-freeze",), tuple(f"digits-small-frozen{n}" for n in (1, 2, 3))),
    "re-initialisation ignored": (
        nothing_initialised_anew,
        ("depth-reinit",),
        ("digits-small-reinit1", "digits-small-reinit2"),
    ),
}
"""Name to the mutation, the claims that must fail, and the recipes that are trained again."""
