"""Random-label collapse, section 5, Fig. 7 and 17, Table 1.

    "When 40 % of training labels are randomized, the consistency distributions [...] collapse: long tails emerge and
    mass shifts away from 1.0."

Measured: point-wise consistency over a late window, t its end, at the paper's three depths; the share of images at
exactly 1 and the mean, clean against noisy, seed by seed. **Reading:** the window lies behind the last step of the
learning rate, as the paper's does; a wider one that crosses it is reported. So are the mass below 0.8 and the paper's
own Welch test between the images of two networks, which are no replicates of a training.

Controls: two clean trainings differ by their seed only and must not collapse against each other; nor must a training
whose classes are renamed consistently, where labels change but keep their meaning.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    cumulative,
    planted,
    share_at_one,
    tail_mass,
    welch,
)

pytestmark = pytest.mark.claim("random-label-collapse")

LEAST_P = 1e-300
"""Stands in for p-values that underflow, so that their logarithm is finite."""

Consistency = npt.NDArray[np.float64]
"""Point-wise consistency, (depths, N)."""

EPOCHS = range(20, 41, 4)


def measure(run: Run) -> Measured:
    """One seed: what noise takes away, at the depth where it takes least."""
    arms = {arm: consistency(run, arm) for arm in ("clean", "noisy", "permuted")}
    clean, noisy, renamed = arms.values()
    neighbour = consistency(run.neighbour(), "clean")
    of_clean, of_noisy = (consistency(run, arm, "wider")["held-out"] for arm in ("clean", "noisy"))
    welch_p = [welch(*pair) for pair in zip(clean["held-out"], noisy["held-out"], strict=True)]
    below = functools.partial(tail_mass, level=run.protocol["level"])
    return Measured(
        both_splits={
            split: {
                "mass lost at 1": min(lost(clean[split], noisy[split], share_at_one)),
                "mean consistency lost": min(lost(clean[split], noisy[split], np.mean)),
            }
            for split in clean
        },
        numbers={
            "share at 1 between seeds": max(map(abs, lost(clean["held-out"], neighbour["held-out"], share_at_one))),
            "share at 1 under renaming": max(map(abs, lost(clean["held-out"], renamed["held-out"], share_at_one))),
            "tail mass gained": min(lost(noisy["held-out"], clean["held-out"], below)),
            "mass lost at 1, wider window": min(lost(of_clean, of_noisy, share_at_one)),
            "Welch p (log10)": max(math.log10(max(p, LEAST_P)) for p in welch_p),
            "Welch p below 0.001": float(max(welch_p) < 1e-3),
        },
        curves={
            f"consistency at depth {depth + 1}": cumulative(
                {arm: found["held-out"][depth] for arm, found in arms.items()}
            )
            for depth in range(len(clean["held-out"]))
        },
    )


def consistency(run: Run, arm: str, window: str = "consistency") -> dict[str, Consistency]:
    """Point-wise consistency over a window, by split."""
    ends = run.window(window)
    return {
        split: column.within(ends.first, ends.last).consistency for split, column in run.columns("column", arm).items()
    }


def lost(one: Consistency, other: Consistency, number: Callable[..., Any]) -> list[float]:
    """Difference of a number of the distributions, at each depth."""
    return [float(number(a) - number(b)) for a, b in zip(one, other, strict=True)]


def world(clean: float, noisy: float, renamed: float) -> Run:
    """Plant the largest share of images that a composite of the window misses, for each arm."""
    shares = {"clean": clean, "noisy": noisy, "permuted": renamed}
    records = {
        ("column", arm): planted.on_both_splits(Column.planted(EPOCHS, [*[share] * (len(EPOCHS) - 1), 0]))
        for arm, share in shares.items()
    }
    return planted.run(records, windows={"consistency": (28, 40), "wider": (20, 40)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(0.02, rng.normal(0.5, 0.02), 0.03)),
    "false": World(Verdict.REFUTED, lambda rng: world(0.3, rng.normal(0.1, 0.02), 0.3)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(0.1, rng.normal(0.13, 0.08), 0.1)),
    "renaming-collapses": World(Verdict.INVALID, lambda rng: world(0.02, rng.normal(0.5, 0.02), 0.5)),
    "null": World(None, lambda rng: world(*rng.uniform(0, 0.06, 3))),
}


def test_random_label_collapse(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_random_label_collapse_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
