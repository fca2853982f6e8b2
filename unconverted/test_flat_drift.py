"""Flat drift, App. C.

    "The parameter sensitivity is getting small, so the dominant balance is [...]. This balance explains why deep
    classifiers remain predictive on features generated at earlier epochs: features drift in directions that are locally
    'flat' for the classifier. [...] However, this explanation is specific to the training set."

Measured: change of the logits, to first order at ``h_t(x)``, along the drift ``h_t(x) − h_s(x)`` of the features over a
late window, over that along random directions of equal norm, at the paper's three depths; training images decide.
**Reading:** the balance's formula is lost; "flat" is what changes the logits less than an isotropic random direction.

Control: the drift with its coordinates shuffled and of random signs, a random direction, whose ratio must be 1.
"""

import numpy as np
import pytest

from featdyn_core import Decide, Flatness, Judge, Lines, Measured, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("flat-drift")


def measure(run: Run) -> Measured:
    """One seed: the least flat depth and epoch, on each split."""
    found = run.read("flatness", "clean")
    names = {"drift": "drift", "other": "drift of another image", "shuffled": "shuffled drift"}
    series = {name: found["training"].ratio(along)[:, 0] for along, name in names.items()}
    depths = range(1, len(found["training"].cuts) + 1)
    return Measured(
        both_splits={
            split: {
                "change along the drift": float(one.ratio("drift").max()),
                "least change along the drift": float(one.ratio("drift").min()),
                "change along another image's drift": float(one.ratio("other").max()),
            }
            for split, one in found.items()
        },
        numbers={
            "change along the shuffled drift": max(np.abs(one.ratio("shuffled") - 1).max() for one in found.values())
        },
        curves={"change of the logits": Lines(depths, series, "depth", "ratio to random directions")},
    )


def world(rng: np.random.Generator, drift: float, *, shuffled: float = 1.0) -> Run:
    """Plant the changes along the drift and along the shuffled drift, in those along random directions."""
    random, moved = rng.uniform(0.5, 1.5, (3, 300)), rng.uniform(1, 2, (3, 3, 300))
    along = moved * random[:, None]
    flatness = Flatness(planted.DEPTHS, (14, 20, 26), drift * along, drift * along, shuffled * along, moved, random)
    return planted.run({"flatness": dict.fromkeys(("held-out", "training"), flatness)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, rng.normal(0.5, 0.05))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, rng.normal(2.0, 0.1))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.normal(1.0, 0.2))),
    "random-is-not-random": World(Verdict.INVALID, lambda rng: world(rng, rng.normal(0.5, 0.05), shuffled=1.5)),
    "null": World(None, lambda rng: world(rng, rng.normal(1.0, 0.1))),
}


def test_flat_drift(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_flat_drift_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
