"""Long windows at a small tolerance, section 7, definition 2.

    "Empirically, small prediction thresholds (ε) often correspond to large time windows (Δ)." "Neural networks tend to
    exhibit empirical-level memory, with most samples showing particle-level memory."

Measured, at the end of training: the longest ``Δ`` at which ``(ε, Δ)`` holds, that is at which composites of the last Δ
epochs miss the last network's prediction at a mean rate of at most ε = 0.05, as a share of training (empirical
level); and the share of images whose own such window is at least half of training (particle level). **Reading:** a
large window is more than half of training, and most samples are more than half of them. ``Δ(ε)`` does not fall as ε
grows, by definition, so that this decides nothing; the curve is drawn.

Control: a planted network that turns its features at a steady pace forgets all the time, and has a short window.
"""

from collections.abc import Callable

import numpy as np
import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    epsilon_window,
    planted,
    window_consistency,
    window_misses,
)

pytestmark = pytest.mark.claim("epsilon-window")

EPOCHS = range(0, 41, 2)


def measure(run: Run) -> Measured:
    """One seed: both levels on each split, at the depth where they are least; the empirical one of a steady turn."""
    columns, epsilon = run.columns("column"), run.protocol["epsilon"]
    (steady,) = run.columns("steady").values()
    return Measured(
        both_splits={
            split: {
                "window": float(min(longest(column, epsilon, window_misses))),
                "images with a long window": min(
                    (own >= 0.5).mean() for own in longest(column, epsilon, particle_misses)
                ),
            }
            for split, column in columns.items()
        },
        numbers={"window at a steady pace": float(min(longest(steady, epsilon, window_misses)))},
        curves={
            f"longest window at a tolerance, {split} images": curve(column, run.protocol["epsilons"], split)
            for split, column in columns.items()
        },
    )


def longest(column: Column, epsilon: float, misses: Callable[..., np.ndarray]) -> list[np.ndarray]:
    """Longest window over training at each depth: () at the empirical level, (N,) at the particle level."""
    rates = [misses(rows, column.reference) for rows in column.predictions]
    return [epsilon_window(found, column.epochs, epsilon) / np.ptp(column.epochs) for found in rates]


def particle_misses(predictions: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Miss rate of each image over every window, (U, N)."""
    return 1 - window_consistency(predictions, reference)


def curve(column: Column, epsilons: list[float], split: str) -> Lines:
    """Return the figure of the empirical level over the tolerance, one line a depth."""
    rows = np.array([longest(column, epsilon, window_misses) for epsilon in epsilons]).T
    series = {f"depth {depth}": row for depth, row in enumerate(rows, start=1)}
    return Lines(epsilons, series, "tolerance ε", "longest window Δ over training", bound=f"window, {split}")


def world(window: float, *, steady: float = 0.1) -> Run:
    """Plant windows as shares of training; what lies before misses all images."""

    def columns(share: float) -> dict[str, Column]:
        return planted.on_both_splits(
            Column.planted(EPOCHS, [1.0 if epoch < EPOCHS[-1] * (1 - share) else 0 for epoch in EPOCHS])
        )

    records = {"column": columns(window), "steady": {"held-out": columns(steady)["held-out"]}}
    return planted.run(records, protocol={"epsilon": 0.05, "epsilons": [0.02, 0.05]})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.9, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.2, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.5, 0.1))),
    "steady-pace-remembers": World(Verdict.INVALID, lambda rng: world(rng.normal(0.9, 0.02), steady=0.9)),
    "null": World(None, lambda rng: world(rng.normal(0.47, 0.1))),
}


def test_epsilon_window(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_epsilon_window_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
