"""Growing window at a constant rate, section 4.2, Fig. 3: the rival of the growing window, "it is only the schedule".

    "the window above 0.8 gradually expands (Fig. 3), indicating classifiers become more robust to temporally varying
    shallow features."

A falling learning rate makes the window grow by itself: the shallow part moves less in an epoch, so the same distance
takes more epochs. Measured at each depth: the windows of window-growth, in epochs, under a constant rate. The windows
as lengths of the path of the shallow part's parameters are reported, with their far end interpolated between
checkpoints. **Reading:** the path is the polygon through the checkpoints, in parameter units. Weight decay shrinks the
weights, so the same step becomes a larger part of them; this works against growth.

Controls: a planted network that turns its features at a steady pace has the same window at every epoch. Another turns
at half the pace in the second half of training; along its path the window is the same at every epoch.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    WHOLE_NETWORK,
    Counted,
    Decide,
    Judge,
    Measured,
    Run,
    TrainingPath,
    Verdict,
    World,
    by_depth,
    planted,
    planted_growth,
    windows_along_path,
    windows_in_epochs,
)

pytestmark = pytest.mark.claim("window-growth-constant-rate")

DEEP = range(8, 29, 4)
ARM = "constant"


def measure(run: Run) -> Measured:
    """Return one seed's windows in epochs and along the path at each depth, and those of planted networks."""
    level = run.protocol["level"]
    columns, slowing = (run.columns_by_epoch(name, ARM)["held-out"] for name in ("columns", "slowing"))
    found, along = windows_in_epochs(columns, level), windows_along_path(columns, run.record("path", ARM), level)
    steady = windows_in_epochs(run.columns_by_epoch("steady")["held-out"], level)
    slowed = windows_along_path(slowing, run.record("slowing path", ARM), level)
    return Measured(
        numbers={
            "rank correlation": found.trends,
            "window gained": by_depth(found.gained, of=1),
            "rank correlation at a steady pace": steady.trends["depth 1"],
            "window gained at a steady pace": Counted(steady.gained[0], 1),
            "window gained by slowing down, along the path": slowed.gained[0] / slowed.longest[0, -1],
            "ends between checkpoints": by_depth(found.between.mean(axis=1), of=len(found.epochs)),
            "rank correlation along the path": along.trends,
            "window gained along the path": by_depth(along.gained / along.longest[:, -1]),
        },
        curves={
            "memory window at a constant rate": found.lines("window above the level (epochs)"),
            "memory window along the path": along.lines("window above the level (length of the path)"),
        },
    )


def world(gained: npt.ArrayLike, *, steady: float = 0.0, slowed: float = 0.0) -> Run:
    """Plant the growth of windows in epochs, at all depths or (depths,), and that of the planted networks."""
    grown = {("columns", ARM): gained, ("steady", "clean"): steady, ("slowing", ARM): slowed}
    windows = {name: np.linspace(4, 4 + np.broadcast_to(more, 3), len(DEEP), axis=1) for name, more in grown.items()}
    columns = {name: {"held-out": planted_growth(DEEP, found)} for name, found in windows.items()}
    path = TrainingPath.planted(range(DEEP[-1] + 1), DEEP[-1], parts=[*planted.DEPTHS, WHOLE_NETWORK])
    return planted.run({**columns, ("path", ARM): path, ("slowing path", ARM): path})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(16, 2, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([16, 16, rng.normal(-4, 0.5)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(1, 4, 3))),
    "steady-pace-grows": World(Verdict.INVALID, lambda rng: world(rng.normal(16, 2, 3), steady=16)),
    "slowing-down-suffices": World(Verdict.INVALID, lambda rng: world(rng.normal(16, 2, 3), slowed=8)),
    "null": World(None, lambda rng: world([16, rng.normal(0.5, 4), 16])),
}


def test_window_growth_constant_rate(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_window_growth_constant_rate_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
