"""Anisotropy rejection, section 6 and App. E, Fig. 8 and 15.

    "Across epochs and data points, the null hypothesis of isotropy is consistently rejected with extremely small
    [...]-values (often <0.001). This provides rigorous statistical evidence that SGD-induced noise forms a structured
    distribution"

Measured: feature changes of held-out images by repeated one-step SGD updates from one checkpoint, at the deepest of the
paper's cuts, at the first and the last epoch of a window. The number is the share of images for which two tests reject
isotropy. One is the paper's test, calibrated by parametric bootstrap. Its statistic also rejects isotropic samples with
heavy tails, so the second is the multivariate sign test, which keeps its size for every elliptical distribution. The
claim anisotropy-beyond-jacobian tests what the Jacobian alone makes of isotropic noise.

Controls: the two tests must not reject planted isotropic samples of the same size, Gaussian and heavy-tailed, more
often than their level allows. The draws of all seeds are judged together.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from featdyn_core import (
    Changes,
    Counted,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    isotropic_changes,
    isotropy_test,
    planted,
    share_of,
    sign_test,
    spectrum_lines,
)

pytestmark = pytest.mark.claim("anisotropy-rejection")

IMAGES = 64


def measure(run: Run) -> Measured:
    """Return one seed's shares of images with anisotropic changes at each epoch, and of rejected planted samples."""
    changes, protocol = run.record("changes"), run.protocol
    bootstrap, level = {"draws": protocol["bootstrap_draws"]}, protocol["planted_level"]
    ends, least = protocol["window_ends"], protocol["p_value"]
    paper = [[isotropy_test(image, **bootstrap).p_value for image in epoch] for epoch in changes.sgd]
    signs = [[sign_test(image).p_value for image in epoch] for epoch in changes.sgd]
    tests = {"both tests": np.maximum(paper, signs), "the paper's test": paper, "the sign test": signs}
    found = {test: [rejected(epoch, least) for epoch in p_values] for test, p_values in tests.items()}
    size, draws = (changes.sgd[0][0].updates, changes.sgd[0][0].features), protocol["planted_draws"]
    gaussian, heavy = isotropic_changes(
        *size, draws, protocol["planted_tail"], seed=run.seed, stream="planted isotropy"
    )
    drawn = {"SGD": changes.sgd[-1][0], "parameter noise": changes.noise[-1][0], "isotropic Gaussian": gaussian[0]}
    found_gaussian = [isotropy_test(sample, **bootstrap).p_value for sample in gaussian]
    return Measured(
        numbers={
            **{f"rejected by {test}": dict(zip(ends, counts, strict=True)) for test, counts in found.items()},
            "rejections of isotropic Gaussian features": rejected(found_gaussian, level),
            "rejections of isotropic heavy tails": rejected([sign_test(sample).p_value for sample in heavy], level),
        },
        curves={"spectrum of feature changes": spectrum_lines(drawn)},
    )


def rejected(p_values: Sequence[float], level: float) -> Counted:
    """Count the samples that a test rejects at a level."""
    return share_of(sum(p <= level for p in p_values), len(p_values))


def world(rng: np.random.Generator, isotropic: Sequence[int], *, tail: float = math.inf, level: float = 0.05) -> Run:
    """Plant the number of images with isotropic changes at the first and the last epoch, and the tail of the law."""
    drawn = Changes.planted((0, 1), [[1.0, 6.0]] * 2, rng, tail=tail)
    images = [[even] * n + [led] * (IMAGES - n) for (even, led), n in zip(drawn.sgd, isotropic, strict=True)]
    return planted.run({"changes": dataclasses.replace(drawn, sgd=images)}, protocol={"planted_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, [0, rng.binomial(1, 0.3)])),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, [0, rng.binomial(IMAGES, 0.3)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, [0, 6 * rng.binomial(1, 0.6)])),
    "heavy-tails-alone": World(Verdict.REFUTED, lambda rng: world(rng, [0, IMAGES], tail=5)),
    "tests-too-eager": World(Verdict.INVALID, lambda rng: world(rng, [0, 0], level=0.3)),
    "null": World(None, lambda rng: world(rng, [0, rng.binomial(IMAGES, 0.05)])),
}


def test_anisotropy_rejection(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_rejection_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
