"""Anisotropy concentration, section 6, Fig. 8 and 15.

    "Instead of spreading variance evenly across all directions, the feature perturbations concentrate strongly along a
    few dominant axes. [...] This anisotropic pattern persists throughout training."

Measured: feature changes of held-out samples by one-step SGD updates, deepest of the paper's cuts, six epochs; shares
of variance in the leading directions and participation ratio, beside isotropic samples of the same size; the same of
directions alone, each change at length 1. **Reading:** "a few" are five, and carry more than half of the variance.

Controls: planted isotropic Gaussian features and heavy tails, whose top five must not pass for concentrated more often
than the level allows; the draw is their unit of replication.
"""

import math

import numpy as np
import pytest

from featdyn_core import (
    ChangeGram,
    Changes,
    Decide,
    Draws,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    against_isotropy,
    direction_shares,
    isotropic_p_values,
    isotropic_shares,
    numpy_generator,
    planted,
    variance_shares,
)

pytestmark = pytest.mark.claim("anisotropy-concentration")


def measure(run: Run) -> Measured:
    """One seed: the least concentrated epoch and sample, and the planted samples of this seed."""
    changes, count = run.record("changes"), run.protocol["isotropic_draws"]
    sgd, noise = zip(*([against_isotropy(gram, count) for gram in pair] for pair in changes.pairs), strict=True)
    size = len(changes.sgd[0][0].products), changes.sgd[0][0].features
    rng = numpy_generator(run.seed, "measure", "planted concentration")
    draws, level, tail = (run.protocol[f"planted_{name}"] for name in ("draws", "level", "tail"))
    gaussian = [isotropic_p_values(ChangeGram.gaussian(*size, rng), count, variance_shares) for _ in range(draws)]
    heavy = [
        isotropic_p_values(ChangeGram.heavy_tailed(*size, tail, rng), count, direction_shares) for _ in range(draws)
    ]
    first = zip(changes.epochs, sgd[:: len(changes.sgd[0])], strict=True)
    spectra = {f"epoch {epoch}": found.shares.values for epoch, found in first}
    spectra["isotropic"] = flat = isotropic_shares(*size, count).values.mean(axis=0)
    return Measured(
        numbers={
            **{f"variance in the top {k}": min(float(one.shares.top(k)) for one in sgd) for k in (1, 5, 10)},
            "isotropic p (log10)": math.log10(max(max(one.p_values.values()) for one in sgd)),
            "isotropic p of directions (log10)": math.log10(max(max(one.of_directions.values()) for one in sgd)),
            "participation ratio against isotropic": max(one.participation for one in sgd),
            "isotropic Gaussian features concentrated": Draws(sum(p["top 5"] <= level for p in gaussian), draws),
            "isotropic heavy tails concentrated": Draws(sum(p["top 5"] <= level for p in heavy), draws),
            "variance in the top 5, parameter noise": max(float(one.shares.top(5)) for one in noise),
        },
        curves={
            "spectrum by epoch": Lines(range(1, len(flat) + 1), spectra, "direction", "share of variance", log=True)
        },
    )


def world(rng: np.random.Generator, strength: float, *, tail: float = 1e9, level: float = 0.05) -> Run:
    """Plant changes of which three directions have a multiple of the others' standard deviation, and their tail."""
    sample = rng.standard_normal((48, 64)) * np.r_[[strength] * 3, np.ones(61)]
    gram = ChangeGram.of(sample / np.sqrt(rng.chisquare(tail, (48, 1)) / tail))
    return planted.run({"changes": Changes((0,), [[gram]], [[gram]])}, protocol={"planted_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 9.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([3.0, 9.0]))),
    "heavy-tails-alone": World(Verdict.REFUTED, lambda rng: world(rng, 1.0, tail=1)),
    "tests-too-eager": World(Verdict.INVALID, lambda rng: world(rng, 9.0, level=0.3)),
    "null": World(None, lambda rng: world(rng, 1.0, tail=rng.choice([1.0, 1e9]))),
}


def test_anisotropy_concentration(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_concentration_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
