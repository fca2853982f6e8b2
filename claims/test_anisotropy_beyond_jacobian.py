"""Anisotropy beyond the Jacobian, section 6 and App. E: the rival of anisotropy-rejection.

    "SGD-induced noise forms a structured distribution"

The Jacobian of the features gives structure even to isotropic noise of the parameters, so isotropy is rejected there
too. Measured at the first and the last epoch of a window: the participation ratio of the feature changes by single SGD
updates, divided by that of the changes by isotropic parameter noise of equal norm; geometric mean over held-out images.
The changes by SGD must be more concentrated.

Control: the first half of the parameter-noise updates against the second half, which do not differ. All images share
these updates, so only more updates make the control sharper.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from featdyn_core import (
    ChangeGram,
    Changes,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    geometric_mean,
    participation_ratio,
    planted,
    spectrum_lines,
    top_share,
)

pytestmark = pytest.mark.claim("anisotropy-beyond-jacobian")


def measure(run: Run) -> Measured:
    """Compare one seed's SGD with parameter noise at each epoch, and parameter noise with itself."""
    changes, ends = run.record("changes"), run.protocol["window_ends"]
    epochs = {
        name: list(zip(*kinds, strict=True)) for name, *kinds in zip(ends, changes.sgd, changes.noise, strict=True)
    }
    halves = [noise.halves for _, noise in changes.pairs]
    return Measured(
        numbers={
            "participation ratio against parameter noise": {name: spread(pairs) for name, pairs in epochs.items()},
            "parameter noise against itself": spread(halves),
            "variance in the leading direction": {
                name: geometric_mean([top_share(sgd, 1) / top_share(noise, 1) for sgd, noise in pairs])
                for name, pairs in epochs.items()
            },
        },
        curves={
            "spectrum against parameter noise": spectrum_lines(
                dict(zip(("SGD", "parameter noise"), changes.pairs[-1], strict=True))
            )
        },
    )


def spread(pairs: Iterable[Sequence[ChangeGram]]) -> float:
    """Return the ratio of participation ratios, first over second, as a geometric mean over pairs."""
    return geometric_mean([participation_ratio(one) / participation_ratio(other) for one, other in pairs])


def world(rng: np.random.Generator, strength: Sequence[float], *, noise: float = 1.0, changing: float = 1.0) -> Run:
    """Plant the strength of a quarter of the directions at both epochs, and a change in the noise's first half."""

    def drawn(strong: float, at_first: float = 1.0) -> list[ChangeGram]:
        samples = rng.standard_normal((4, 48, 64))
        samples[..., :16] *= strong
        samples[:, :24, :4] *= at_first
        return [ChangeGram.of(sample) for sample in samples]

    by_sgd, by_noise = [drawn(strong) for strong in strength], [drawn(noise, changing) for _ in strength]
    return planted.run({"changes": Changes((0, 1), by_sgd, by_noise)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, [5.0, 5.0])),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, [5.0, 1.0], noise=2.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, [5.0, rng.choice([0.2, 1.0, 2.0])])),
    "noise-differs-from-itself": World(Verdict.INVALID, lambda rng: world(rng, [5.0, 5.0], changing=8.0)),
    "null": World(None, lambda rng: world(rng, [5.0, 1.0])),
}


def test_anisotropy_beyond_jacobian(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_beyond_jacobian_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
