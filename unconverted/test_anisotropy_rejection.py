"""Anisotropy rejection, section 6 and App. E, Fig. 8 and 15.

    "Across epochs and data points, the null hypothesis of isotropy is consistently rejected with extremely small
    p-values (often < 0.001). This provides rigorous statistical evidence that SGD-induced noise forms a structured
    distribution."

Measured: feature changes of fixed held-out samples by repeated one-step SGD updates from one checkpoint, at the
deepest of the paper's cuts, at the first and the last epoch of a window; the paper's test of isotropy, calibrated
by parametric bootstrap, and the multivariate sign test, which holds its size for every elliptical law. The paper's
statistic also rejects isotropic samples with heavy tails, so its rejection counts only if the sign test rejects as
well. What the Jacobian alone makes of isotropic noise is asked by the claim anisotropy-beyond-jacobian.

Controls: planted isotropic Gaussian features and planted isotropic heavy tails of the same size, which the two
tests must not reject more often than their level allows. No training has touched these samples, so the draw is
their unit of replication, and all seeds' draws are judged together.
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
    isotropy_test,
    numpy_generator,
    participation_ratio,
    planted,
    sign_test,
    spectrum,
)

pytestmark = pytest.mark.claim("anisotropy-rejection")

LEAST_P = 1e-300
DIRECTIONS = 20


def measure(run: Run) -> Measured:
    """One seed: the weakest rejection over epochs and samples, and the planted samples of this seed."""
    changes, protocol = run.record("changes"), run.protocol
    tested = [sample for epoch in changes.sgd for sample in epoch]
    rng = numpy_generator(run.seed, "measure", "planted isotropy")
    shape = len(tested[0].products), tested[0].features
    gaussian = [ChangeGram.gaussian(*shape, rng) for _ in range(protocol["planted_draws"])]
    heavy = [ChangeGram.heavy_tailed(*shape, protocol["planted_tail"], rng) for _ in range(protocol["planted_draws"])]
    drawn = {"SGD": changes.sgd[-1][0], "parameter noise": changes.noise[-1][0], "isotropic Gaussian": gaussian[0]}
    flat = [participation_ratio(sample) for sample in gaussian]  # a sample covariance is not the identity
    bootstrap = {"draws": protocol["bootstrap_draws"]}
    return Measured(
        numbers={
            "bootstrap p (log10)": max(log10(isotropy_test(sample, **bootstrap).p_value) for sample in tested),
            "sign test p (log10)": max(log10(sign_test(sample).p_value) for sample in tested),
            "rejections of isotropic Gaussian features": rejected(
                [isotropy_test(sample, **bootstrap).p_value for sample in gaussian], protocol["planted_level"]
            ),
            "rejections of isotropic heavy tails": rejected(
                [sign_test(sample).p_value for sample in heavy], protocol["planted_level"]
            ),
            "participation ratio": float(max(map(participation_ratio, tested)) / np.mean(flat)),
        },
        curves={"spectrum of feature changes": shares(drawn)},
    )


def log10(p_value: float) -> float:
    return math.log10(max(p_value, LEAST_P))


def rejected(p_values: list[float], level: float) -> Draws:
    """Count the samples that a test rejects at a level."""
    return Draws(sum(p <= level for p in p_values), len(p_values))


def shares(samples: dict[str, ChangeGram]) -> Lines:
    """Share of variance along each of the leading directions."""
    found = {name: spectrum(sample) for name, sample in samples.items()}
    series = {name: values[:DIRECTIONS] / values.sum() for name, values in found.items()}
    return Lines(range(1, DIRECTIONS + 1), series, "direction", "share of variance", log=True)


def world(rng: np.random.Generator, strength: float, *, tail: float = math.inf, level: float = 0.05) -> Run:
    """Plant changes of which one direction has a multiple of the others' standard deviation, and their tail."""
    sample = rng.standard_normal((48, 64)) * np.r_[strength, np.ones(63)]
    if math.isfinite(tail):
        sample /= np.sqrt(rng.chisquare(tail, (48, 1)) / tail)
    gram = ChangeGram.of(sample)
    return planted.run({"changes": Changes((0,), [[gram]], [[gram]])}, protocol={"planted_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 6.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([1.0, 6.0], p=[0.4, 0.6]))),
    "heavy-tails-alone": World(Verdict.REFUTED, lambda rng: world(rng, 1.0, tail=5)),
    "tests-too-eager": World(Verdict.INVALID, lambda rng: world(rng, 6.0, level=0.3)),
    "null": World(None, lambda rng: world(rng, 1.0)),
}


def test_anisotropy_rejection(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_rejection_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
