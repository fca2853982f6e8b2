"""Noise aligned with drift, section 1 (contributions).

    "Through perturbation analysis, we demonstrate that SGD injects anisotropic noise aligned with feature dynamics"

Measured at the first and the last epoch t of a window, at the deepest of the paper's cuts: the share of an image's
drift ``h_t'(x) − h_t(x)`` along the leading axes of its changes by single SGD updates at t, mean over held-out images.
Any few axes hold some of a drift, so this share is divided by the share along axes drawn from the covariance of ``h_t``
over images. **Reading:** t' is the checkpoint after t, so the last t is the last checkpoint of the window that has a
successor.

Control: other draws from that covariance replace the noise's axes. Drift drawn from the covariance would not be a
control, because its ratio is 1 only if the noise has the shape of the features. It is reported, and so is the drift of
another image.
"""

import numpy as np
import pytest

from featdyn_core import Alignment, Decide, Judge, Measured, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("noise-aligned-with-drift")

RATIOS = {
    "drift along the noise": "drift",
    "drift along random axes": "redrawn",
    "drift of another image": "other",
    "drawn drift": "drawn",
}
IMAGES = 32


def measure(run: Run) -> Measured:
    """Return one seed's share of drift along noise axes, divided by that along random axes, at each epoch."""
    alignment, ends = run.record("alignment"), run.protocol["window_ends"]
    return Measured({name: dict(zip(ends, alignment.ratio(of).tolist(), strict=True)) for name, of in RATIOS.items()})


def world(rng: np.random.Generator, first: float, last: float, *, redrawn: float = 0.2) -> Run:
    """Plant the share of the drift along the noise at both epochs; along random axes it is 0.2."""
    drift = [np.full(IMAGES, first), np.full(IMAGES, last)]
    again = rng.normal(redrawn, 0.004, (2, 1))
    return planted.run({"alignment": Alignment.planted((0, 1), drift, redrawn=again)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, *rng.normal(0.5, 0.05, 2))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 0.5, rng.normal(0.15, 0.01))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, 0.5, rng.normal(0.2, 0.03))),
    "random-axes-apart": World(Verdict.INVALID, lambda rng: world(rng, 0.5, 0.5, redrawn=0.3)),
    "null": World(None, lambda rng: world(rng, 0.5, rng.normal(0.2, 0.02))),
}


def test_noise_aligned_with_drift(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_noise_aligned_with_drift_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
