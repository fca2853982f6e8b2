"""Mutations of one-step changes: how they are made, statistics of their shape, and counts of draws.

The fast tier does not train the networks of the link between anisotropy and memory, so its planted true world must
fail.
"""

import dataclasses

import numpy as np
import pytest

from claims.meta.modules import claim_modules
from claims.meta.mutations import Break, Mutations
from featdyn_core.analysis import association, shares
from featdyn_core.measures.one_step import alignment, isotropy, protocol
from featdyn_core.measures.one_step.gram import FloatArray
from featdyn_core.verdicts.units import share_of

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
    """Count all planted samples as rejected."""
    patch.setattr(
        MODULES["anisotropy-rejection"], "rejected", lambda p_values, _: share_of(len(p_values), len(p_values))
    )


def noise_for_sgd(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "one_step_changes", protocol.parameter_noise_changes)


def features_moved_at_random(patch: pytest.MonkeyPatch) -> None:
    """Move the features of a sample in a random direction at each update."""
    original = protocol.one_step_changes

    def moved(*arguments, rng, **options):
        return rng.standard_normal(original(*arguments, rng=rng, **options).shape)

    patch.setattr(protocol, "one_step_changes", moved)


def law_of_another_size(patch: pytest.MonkeyPatch) -> None:
    """Compare with isotropic samples of twice as many updates, which are less concentrated."""
    original = shares.isotropic_shares
    patch.setattr(shares, "isotropic_shares", lambda rows, *others, **options: original(2 * rows, *others, **options))


def strength_turned_round(patch: pytest.MonkeyPatch) -> None:
    """Reverse the sign of the strength of anisotropy."""
    original = association.strengths
    patch.setattr(association, "strengths", lambda changes: -original(changes))


def shuffles_that_shuffle_nothing(patch: pytest.MonkeyPatch) -> None:
    """Do not shuffle checkpoints."""
    patch.setattr(association, "_shuffled", lambda table, *_, **__: table)


def axes_of_least_noise(patch: pytest.MonkeyPatch) -> None:
    """Take the axes with the smallest changes by single updates."""
    patch.setattr(alignment, "leading_axes", lambda changes, count: least_axes(changes)[:count])


def least_axes(changes: FloatArray) -> FloatArray:
    return np.linalg.svd(changes - changes.mean(axis=0))[2][::-1]


MUTATIONS: Mutations = {
    "p-value always 0": (fixed_p_value(0.0), ("anisotropy-rejection",)),
    "p-value always 1": (fixed_p_value(1.0), ("anisotropy-rejection",)),
    "bootstrap null too narrow by 20 %": (narrow_null, ("anisotropy-rejection",)),
    "planted draws miscounted": (uncounted_rejections, ("anisotropy-rejection",)),
    "SGD replaced by parameter noise": (noise_for_sgd, ("anisotropy-beyond-jacobian",)),
    "features moved at random": (features_moved_at_random, ("anisotropy-concentration", "anisotropy-rejection")),
    "isotropic law of another sample size": (law_of_another_size, ("anisotropy-concentration",)),
    "axes along which noise is least": (axes_of_least_noise, ("noise-aligned-with-drift",)),
}

IN_TRUE_WORLDS = {
    "strength of the anisotropy turned round": (strength_turned_round, "anisotropy-memory-link"),
    "shuffled checkpoints not shuffled": (shuffles_that_shuffle_nothing, "anisotropy-memory-link"),
    "strength at one noise level turned round": (strength_turned_round, "anisotropy-memory-link-at-one-noise-level"),
}
