"""Unseen and corrupted images, section 5, Fig. 7a,c and 16.

    "When trained with clean labels, consistency distributions remain sharply concentrated near 1.0 [on the CIFAR-10
    test set and on CIFAR-10C], showing that training-induced temporal augmentations generalize to both unseen and
    corrupted inputs. [...] The high concentration of consistency values near 1.0 across all corruption types [...]"

Measured: point-wise consistency over a late window, t its end, at the paper's three depths, on test images as they are
and under each corruption of CIFAR-10-C at severity 5; evidence says whether those are the official images or
synthesised ones. **Reading:** "concentrated near 1" is a median of at least 0.95 at every depth. A median says
little: one image in two may waver. The mean is reported for each corruption.

Controls: a stranger's shallow half is not consistent; random images of the same mean and covariance are classified less
consistently than test images; blurred images are not classified as if they were sharp. The median of random images is
reported, and whether corrupted images do better than they is asked by the claim beyond-random-images.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import (
    CORRUPTION_KINDS,
    Column,
    Decide,
    Judge,
    Measured,
    Run,
    Stranger,
    Verdict,
    World,
    cumulative,
    planted,
)

pytestmark = pytest.mark.claim("unseen-corrupted")

BLUR = "gaussian_blur"
GREY = [kind for kind in CORRUPTION_KINDS if kind != "saturate"]
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """One seed: consistency at the depth where it is least, for each corruption."""
    test, corrupted, random = run.columns("column")["held-out"], run.columns("corrupted"), run.record("random")
    lost = test.consistency.mean(axis=1) - random.consistency.mean(axis=1)
    shown = {"test images": test, BLUR: corrupted[BLUR], "random images": random}
    return Measured(
        numbers={
            "median consistency of test images": median(test),
            "median consistency of random images": median(random),
            "agreement of a stranger": float(run.record("stranger").agreement.max()),
            "consistency lost on random images": float(lost.min()),
            f"predictions changed by {BLUR}": float((corrupted[BLUR].reference != test.reference).mean()),
        },
        both_splits={
            kind: {
                "median consistency": median(column),
                "mean consistency": float(column.consistency.mean(axis=1).min()),
            }
            for kind, column in corrupted.items()
        },
        curves={
            f"consistency at depth {depth}": cumulative(
                {name: item.consistency[depth - 1] for name, item in shown.items()}
            )
            for depth in range(1, len(test.cuts) + 1)
        },
    )


def median(column: Column) -> float:
    """Median over images of point-wise consistency, at the depth where it is least."""
    return float(np.median(column.consistency, axis=1).min())


def world(missed: float, *, random: float = 0.5, blurred: float = 0.5) -> Run:
    """Plant the share of corrupted and of random images that a window's first composite misses.

    ``blurred`` is the share of images that ``f_t`` classifies otherwise under any corruption.
    """
    column = Column.planted(EPOCHS, [missed, missed, 0])
    moved = np.where(np.arange(planted.IMAGES) < round(blurred * planted.IMAGES), 1, 0)
    changed = {name: (getattr(column, name) + moved) % planted.CLASSES for name in ("predictions", "reference")}
    corrupted = dict.fromkeys(GREY, dataclasses.replace(column, **changed))
    records = {
        "column": planted.on_both_splits(Column.planted(EPOCHS, [0.02, 0.01, 0])),
        "corrupted": corrupted,
        "random": Column.planted(EPOCHS, [random, random / 2, 0]),
        "stranger": Stranger.planted(0.1),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.2, 0.05))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.7, 0.05))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.5, 0.1))),
    "random-is-consistent": World(Verdict.INVALID, lambda rng: world(rng.normal(0.2, 0.05), random=0.01)),
    "nothing-corrupted": World(Verdict.INVALID, lambda rng: world(rng.normal(0.2, 0.05), blurred=0.0)),
    "null": World(None, lambda rng: world(rng.normal(0.5, 0.05))),
}


def test_unseen_corrupted(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_unseen_corrupted_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
