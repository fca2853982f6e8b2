"""Flat drift on test data, App. C.

    "However, this explanation is specific to the training set. On test data or corrupted inputs, the shallow feature
    trajectories differ, and the balance above no longer holds globally."

Measured at each of the paper's depths: the ratio of flat-drift on held-out images divided by that on training images.
The ratio is the change of the logits along the drift of the features, over that along directions of equal norm drawn
from the features' covariance. **Reading:** the balance holds less well where the drift is less flat. The claim
flat-drift tests whether it is flat at all.

Control: two halves of the training images, both of which belong to the training set.
"""

import numpy as np
import pytest

from featdyn_core import Decide, Flatness, Judge, Measured, Run, Verdict, World, by_depth, planted

pytestmark = pytest.mark.claim("flat-drift-on-test")


def measure(run: Run) -> Measured:
    """Return how much less flat one seed's drift is outside the training set, at each depth."""
    found = run.read("flatness", "clean")
    held_out, training, first, second = (
        one.ratio("drift", "drawn")[:, 0] for one in (found["held-out"], found["training"], *found["training"].halves)
    )
    return Measured(
        numbers={
            "change along the drift, test over training": by_depth(held_out / training),
            "change along the drift, half over half": by_depth(second / first),
        }
    )


def world(rng: np.random.Generator, *typical: float, apart: float = 1.0) -> Run:
    """Plant the typical ratio of changes along the drift, test data over training data, at each depth."""
    more = np.exp(rng.normal(np.log(typical), 0.05))
    training, held_out = Flatness.planted([14], 0.5, apart=apart), Flatness.planted([14], 0.5 * more, apart=apart)
    return planted.run({"flatness": {"held-out": held_out, "training": training}})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 1.5, 1.5, 1.5)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 1.5, 1.5, 0.7)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, 1.5, 1.5, 1.01)),
    "halves-differ": World(Verdict.INVALID, lambda rng: world(rng, 1.5, 1.5, 1.5, apart=1.5)),
    "null": World(None, lambda rng: world(rng, 1.5, 1.5, 1)),
}


def test_flat_drift_on_test(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_flat_drift_on_test_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
