"""Mutations of distances between features: what they compare, and with which class's gap."""

import numpy as np
import pytest

from claims.meta.mutations import Mutations
from featdyn_core.measures.distances import surrogates
from featdyn_core.measures.distances.discrepancies import sliced_wasserstein
from featdyn_core.records.surrogates import Surrogates


def training_for_held_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(surrogates, "sliced_wasserstein", lambda x, _, **options: sliced_wasserstein(x, x, **options))


def classes_not_shuffled(patch: pytest.MonkeyPatch) -> None:
    original = Surrogates.__init__

    def orderly(self, **fields):
        original(self, **fields | {"shuffles": np.sort(fields["shuffles"], axis=1)})

    patch.setattr(Surrogates, "__init__", orderly)


MUTATIONS: Mutations = {
    "training features compared with themselves": (training_for_held_out, ("bridge",)),
    "classes not shuffled": (classes_not_shuffled, ("bridge",)),
}
