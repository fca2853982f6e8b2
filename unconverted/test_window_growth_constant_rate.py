"""Growing window at a constant rate, section 4.2, Fig. 3: the rival of the growing window, "it is only the schedule".

    "The window above 0.8 gradually expands, indicating classifiers become more robust to temporally varying shallow
    features."

A learning rate that falls makes the window grow without any help: the shallow half goes less far in an epoch, so that
the same distance is more epochs. Measured: the window of window-growth under a constant rate, as the length of the
path that the parameters of the shallow part went in it; the far end of the window is interpolated between checkpoints.
**Reading:** the path is the polygon through the checkpoints, in parameter units. That weight decay makes the same step
a larger part of the shrinking weights speaks against growth, not for it. In epochs it is reported.

Control: a planted network that turns its features, at half the pace from half of the training on. Along its path
the window is as long at every epoch; in epochs it doubles, which is reported.
"""

import numpy as np
import pytest

from featdyn_core import (
    WHOLE_NETWORK,
    Decide,
    Judge,
    Measured,
    Run,
    TrainingPath,
    Verdict,
    World,
    planted,
    planted_growth,
    windows_along_path,
    windows_in_epochs,
)

pytestmark = pytest.mark.claim("window-growth-constant-rate")

DEEP = range(8, 29, 4)
ARM = "constant"


def measure(run: Run) -> Measured:
    """One seed: windows along the path, at the depth where they grow least; those of a network that slows down."""
    level = run.protocol["level"]
    columns, slowing = (run.columns_by_epoch(name, ARM)["held-out"] for name in ("columns", "slowing"))
    epochs, found = windows_in_epochs(columns, level), windows_along_path(columns, run.record("path", ARM), level)
    slowed = windows_along_path(slowing, run.record("slowing path", ARM), level)
    return Measured(
        numbers={
            "rank correlation along the path": found.trend,
            "window gained along the path": found.gained,
            "window gained by slowing down": slowed.gained,
            "window gained by slowing down, in epochs": windows_in_epochs(slowing, level).gained,
            "window over path at the end": float(found.shares[:, -1].min()),
            "rank correlation": epochs.trend,
            "window gained": epochs.gained,
        },
        curves={
            "memory window along the path": found.lines("window above the level (length of the path)"),
            "memory window at a constant rate": epochs.lines("window above the level (epochs)"),
        },
    )


def world(gained: float, *, slowed: float = 0.0) -> Run:
    """Plant by how many epochs of equal steps windows grow; by how many they do in the network that slows down."""
    more = {"columns": gained, "slowing": slowed}
    windows = {name: np.linspace(4, 4 + grown, len(DEEP)) for name, grown in more.items()}
    columns = {(name, ARM): {"held-out": planted_growth(DEEP, found)} for name, found in windows.items()}
    path = TrainingPath.planted(range(DEEP[-1] + 1), DEEP[-1], parts=[*planted.DEPTHS, WHOLE_NETWORK])
    return planted.run({**columns, ("path", ARM): path, ("slowing path", ARM): path})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(16, 2))),
    "false": World(Verdict.REFUTED, lambda _: world(0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(1, 4))),
    "slowing-down-suffices": World(Verdict.INVALID, lambda rng: world(rng.normal(16, 2), slowed=8)),
    "null": World(None, lambda rng: world(rng.normal(0, 4))),
}


def test_window_growth_constant_rate(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_window_growth_constant_rate_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
