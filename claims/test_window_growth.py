"""Growing window, section 4.2, Fig. 3.

    "As training proceeds, deep networks increasingly reuse earlier features. [...] the window above 0.8 gradually
    expands (Fig. 3)"

Measured at each depth on held-out images: the memory window ``W_0.8(t)`` in epochs, for deep epochs t from a quarter of
training to its end, each over all checkpoints up to t. The numbers are its rank correlation with t, and the window at
the end minus the window at a quarter. W cannot exceed t, so a network that forgets nothing has a growing window.
``W/t`` is therefore reported, and so are the windows as lengths of the path of the shallow part's parameters.
**Reading:** before a quarter of training, t itself bounds W, so these epochs are left out. If a window ends between two
checkpoints that are several epochs apart, it may be longer than measured. The share of such windows is reported, and
the figure shows the range. The claim window-growth-constant-rate tests whether the schedule alone makes the window
grow.

Control: a planted network turns its features at a steady pace. Agreement then depends only on the number of epochs
between the parts, so the window has the same length at every epoch.
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

pytestmark = pytest.mark.claim("window-growth")

DEEP = range(8, 29, 4)


def measure(run: Run) -> Measured:
    """Return one seed's windows over the deep epoch at each depth, in epochs, along the path, and at a steady pace."""
    level, columns = run.protocol["level"], run.columns_by_epoch("columns")["held-out"]
    found, along = windows_in_epochs(columns, level), windows_along_path(columns, run.record("path"), level)
    steady = windows_in_epochs(run.columns_by_epoch("steady")["held-out"], level)
    return Measured(
        numbers={
            "rank correlation": found.trends,
            "window gained": by_depth(found.gained, of=1),
            "rank correlation at a steady pace": steady.trends["depth 1"],
            "window gained at a steady pace": Counted(steady.gained[0], 1),
            "ends between checkpoints": by_depth(found.between.mean(axis=1), of=len(found.epochs)),
            "window over t at the end": by_depth(found.shares[:, -1]),
            "window over t gained": by_depth(found.shares[:, -1] - found.shares[:, 0]),
            "rank correlation along the path": along.trends,
            "window gained along the path": by_depth(along.gained / along.longest[:, -1]),
        },
        curves={"memory window": found.lines("window above the level (epochs)")},
    )


def world(gained: npt.ArrayLike, *, steady: float = 0.0) -> Run:
    """Plant the growth of windows in epochs, at all depths or (depths,), and the growth at a steady pace."""
    grown = {"columns": np.broadcast_to(gained, 3), "steady": np.full(3, steady)}
    windows = {name: np.linspace(4, 4 + more, len(DEEP), axis=1) for name, more in grown.items()}
    records = {name: {"held-out": planted_growth(DEEP, found)} for name, found in windows.items()}
    path = TrainingPath.planted(range(DEEP[-1] + 1), DEEP[-1], parts=[*planted.DEPTHS, WHOLE_NETWORK])
    return planted.run({**records, "path": path})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(16, 2, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([16, 16, rng.normal(-4, 0.5)])),
    "nothing-grows": World(Verdict.INCONCLUSIVE, lambda _: world(0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(1, 4, 3))),
    "steady-pace-grows": World(Verdict.INVALID, lambda rng: world(rng.normal(16, 2, 3), steady=16)),
    "null": World(None, lambda rng: world([16, rng.normal(0.5, 4), 16])),
}


def test_window_growth(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_window_growth_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
