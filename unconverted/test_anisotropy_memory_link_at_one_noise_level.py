"""Anisotropy and memory at one noise level, section 1: the rival of the link between them.

    "Moreover, the strength of this anisotropy correlates with temporal consistency and memory-window length."

Label noise makes changes less anisotropic and memory shorter, so that the two correlate over trainings that differ in
it, whether or not there is a link. Measured: the same correlations over the checkpoints of one training, mean over a
clean and a noisy one.

Controls: the checkpoints of each training shuffled, which may not correlate more often than the level allows.
"""

import numpy as np
import pytest

from featdyn_core import (
    Decide,
    Judge,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    anisotropy_and_memory,
    numpy_generator,
    planted,
    planted_link,
)

pytestmark = pytest.mark.claim("anisotropy-memory-link-at-one-noise-level")

ARMS = ("clean", "noisy")


def measure(run: Run) -> Measured:
    """One seed: correlations over the checkpoints of each arm."""
    found = anisotropy_and_memory(
        [run.record("changes", arm) for arm in ARMS],
        [run.columns_by_epoch("columns", arm)["held-out"] for arm in ARMS],
        span=run.protocol["span"],
        level=run.protocol["level"],
    )
    rng = numpy_generator(run.seed, "measure", "shuffled checkpoints of an arm")
    numbers: dict[str, Number] = {f"correlation with {name}": pair.within_arms for name, pair in found.items()}
    draws, level = run.protocol["shuffles"], run.protocol["shuffle_level"]
    for name, pair in found.items():
        numbers[f"shuffled checkpoints, {name}"] = pair.shuffled(draws, level, rng, within_arms=True)
    return Measured(numbers)


def world(rng: np.random.Generator, link: float, *, noise: float = 0.0, level: float = 0.05) -> Run:
    """Plant windows of which a share follows the strength at one noise level, and what label noise takes from both."""
    strength, chance = (np.array([rng.permutation(6) for _ in range(2)]) for _ in range(2))
    windows = 10 + link * strength + (1 - abs(link)) * chance
    labels = noise * np.array([[0.0], [1.0]])
    records = planted_link(8 + strength - 6 * labels, windows - 7 * labels, rng)
    return planted.run(records, protocol={"shuffle_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 0.95)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, -0.95)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([-0.5, 0.5]))),
    "shuffles-correlate": World(Verdict.INVALID, lambda rng: world(rng, 0.95, level=0.4)),
    "null": World(None, lambda rng: world(rng, 0.0, noise=1.0)),
}


def test_anisotropy_memory_link_at_one_noise_level(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_memory_link_at_one_noise_level_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
