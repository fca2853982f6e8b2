"""Growing window, section 4.2, Fig. 3.

    "As training proceeds, deep networks increasingly reuse earlier features. [...] the window above 0.8 gradually
    expands."

Measured: the memory window ``W_0.8(t)``, in epochs, of deep epochs t from a quarter of training to its end, each over
all checkpoints up to it, on held-out images; its rank correlation with t, and the window at the end minus that at a
quarter. W cannot exceed t, so that a network that forgets nothing has a growing window: ``W/t`` is reported beside it.
**Reading:** before a quarter t itself bounds W, and such epochs are left out. Whether the schedule alone makes the
window is asked by the claim window-growth-constant-rate; at small scale the rate is constant in both.

Control: a planted network that turns its features at a steady pace. There agreement depends on the number of epochs
between the halves alone, so that the window is as long at every epoch.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import Decide, Judge, Measured, Run, Verdict, World, planted, planted_growth, windows_in_epochs

pytestmark = pytest.mark.claim("window-growth")

DEEP = range(8, 29, 4)


def measure(run: Run) -> Measured:
    """One seed: windows over the deep epoch, at the depth where they grow least; those at a steady pace."""
    level = run.protocol["level"]
    found = windows_in_epochs(run.columns_by_epoch("columns")["held-out"], level)
    steady = windows_in_epochs(run.columns_by_epoch("steady")["held-out"], level)
    return Measured(
        numbers={
            "rank correlation": found.trend,
            "window gained": found.gained,
            "rank correlation at a steady pace": steady.trend,
            "window gained at a steady pace": steady.gained,
            "window over t at the end": float(found.shares[:, -1].min()),
            "window over t gained": float((found.shares[:, -1] - found.shares[:, 0]).min()),
        },
        curves={"memory window": found.lines("window above the level (epochs)")},
    )


def world(gained: float, *, steady: float = 0.0, noise: float | npt.NDArray[np.float64] = 0.0) -> Run:
    """Plant by how many epochs windows grow, and at a steady pace, and by how many else they differ, (T,)."""
    windows = {
        "columns": np.linspace(4, 4 + gained, len(DEEP)) + noise,
        "steady": np.linspace(4, 4 + steady, len(DEEP)),
    }
    records = {name: {"held-out": planted_growth(DEEP, found)} for name, found in windows.items()}
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(16, 2))),
    "false": World(Verdict.REFUTED, lambda _: world(0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(1, 4))),
    "steady-pace-grows": World(Verdict.INVALID, lambda rng: world(rng.normal(16, 2), steady=16)),
    "null": World(None, lambda rng: world(0, noise=rng.uniform(-4, 4, len(DEEP)))),
}


def test_window_growth(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_window_growth_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
