"""Flat drift, App. C.

    "This balance explains why deep classifiers remain predictive on features generated at earlier epochs: features
    drift in directions that are locally “flat” for the classifier."

Measured at each of the paper's depths: the change of the logits, to first order at ``h_t(x)``, along the drift ``h_t(x)
− h_s(x)`` of the features over a late window (s its first epoch, t its last), divided by the change along directions of
equal norm. Training images decide. **Reading:** the paper does not give the formula of the balance. "Flat" means that
the drift changes the logits less than a direction drawn from the covariance of the features. Features fill only a few
directions of their space, so isotropic directions are not a fair comparison; they are only reported.

Controls: another draw from the same covariance. The drift with shuffled coordinates and random signs, against isotropic
directions, shows that norms are equal.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import Decide, Flatness, Judge, Lines, Measured, Number, Run, Verdict, World, by_depth, planted

pytestmark = pytest.mark.claim("flat-drift")

DRAWN = {"drift": "drift", "other": "drift of another image", "redrawn": "another draw"}


def measure(run: Run) -> Measured:
    """Return how flat one seed's drift is, at each depth and on each split."""
    found: dict[str, Flatness] = dict(run.read("flatness", "clean"))
    training = found["training"]

    def ratios(along: str, over: str) -> dict[str, dict[str, Number]]:
        splits = {split: by_depth(one.ratio(along, over)[:, 0]) for split, one in found.items()}
        return {depth: {split: ratio[depth] for split, ratio in splits.items()} for depth in splits["training"]}

    series = {name: training.ratio(along, "drawn")[:, 0] for along, name in DRAWN.items()}
    depths = range(1, len(training.cuts) + 1)
    return Measured(
        numbers={
            "change along the drift": ratios("drift", "drawn"),
            "change along another draw": by_depth(training.ratio("redrawn", "drawn")[:, 0]),
            "change along the shuffled drift": by_depth(training.ratio("shuffled", "random")[:, 0]),
            "change along another image's drift": ratios("other", "drawn"),
            "change along the drift over isotropic directions": ratios("drift", "random"),
        },
        curves={"change of the logits": Lines(depths, series, "depth", "ratio to directions drawn from the features")},
    )


def world(drift: planted.Shares, *, redrawn: float = 1.0, shuffled: float = 1.0) -> Run:
    """Plant the changes along the drift at each depth, along another draw and along the shuffled drift."""
    found = Flatness.planted([14], drift, redrawn=redrawn)
    found = dataclasses.replace(found, shuffled=shuffled * found.shuffled)
    return planted.run({"flatness": planted.on_both_splits(found)})


def ratios_about(rng: np.random.Generator, *typical: float) -> planted.Shares:
    """Draw a log-normal ratio for each depth, around the typical one."""
    return np.exp(rng.normal(np.log(typical), 0.1))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(ratios_about(rng, 0.5, 0.5, 0.5))),
    "false": World(Verdict.REFUTED, lambda rng: world(ratios_about(rng, 0.5, 0.5, 2))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(ratios_about(rng, 0.5, 0.5, 0.98))),
    "draws-differ": World(Verdict.INVALID, lambda rng: world(ratios_about(rng, 0.5, 0.5, 0.5), redrawn=1.5)),
    "norms-differ": World(Verdict.INVALID, lambda rng: world(ratios_about(rng, 0.5, 0.5, 0.5), shuffled=1.5)),
    "null": World(None, lambda rng: world(ratios_about(rng, 0.5, 0.5, 1))),
}


def test_flat_drift(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_flat_drift_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
