"""Trainings broken: each takes the recipes whose trajectories it spoils, so that those are trained again."""

import pytest

from claims.meta.mutations import Break
from featdyn_core.trajectories import trajectory


def no_label_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trajectory, "randomize_labels", lambda labels, *_: labels)


MUTATIONS: dict[str, tuple[Break, tuple[str, ...], tuple[str, ...]]] = {
    "label noise not applied": (no_label_noise, ("random-label-collapse",), ("digits-small-noisy",)),
}
"""Name to how, what must turn red, and the recipes that are trained again."""
