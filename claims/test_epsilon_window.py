"""Long windows at a small tolerance, section 7, definition 2.

    "Empirically, small prediction thresholds [...] often correspond to large time windows [...]" (section 7) "as
    training progresses, neural networks tend to exhibit empirical-level memory, with most samples showing
    particle-level memory." (App. G)

Measured at the end of training and at each depth, at two levels. Empirical level: the longest ``Δ`` at which ``(ε, Δ)``
holds, as a share of training; it holds if the composites of the last Δ epochs miss the last network's prediction at a
mean rate of at most ε = 0.05. Particle level: the share of images whose own window of this kind covers at least half of
training. Every epoch counts once, wherever the checkpoints lie. **Reading:** a large window is more than half of
training, and most samples are more than half of them. By definition ``Δ(ε)`` cannot fall as ε grows, so that decides
nothing.

Control: a planted network that turns its features at a steady pace forgets all the time, and has a short window.
"""

import numpy as np
import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Lines,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    epsilon_window,
    miss_rates,
    planted,
    share_of,
    with_splits,
)

pytestmark = pytest.mark.claim("epsilon-window")

EPOCHS = range(0, 41, 2)


def measure(run: Run) -> Measured:
    """Return one seed's windows at both levels for each split and depth, and the empirical one at a steady pace."""
    columns, epsilon = run.columns("column"), run.protocol["epsilon"]
    return Measured(
        numbers=with_splits({split: levels(column, epsilon) for split, column in columns.items()})
        | {"window at a steady pace": levels(run.columns("steady")["held-out"], epsilon)["window"]["depth 1"]},
        curves={
            f"longest window at a tolerance, {split} images": curve(
                column, run.protocol["epsilons"], f"window, {split}"
            )
            for split, column in columns.items()
        },
    )


def levels(column: Column, epsilon: float) -> dict[str, dict[str, Number]]:
    """Return, at each depth, the longest window and the share of images with at least half, relative to training."""
    training = int(np.ptp(column.epochs))
    found: dict[str, dict[str, Number]] = {"window": {}, "images with a long window": {}}
    for depth, rows in enumerate(column.predictions, start=1):
        rates = miss_rates(rows, column.reference, column.epochs)
        together, each = (epsilon_window(rate, column.epochs, epsilon) for rate in rates)
        found["window"][f"depth {depth}"] = share_of(int(together), training)
        long = int((2 * each >= training).sum())
        found["images with a long window"][f"depth {depth}"] = share_of(long, column.images)
    return found


def curve(column: Column, epsilons: list[float], bound: str) -> Lines:
    """Return the figure of the empirical level over the tolerance, one line per depth, with a criterion's bound."""
    shares = [[float(share) for share in levels(column, epsilon)["window"].values()] for epsilon in epsilons]
    series = {f"depth {depth}": row for depth, row in enumerate(np.array(shares).T, start=1)}
    return Lines(epsilons, series, "tolerance ε", "longest window Δ over training", bound)


def world(window: planted.Shares, *, steady: float = 0.1) -> Run:
    """Plant windows as shares of training, at all depths or (depths,); earlier composites miss all images."""

    def columns(share: planted.Shares) -> dict[str, Column]:
        begins = EPOCHS[-1] * (1 - np.broadcast_to(share, 3))
        return planted.on_both_splits(Column.planted(EPOCHS, (np.asarray(EPOCHS) < begins[:, None]) * 1.0))

    records = {"column": columns(window), "steady": columns(steady)}
    return planted.run(records, protocol={"epsilon": 0.05, "epsilons": [0.02, 0.05]})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.9, 0.02, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.9, 0.9, rng.normal(0.2, 0.02)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.5, 0.1, 3))),
    "steady-pace-remembers": World(Verdict.INVALID, lambda rng: world(rng.normal(0.9, 0.02, 3), steady=0.9)),
    "null": World(None, lambda rng: world([0.9, rng.normal(0.525, 0.1), 0.9])),
}


def test_epsilon_window(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_epsilon_window_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
