"""Anisotropy beyond the Jacobian, section 6 and App. E: the rival of the anisotropy rejection.

    "SGD-induced noise forms a structured distribution."

The Jacobian of the features shapes even isotropic noise of the parameters, so that isotropy is rejected there as well.
Measured: participation ratio of the feature changes by single SGD updates over that of the changes by isotropic
parameter noise of equal norm; SGD's must be the more concentrated.

Control: the first half of the updates by parameter noise against the second. There is nothing to be found in it.
"""

import numpy as np
import pytest

from featdyn_core import (
    ChangeGram,
    Changes,
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    participation_ratio,
    planted,
    spectrum,
    top_share,
)

pytestmark = pytest.mark.claim("anisotropy-beyond-jacobian")

DIRECTIONS = 20


def measure(run: Run) -> Measured:
    """One seed: the least difference between SGD and parameter noise over epochs and samples."""
    changes = run.record("changes")
    half = len(changes.noise[0][0].products) // 2
    halves = [(noise.part(slice(half)), noise.part(slice(half, 2 * half))) for _, noise in changes.pairs]
    found = {name: spectrum(sample) for name, sample in zip(("SGD", "parameter noise"), changes.pairs[-1], strict=True)}
    series = {name: values[:DIRECTIONS] / values.sum() for name, values in found.items()}
    return Measured(
        numbers={
            "participation ratio against parameter noise": largest_ratio(changes.pairs),
            "parameter noise against itself": largest_ratio(halves),
            "variance in the leading direction, against parameter noise": min(
                top_share(sgd, 1) / top_share(noise, 1) for sgd, noise in changes.pairs
            ),
        },
        curves={
            "spectrum against parameter noise": Lines(
                range(1, DIRECTIONS + 1), series, "direction", "share of variance", log=True
            )
        },
    )


def largest_ratio(pairs: list[tuple[ChangeGram, ChangeGram]]) -> float:
    """Largest ratio of participation ratios, the first over the second."""
    return max(participation_ratio(one) / participation_ratio(other) for one, other in pairs)


def world(rng: np.random.Generator, strength: float, *, noise: float = 1.0, changing: float = 1.0) -> Run:
    """Plant how strong a quarter of the directions is; ``changing`` multiplies that of the first half of the noise."""
    by_sgd, by_noise = rng.standard_normal((2, 48, 64))
    by_sgd[:, :16] *= strength
    by_noise[:, :16] *= noise
    by_noise[:24, :4] *= changing
    grams = [[ChangeGram.of(by_sgd)]], [[ChangeGram.of(by_noise)]]
    return planted.run({"changes": Changes((0,), *grams)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 5.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.0, noise=5.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([0.2, 1.0, 2.0]))),
    "noise-differs-from-itself": World(Verdict.INVALID, lambda rng: world(rng, 5.0, changing=8.0)),
    "null": World(None, lambda rng: world(rng, 1.0)),
}


def test_anisotropy_beyond_jacobian(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_beyond_jacobian_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
