"""Anisotropy and memory, section 1.

    "Moreover, the strength of this anisotropy correlates with temporal consistency and memory-window length, linking
    SGD-induced noise to generalization."

The paper shows no data. Measured: Kendall's tau between the strength of the anisotropy of one-step feature changes and
two measures of memory, the consistency over a span before the checkpoint and the window ``W_0.8(t)``. It is taken over
checkpoints of trainings that differ in label noise, within one phase of the learning rate. **Reading:** strength is
minus the logarithm of the participation ratio, mean over images. Consistency and window are means over the paper's
depths.

Control: the strength is compared with another seed's memory at shuffled checkpoints, where no link is left.

Two quantities that change with label noise, or with time, correlate even without a link between them. The correlation
over noise levels at one epoch, which excludes the effect of time, is reported. The claim
anisotropy-memory-link-at-one-noise-level tests whether a correlation is left over the checkpoints of one training.
"""

import numpy as np
import pytest

from featdyn_core import (
    Association,
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

ARMS = ["clean", "noisy"]


def measure(run: Run) -> Measured:
    """Return one seed's correlations over checkpoints and levels of label noise."""
    found, strangers, shuffles = links(run), links(run.neighbour()), run.protocol["shuffles"]
    rng = numpy_generator(run.seed, "measure", "shuffled checkpoints")
    lines = {"strength": found["consistency"].one} | {name: pair.other for name, pair in found.items()}
    epochs, levels = list(run.columns_by_epoch("columns")["held-out"]), run.protocol["noise_levels"]
    return Measured(
        numbers={
            **{f"correlation with {name}": pair.pooled for name, pair in found.items()},
            **{
                f"{name} of another seed, shuffled": pair.unlinked(strangers[name], shuffles, rng)
                for name, pair in found.items()
            },
            **{f"{name}, at one epoch": pair.between_arms for name, pair in found.items()},
        },
        curves={
            f"{name} over training": Lines(
                epochs, dict(zip(levels, values, strict=True)), "epoch", name, over_epochs=True
            )
            for name, values in lines.items()
        },
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


def world(rng: np.random.Generator, link: float, *, shuffles: int = 20) -> Run:
    """Plant random strengths, and windows of which a share ``link`` follows the strengths and the rest is random."""
    strength, chance = rng.permutation(12).reshape(2, 6), rng.permutation(12).reshape(2, 6)
    windows = 4 + link * strength + (1 - abs(link)) * chance + 12 * (link < 0)
    protocol = {"noise_levels": ARMS, "span": 6, "level": 0.8, "shuffles": shuffles}
    return planted.run(planted_link(2 + strength, windows, rng), protocol=protocol)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 0.9)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, -0.9)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([-0.5, 0.5]))),
    "shuffled-too-little": World(Verdict.INVALID, lambda rng: world(rng, 0.9, shuffles=1)),
    "null": World(None, lambda rng: world(rng, 0.0)),
}


def test_anisotropy_memory_link(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_anisotropy_memory_link_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
