"""Mutations of the terms of theorems: a Hessian, a share, a distance."""

import pytest

from claims.meta.modules import claim_modules
from claims.meta.mutations import Mutations
from featdyn_core.analysis import finite, levels

MODULES = claim_modules()


def hessian_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    def added(probabilities):
        return [
            [q * (row == column) + q * p for column, p in enumerate(probabilities)]
            for row, q in enumerate(probabilities)
        ]

    patch.setattr(MODULES["lemma-convexity"], "softmax_hessian", added)


def share_beyond_for_share_within(patch: pytest.MonkeyPatch) -> None:
    within = levels.share_within
    patch.setattr(MODULES["theorem-2"], "share_within", lambda particles, level: 1 - within(particles, level))


def total_variation_halved(patch: pytest.MonkeyPatch) -> None:
    whole = finite.finite_total_variation
    patch.setattr(finite, "finite_total_variation", lambda one, other: whole(one, other) / 2)


MUTATIONS: Mutations = {
    "Hessian with the wrong sign": (hessian_with_the_wrong_sign, ("lemma-convexity",)),
    "share beyond a level for that within": (share_beyond_for_share_within, ("theorem-2",)),
    "total variation halved": (total_variation_halved, ("theorem-3",)),
}
