"""Beyond random images, section 5: the rival of unseen-corrupted.

    Temporal augmentations "generalize to both unseen and corrupted inputs", and arise "only when anchored in meaningful
    semantic structure".

Late checkpoints lie near each other, so that their composites may agree on any image at all, one without meaning
included. Measured: mean point-wise consistency over a late window on test images, as they are and under each corruption
at severity 5, minus that on random images of the same mean and covariance. Test images and those under Gaussian blur,
which the paper's figure shows, decide. **Reading:** the mean, since the median is 1 on random images too.

Control: every other random image against the rest, where nothing is gained.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import CORRUPTION_KINDS, Column, Decide, Judge, Measured, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("beyond-random-images")

Consistency = npt.NDArray[np.float64]
"""Point-wise consistency, (depths, N)."""

GREY = [kind for kind in CORRUPTION_KINDS if kind != "saturate"]
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """One seed: what meaning adds to consistency, at the depth where it adds least."""
    test, random = run.columns("column")["held-out"].consistency, run.record("random").consistency
    corrupted = {kind: gained(column.consistency, random) for kind, column in run.columns("corrupted").items()}
    return Measured(
        numbers={
            "consistency gained by test images": gained(test, random),
            "consistency gained by blurred images": corrupted["gaussian_blur"],
            "consistency gained by random images": gained(random[:, ::2], random[:, 1::2]),
            **{f"consistency gained, {kind}": number for kind, number in corrupted.items()},
        }
    )


def gained(one: Consistency, other: Consistency) -> float:
    """Difference of the means of two point-wise consistencies (depths, N), at the depth where it is least."""
    return float((one.mean(axis=1) - other.mean(axis=1)).min())


def world(gain: float, *, uneven: bool = False) -> Run:
    """Plant what corrupted images gain on random ones; ``uneven`` if every other random image is never missed."""
    random = Column.planted(EPOCHS, [0.3, 0.3, 0])
    if uneven:
        even = np.arange(planted.IMAGES) % 2 == 0
        random = dataclasses.replace(random, predictions=np.where(even, random.reference, random.predictions))
    missed = 0.3 - 1.5 * gain  # at two epochs of three
    corrupted = dict.fromkeys(GREY, Column.planted(EPOCHS, [missed, missed, 0]))
    return planted.run(
        {
            "column": planted.on_both_splits(Column.planted(EPOCHS, [0.02, 0.01, 0])),
            "corrupted": corrupted,
            "random": random,
        }
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(-0.1, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.05))),
    "random-gains": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02), uneven=True)),
    "null": World(None, lambda rng: world(rng.normal(0.0, 0.05))),
}


def test_beyond_random_images(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_beyond_random_images_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
