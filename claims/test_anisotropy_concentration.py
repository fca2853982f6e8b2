"""Anisotropy concentration, section 6, Fig. 8 and 15.

    "Instead of spreading variance evenly across all directions, the feature perturbations concentrate strongly along a
    few dominant axes. [...] This anisotropic pattern persists throughout training."

Measured: feature changes of fixed held-out samples by repeated one-step SGD updates, at the deepest of the paper's cuts
and at six epochs; shares of variance in the 1, 5 and 10 leading directions and the participation ratio, at the least
concentrated epoch and sample. **Reading:** "a few" are five, as many as the appendix's figure has; they carry more than
half of the variance. As few changes in many features are not evenly spread by chance either, all are compared with
isotropic Gaussian samples of the same size. A few long changes lead a direction each; so directions alone, each change
at length 1, are asked the same.

Controls: planted isotropic Gaussian features and planted isotropic heavy tails, whose top five must not pass for
concentrated more often than the level allows; the draw is their unit of replication. What the Jacobian alone makes of
isotropic noise is reported, and asked by the claim anisotropy-beyond-jacobian.
"""

import math

import numpy as np
import pytest

from featdyn_core.harness import planted
from featdyn_core.harness.planted import World
from featdyn_core.harness.run import Lines, Measured, Run
from featdyn_core.measures.one_step.changes import Changes
from featdyn_core.measures.one_step.concentration import ChangeGram
from featdyn_core.measures.one_step.shares import Shares, direction_shares, isotropic_shares, p_values, variance_shares
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Draws, Verdict

pytestmark = pytest.mark.claim("anisotropy-concentration")

DIRECTIONS = 20


def measure(run: Run) -> Measured:
    """One seed: the least concentrated epoch and sample, and the planted samples of this seed."""
    changes, protocol = run.record("changes"), run.protocol
    (first, *_), *_ = changes.sgd
    shape = len(first.products), first.features
    flat, flat_directions = (
        isotropic_shares(*shape, protocol["isotropic_draws"], of) for of in (variance_shares, direction_shares)
    )
    sgd, noise = ([variance_shares(sample) for sample in samples] for samples in zip(*changes.pairs, strict=True))
    directions = [direction_shares(sample) for sample, _ in changes.pairs]
    rng = numpy_generator(run.seed, "measure", "planted concentration")
    draws, level, tail = (protocol[f"planted_{name}"] for name in ("draws", "level", "tail"))
    gaussian = [variance_shares(ChangeGram.gaussian(*shape, rng)) for _ in range(draws)]
    heavy = [direction_shares(ChangeGram.heavy_tailed(*shape, tail, rng)) for _ in range(draws)]
    isotropic = flat.participation.mean()
    return Measured(
        numbers={
            **{f"variance in the top {k}": min(float(found.top(k)) for found in sgd) for k in (5, 1, 10)},
            "isotropic p (log10)": largest_p(sgd, flat),
            "isotropic p of directions (log10)": largest_p(directions, flat_directions),
            "participation ratio against isotropic": max(float(found.participation) for found in sgd) / isotropic,
            "isotropic Gaussian features concentrated": concentrated(gaussian, flat, level),
            "isotropic heavy tails concentrated": concentrated(heavy, flat_directions, level),
            "variance in the top 5, parameter noise": max(float(found.top(5)) for found in noise),
        },
        curves={"spectrum by epoch": spectra(changes, flat), "variance in leading directions": over_epochs(changes)},
    )


def largest_p(samples: list[Shares], null: Shares) -> float:
    """Log10 of the largest p-value over samples and over what is looked at."""
    return max(math.log10(p) for sample in samples for p in p_values(sample, null).values())


def concentrated(samples: list[Shares], null: Shares, level: float) -> Draws:
    """Count the planted samples that pass for concentrated."""
    return Draws(sum(p_values(sample, null)["top 5"] <= level for sample in samples), len(samples))


def spectra(changes: Changes, flat: Shares) -> Lines:
    """Shares of variance of the first sample at each epoch, and those of isotropic features."""
    series = {
        f"epoch {epoch}": variance_shares(first).values[:DIRECTIONS]
        for epoch, (first, *_) in zip(changes.epochs, changes.sgd, strict=True)
    }
    isotropic = {"isotropic": flat.values.mean(axis=0)[:DIRECTIONS]}
    return Lines(range(1, len(isotropic["isotropic"]) + 1), series | isotropic, "direction", "share of variance")


def over_epochs(changes: Changes) -> Lines:
    """Shares of the leading directions over training, means over samples."""
    found = [[variance_shares(sample) for sample in samples] for samples in changes.sgd]
    series = {f"top {k}": [np.mean([one.top(k) for one in samples]) for samples in found] for k in (1, 5, 10)}
    return Lines(changes.epochs, series, "epoch", "share of variance")


def world(rng: np.random.Generator, strength: float, *, tail: float = math.inf, level: float = 0.05) -> Run:
    """Plant changes of which three directions have a multiple of the others' standard deviation, and their tail."""
    sample = rng.standard_normal((48, 64)) * np.r_[[strength] * 3, np.ones(61)]
    if math.isfinite(tail):
        sample /= np.sqrt(rng.chisquare(tail, (48, 1)) / tail)
    gram = ChangeGram.of(sample)
    numbers = {"isotropic_draws": 1999, "planted_draws": 150, "planted_level": level, "planted_tail": 5}
    return planted.run({"changes": Changes((0,), [[gram]], [[gram]])}, protocol=numbers)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 9.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.0)),
    "weak": World(Verdict.REFUTED, lambda rng: world(rng, 3.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([3.0, 9.0]))),
    "heavy-tails-alone": World(Verdict.REFUTED, lambda rng: world(rng, 1.0, tail=1)),
    "tests-too-eager": World(Verdict.INVALID, lambda rng: world(rng, 9.0, level=0.3)),
    "null": World(None, lambda rng: world(rng, 1.0, tail=rng.choice([1.0, math.inf]))),
}


def test_anisotropy_concentration(decide):
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_concentration_in_planted_worlds(judge, name):
    judge(measure, WORLDS[name])
