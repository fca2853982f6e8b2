"""Mutations of features among decision regions: their images, the turning of paths, and the noise."""

import numpy as np
import pytest

from claims.meta.mutations import Mutations
from featdyn_core.analysis.regions import turning
from featdyn_core.analysis.regions.axes import Noise
from featdyn_core.measures import last_layer


def images_in_another_order(patch: pytest.MonkeyPatch) -> None:
    original, rng = last_layer.read_by_the_last_layer, np.random.default_rng(0)
    patch.setattr(
        last_layer, "read_by_the_last_layer", lambda *given, **more: rng.permutation(original(*given, **more))
    )


def longer_when_turned(patch: pytest.MonkeyPatch) -> None:
    original = turning.turned
    patch.setattr(turning, "turned", lambda past, last, angle: original(last + 2 * (past - last), last, angle))


def no_noise(patch: pytest.MonkeyPatch) -> None:
    original = Noise.share_inside
    patch.setattr(Noise, "share_inside", lambda self, axes, _: original(self, axes, 0.0))


MUTATIONS: Mutations = {
    "features of images in another order at every epoch": (images_in_another_order, ("induction",)),
    "turned paths longer than real ones": (longer_when_turned, ("induction", "induction-imprint")),
    "noise not added to features": (no_noise, ("induction-axes", "induction-axes-against-random")),
}
