"""Anisotropy and memory, section 1.

    "Moreover, the strength of this anisotropy correlates with temporal consistency and memory-window length, linking
    SGD-induced noise to generalization."

The paper shows no data. Measured: over checkpoints of a clean and of a noisy training, Kendall's tau of the strength of
the anisotropy of one-step feature changes with the consistency over a span before each, and with the window
``W_0.8(t)``; one number a seed. **Reading:** strength is minus the logarithm of the participation ratio.

Controls: the same checkpoints shuffled, which may not correlate more often than the level allows.

Two things that change with label noise, or with time, correlate without a link between them. The correlation over both
trainings at one epoch, without time's part, is reported; whether any is left over the checkpoints of one training is
asked by the claim anisotropy-memory-link-at-one-noise-level.
"""

import numpy as np
import pytest

from featdyn_core import (
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    anisotropy_and_memory,
    numpy_generator,
    planted,
    planted_link,
)

pytestmark = pytest.mark.claim("anisotropy-memory-link")

ARMS = ("clean", "noisy")


def measure(run: Run) -> Measured:
    """One seed: correlations over its checkpoints and arms."""
    found = anisotropy_and_memory(
        [run.record("changes", arm) for arm in ARMS],
        [run.columns_by_epoch("columns", arm)["held-out"] for arm in ARMS],
        span=run.protocol["span"],
        level=run.protocol["level"],
    )
    rng = numpy_generator(run.seed, "measure", "shuffled checkpoints")
    shuffles = run.protocol["shuffles"], run.protocol["shuffle_level"], rng
    strength = found["consistency"].one
    lines = {"strength": strength} | {name: pair.other for name, pair in found.items()}
    epochs = list(run.columns_by_epoch("columns")["held-out"])
    return Measured(
        numbers={
            **{f"correlation with {name}": pair.pooled for name, pair in found.items()},
            **{f"shuffled checkpoints, {name}": pair.shuffled(*shuffles) for name, pair in found.items()},
            **{f"{name}, at one epoch": pair.between_arms for name, pair in found.items()},
        },
        curves={
            f"{name} over training": Lines(
                epochs, dict(zip(ARMS, values, strict=True)), "epoch", name, over_epochs=True
            )
            for name, values in lines.items()
        },
    )


def world(rng: np.random.Generator, link: float, *, level: float = 0.05) -> Run:
    """Plant windows of which a share ``link`` follows the strength, which chance gives, and the rest chance."""
    strength, chance = rng.permutation(12).reshape(2, 6), rng.permutation(12).reshape(2, 6)
    windows = 4 + link * strength + (1 - abs(link)) * chance + 12 * (link < 0)
    records = planted_link(2 + strength, windows, rng)
    return planted.run(records, protocol={"shuffle_level": level})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 0.9)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, -0.9)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([-0.5, 0.5]))),
    "shuffles-correlate": World(Verdict.INVALID, lambda rng: world(rng, 0.9, level=0.3)),
    "null": World(None, lambda rng: world(rng, 0.0)),
}


def test_anisotropy_memory_link(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_memory_link_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
