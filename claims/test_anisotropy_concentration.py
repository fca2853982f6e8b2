"""Anisotropy concentration, section 6, Fig. 8 and 15.

    "Instead of spreading variance evenly across all directions, the feature perturbations concentrate strongly along a
    few dominant axes. [...] this anisotropic pattern persists throughout training."

Measured: feature changes of held-out images by one-step SGD updates, at the deepest of the paper's cuts, at the first,
the middle and the last epoch of a window. Two numbers decide, as means over images: the variance in the leading
directions, and the participation ratio relative to isotropic samples of the same size. The ratio also decides for
directions alone, with each change scaled to length 1. **Reading:** "a few" means five directions, which carry more than
half of the variance.

Controls: planted isotropic samples, Gaussian and heavy-tailed, must not count as concentrated more often than the level
allows. Their unit of replication is the draw.
"""

import dataclasses
import math

import numpy as np
import pytest

from featdyn_core import (
    Changes,
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    against_isotropy,
    by_criterion,
    concentrated,
    direction_shares,
    isotropic_changes,
    isotropic_p_values,
    isotropic_shares,
    planted,
    share_of,
    variance_shares,
)

pytestmark = pytest.mark.claim("anisotropy-concentration")

IMAGES = 8


def measure(run: Run) -> Measured:
    """Return one seed's mean concentration over images at each epoch, and that of planted samples."""
    changes, count = run.record("changes"), run.protocol["isotropic_draws"]
    found = [[against_isotropy(image, count) for image in epoch] for epoch in changes.sgd]
    size = changes.sgd[0][0].updates, changes.sgd[0][0].features
    draws, level, tail = (run.protocol[f"planted_{name}"] for name in ("draws", "level", "tail"))
    drawn = isotropic_changes(*size, draws, tail, seed=run.seed, stream="planted concentration")
    gaussian, heavy = (
        isotropic_p_values(samples, count, of)["top 5"]
        for samples, of in zip(drawn, (variance_shares, direction_shares), strict=True)
    )
    spectra = {f"epoch {epoch}": one[0].shares.values for epoch, one in zip(changes.epochs, found, strict=True)}
    spectra["isotropic"] = flat = isotropic_shares(*size, count).values.mean(axis=0)
    return Measured(
        numbers={
            **by_criterion(dict(zip(run.protocol["epochs"], map(concentrated, found), strict=True))),
            "isotropic Gaussian features concentrated": share_of(int(np.sum(gaussian <= level)), draws),
            "isotropic heavy tails concentrated": share_of(int(np.sum(heavy <= level)), draws),
        },
        curves={
            "spectrum by epoch": Lines(range(1, len(flat) + 1), spectra, "direction", "share of variance", log=True)
        },
    )


def world(rng: np.random.Generator, last: float, *, tail: float = math.inf, level: float = 0.05) -> Run:
    """Plant the strength of three directions at the last epoch, and the tail of the law; all images are equal."""
    drawn = Changes.planted((0, 1, 2), [[9.0], [9.0], [last]], rng, leading=3, tail=tail)
    changes = dataclasses.replace(drawn, sgd=[[*epoch] * IMAGES for epoch in drawn.sgd])
    return planted.run({"changes": changes}, protocol={"planted_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 9.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([2.0, 9.0]))),
    "heavy-tails-alone": World(Verdict.REFUTED, lambda rng: world(rng, 1.0, tail=1)),
    "tests-too-eager": World(Verdict.INVALID, lambda rng: world(rng, 9.0, level=0.3)),
    "null": World(None, lambda rng: world(rng, 4.9)),
}


def test_anisotropy_concentration(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_concentration_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
