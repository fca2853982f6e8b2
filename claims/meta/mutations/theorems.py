"""What theorems speak of broken: a Hessian, a share, a distance."""

import pytest

from claims.meta.mutations import Mutations
from featdyn_core.measures.composites import levels
from featdyn_core.measures.distances import finite
from featdyn_core.measures.linearized import softmax


def hessian_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    def added(probabilities):
        return [
            [q * (row == column) + q * p for column, p in enumerate(probabilities)]
            for row, q in enumerate(probabilities)
        ]

    patch.setattr(softmax, "hessian", added)


def share_beyond_for_share_within(patch: pytest.MonkeyPatch) -> None:
    within = levels.share_within
    patch.setattr(levels, "share_within", lambda particles, level: 1 - within(particles, level))


def total_variation_halved(patch: pytest.MonkeyPatch) -> None:
    whole = finite.total_variation
    patch.setattr(finite, "total_variation", lambda one, other: whole(one, other) / 2)


MUTATIONS: Mutations = {
    "Hessian with the wrong sign": (hessian_with_the_wrong_sign, ("lemma-convexity",)),
    "share beyond a level for that within": (share_beyond_for_share_within, ("theorem-2",)),
    "total variation halved": (total_variation_halved, ("theorem-3",)),
}
