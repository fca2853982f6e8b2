"""One-step changes broken: what makes them, the statistics of their shape, and how draws are counted."""

import dataclasses
from unittest.mock import Mock

import numpy as np
import pytest

from claims.meta.modules import claim_modules
from claims.meta.mutations import Break, Mutations
from featdyn_core.analysis import association, shares
from featdyn_core.measures.one_step import isotropy, protocol
from featdyn_core.verdicts.claim import Draws

MODULES = claim_modules()


def fixed_p_value(value: float) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        original = isotropy.isotropy_test
        patch.setattr(
            MODULES["anisotropy-rejection"],
            "isotropy_test",
            lambda sample, **options: dataclasses.replace(original(sample, **options), p_value=value),
        )

    return broken


def narrow_null(patch: pytest.MonkeyPatch) -> None:
    original = isotropy._shared_null
    patch.setattr(isotropy, "_shared_null", lambda *arguments: 0.8 * original(*arguments))


def uncounted_rejections(patch: pytest.MonkeyPatch) -> None:
    """Count all planted samples as rejected, however many there are."""
    patch.setattr(MODULES["anisotropy-rejection"], "rejected", lambda p_values, _: Draws(len(p_values), len(p_values)))


def noise_for_sgd(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "one_step_changes", protocol.parameter_noise_changes)


def features_moved_at_random(patch: pytest.MonkeyPatch) -> None:
    """Let each update move the features of a sample in a direction of its own."""
    original = protocol.one_step_changes

    def moved(*arguments, rng, **options):
        return rng.standard_normal(original(*arguments, rng=rng, **options).shape)

    patch.setattr(protocol, "one_step_changes", moved)


def law_of_another_size(patch: pytest.MonkeyPatch) -> None:
    """Compare with isotropic samples of twice as many updates, which are less concentrated."""
    original = shares.isotropic_shares
    patch.setattr(shares, "isotropic_shares", lambda rows, *others, **options: original(2 * rows, *others, **options))


def strength_turned_round(patch: pytest.MonkeyPatch) -> None:
    """Call changes the more anisotropic the more directions share them."""
    original = association.strengths
    patch.setattr(association, "strengths", lambda changes: -original(changes))


def shuffles_that_shuffle_nothing(patch: pytest.MonkeyPatch) -> None:
    """Shuffle each checkpoint's two numbers together."""
    original = association.Association.shuffled

    still = Mock(permutation=lambda values: values)
    patch.setattr(
        association.Association,
        "shuffled",
        lambda self, draws, level, _, **options: original(self, draws, level, still, **options),
    )


def always_correlated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(association, "kendall_p_values", lambda shuffles, _: np.zeros(len(shuffles)))


MUTATIONS: Mutations = {
    "p-value always 0": (fixed_p_value(0.0), ("anisotropy-rejection",)),
    "p-value always 1": (fixed_p_value(1.0), ("anisotropy-rejection",)),
    "bootstrap null too narrow by 20 %": (narrow_null, ("anisotropy-rejection",)),
    "planted draws miscounted": (uncounted_rejections, ("anisotropy-rejection",)),
    "SGD replaced by parameter noise": (noise_for_sgd, ("anisotropy-beyond-jacobian",)),
    "features moved at random": (features_moved_at_random, ("anisotropy-concentration", "anisotropy-rejection")),
    "isotropic law of another sample size": (law_of_another_size, ("anisotropy-concentration",)),
    "strength of the anisotropy turned round": (strength_turned_round, ("anisotropy-memory-link",)),
    "shuffled checkpoints not shuffled": (shuffles_that_shuffle_nothing, ("anisotropy-memory-link",)),
    "any two numbers correlated": (
        always_correlated,
        ("anisotropy-memory-link", "anisotropy-memory-link-at-one-noise-level"),
    ),
}
