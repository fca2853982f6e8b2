"""Beyond random images, section 5: the rival of unseen-corrupted.

    "training-induced temporal augmentations generalize to both unseen and corrupted inputs. [...] temporal augmentation
    arises only when anchored in meaningful semantic structure."

Late checkpoints lie near each other, so their composites may agree on any image, even a meaningless one. Measured: mean
point-wise consistency over a late window and over the depths, on test images and under each corruption at severity 5,
minus that on random images of the same mean and covariance.

Control: every other random image against the rest, where nothing is gained.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import (
    CORRUPTION_KINDS,
    Column,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    between_halves,
    difference,
    distributions,
    over_depths,
    planted,
)

pytestmark = pytest.mark.claim("beyond-random-images")

GREY = [kind for kind in CORRUPTION_KINDS if kind != "saturate"]
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the mean consistency that one seed gains over random images, on test images and under each corruption."""
    test, random = run.columns("column")["held-out"], run.record("random")
    corrupted = {kind: over_depths(column) for kind, column in run.columns("corrupted").items()}
    return Measured(
        numbers={
            "gained by test images": difference(over_depths(test), over_depths(random)),
            "gained": {kind: difference(number, over_depths(random)) for kind, number in corrupted.items()},
            "gained by random images": between_halves(random),
        },
        curves=distributions({"test images": test, "random images": random}),
    )


def world(gain: float, *, fog: float = 0.1, uneven: bool = False) -> Run:
    """Plant gains of corrupted and foggy images over random ones; ``uneven``: half of the random ones lose none."""

    def gaining(share: float) -> Column:
        return Column.planted(EPOCHS, planted.fading(2 * (0.2 - share), EPOCHS))

    random = gaining(0)
    if uneven:
        even = np.arange(planted.IMAGES) % 2 == 0
        random = dataclasses.replace(random, predictions=np.where(even, random.reference, random.predictions))
    return planted.run(
        {
            "column": planted.on_both_splits(gaining(0.19)),
            "corrupted": dict.fromkeys(GREY, gaining(gain)) | {"fog": gaining(fog)},
            "random": random,
        }
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(0.1, fog=rng.normal(-0.1, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(0.1, fog=rng.normal(0.02, 0.05))),
    "random-gains": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02), uneven=True)),
    "null": World(None, lambda rng: world(0.1, fog=rng.normal(0.0, 0.03))),
}


def test_beyond_random_images(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_beyond_random_images_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
