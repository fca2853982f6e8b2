"""Unseen and corrupted images, section 5, Fig. 7a,c and 16.

    "When trained with clean labels, consistency distributions remain sharply concentrated near 1.0 (Fig. 7(a,c) and
    Appendix Fig. 16), showing that training-induced temporal augmentations generalize to both unseen and corrupted
    inputs. [...] The high concentration of consistency values near 1.0 across all corruption types indicates that
    temporal augmentation remains effective even under severe distribution shift"

Measured: mean point-wise consistency over a late window with t its end, and over the depths, on test images and under
each corruption of CIFAR-10-C at severity 5. The evidence says whether the corrupted images are the official ones or
synthesised. **Reading:** "concentrated near 1" means a mean of at least 0.95, for each corruption. Each depth is
reported.

Controls: random images of the same mean and covariance are less consistent. Blurring changes how images are classified.
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
    by_depth,
    difference,
    distributions,
    over_depths,
    planted,
    share_of,
)

pytestmark = pytest.mark.claim("unseen-corrupted")

BLUR = "gaussian_blur"
GREY = [kind for kind in CORRUPTION_KINDS if kind != "saturate"]
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return one seed's mean consistency on test images, as they are and under each corruption."""
    test, whole = (run.columns(name)["held-out"] for name in ("column", "churn"))
    corrupted, random = run.columns("corrupted"), run.record("random")
    consistency, of_random = over_depths(test), over_depths(random)
    depths = np.mean([column.consistency.mean(axis=1) for column in corrupted.values()], axis=0)
    changed = int((corrupted[BLUR].reference != test.reference).sum())
    return Measured(
        numbers={
            "consistency of test images": consistency,
            "consistency": {kind: over_depths(column) for kind, column in corrupted.items()},
            "lost on random images": difference(consistency, of_random),
            f"predictions changed by {BLUR}": share_of(changed, test.images),
            "consistency under corruption": by_depth(depths, of=test.images),
            "consistency of random images": of_random,
            "consistency of whole networks": over_depths(whole),
        },
        curves=distributions({"test images": test, BLUR: corrupted[BLUR], "random images": random}, {"test": whole}),
    )


def world(missed: float, *, fog: float = 0.02, random: float = 0.5, blurred: float = 0.5) -> Run:
    """Plant miss rates on corrupted, foggy and random images, and the share whose class corruption changes."""

    def column(share: float, moved: float = 0) -> Column:
        found = Column.planted(EPOCHS, planted.fading(share, EPOCHS))
        step = np.arange(planted.IMAGES) < moved * planted.IMAGES
        changed = {name: (getattr(found, name) + step) % planted.CLASSES for name in ("predictions", "reference")}
        return dataclasses.replace(found, **changed)

    return planted.run(
        {
            "column": planted.on_both_splits(column(0.02)),
            "churn": planted.on_both_splits(planted.churn(EPOCHS, 0.05)),
            "corrupted": dict.fromkeys(GREY, column(missed, blurred)) | {"fog": column(fog, blurred)},
            "random": column(random),
        }
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.04, 0.01))),
    "false": World(Verdict.REFUTED, lambda rng: world(0.02, fog=rng.normal(0.3, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(0.02, fog=rng.normal(0.1, 0.04))),
    "random-is-consistent": World(Verdict.INVALID, lambda rng: world(rng.normal(0.04, 0.01), random=0.03)),
    "nothing-corrupted": World(Verdict.INVALID, lambda rng: world(rng.normal(0.04, 0.01), blurred=0)),
    "null": World(None, lambda rng: world(0.02, fog=rng.normal(0.1, 0.02))),
}


def test_unseen_corrupted(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_unseen_corrupted_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
