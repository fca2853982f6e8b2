"""Anisotropy and memory at one noise level, section 1: the rival of the link between them.

    "Moreover, the strength of this anisotropy correlates with temporal consistency and memory-window length, linking
    SGD-induced noise to generalization."

Label noise makes changes less anisotropic and memory shorter. The two therefore correlate over trainings that differ in
label noise, whether or not there is a link. Measured: the same correlations over the checkpoints of one training, mean
over levels of label noise.

Control: the strength is compared with another seed's memory at shuffled checkpoints of each training, where no link is
left.
"""

import numpy as np
import pytest

from featdyn_core import (
    Association,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    anisotropy_and_memory,
    numpy_generator,
    planted,
    planted_link,
)

pytestmark = pytest.mark.claim("anisotropy-memory-link-at-one-noise-level")

ARMS = ["clean", "noisy"]


def measure(run: Run) -> Measured:
    """Return one seed's correlations over the checkpoints of each training."""
    found, strangers, shuffles = links(run), links(run.neighbour()), run.protocol["shuffles"]
    rng = numpy_generator(run.seed, "measure", "shuffled checkpoints of an arm")
    return Measured(
        {
            **{f"correlation with {name}": pair.within_arms for name, pair in found.items()},
            **{
                f"{name} of another seed, shuffled": pair.unlinked(strangers[name], shuffles, rng, within_arms=True)
                for name, pair in found.items()
            },
        }
    )


def links(run: Run) -> dict[str, Association]:
    """Return strength with consistency and with window length, over the levels of label noise."""
    arms = run.protocol["noise_levels"]
    return anisotropy_and_memory(
        [run.record("changes", arm) for arm in arms],
        [run.columns_by_epoch("columns", arm)["held-out"] for arm in arms],
        span=run.protocol["span"],
        level=run.protocol["level"],
    )


def world(rng: np.random.Generator, link: float, *, noise: float = 0.0, shuffles: int = 20) -> Run:
    """Plant windows of which a share ``link`` follows the strengths at one noise level; ``noise`` lowers both."""
    strength, chance = (np.array([rng.permutation(6) for _ in range(2)]) for _ in range(2))
    windows = 10 + link * strength + (1 - abs(link)) * chance
    labels = noise * np.array([[0.0], [1.0]])
    protocol = {"noise_levels": ARMS, "span": 6, "level": 0.8, "shuffles": shuffles}
    return planted.run(planted_link(8 + strength - 6 * labels, windows - 7 * labels, rng), protocol=protocol)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 0.95)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, -0.95)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([-0.5, 0.5]))),
    "shuffled-too-little": World(Verdict.INVALID, lambda rng: world(rng, 0.95, shuffles=1)),
    "null": World(None, lambda rng: world(rng, 0.0, noise=1.0)),
}


def test_anisotropy_memory_link_at_one_noise_level(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_memory_link_at_one_noise_level_in_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
