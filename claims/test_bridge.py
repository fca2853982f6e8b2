"""A bridge to generalisation by computable surrogates, sections 7 and 8: an extension beyond the paper.

    "this framing opens avenues for future research toward tractable surrogates and profound insights, potentially
    connecting with divergences such as MMD or Wasserstein distances."

Measured for each class: the distance between its augmented training features (at epochs u of the window) and its
held-out features at t, and its generalisation gap. The question is whether the distances order the classes as the gaps
do. Pilots chose the deciding number: the sliced Wasserstein distance at the deepest of the paper's cuts, which orders
the classes best. Unbiased MMD², energy distance, a classifier and the distance without augmentation are reported.
**Reading:** order is measured by Kendall's tau; the gap is that of theorem 3, absolute. The classes and the held-out
images of a data set are the same for every seed, so the interval is about trainings on this data set.

A *certified* bound is something else: a held-out classifier bounds total variation from below. MMD and Wasserstein
distances also bound it only from below, up to a constant. Theorem 3 needs a bound from above, so none of them can
replace total variation there. They are only surrogates that may correlate with the gap.

Controls: with shuffled classes, each distance meets the gap of another class. Augmentation over the window must move
the distances from their values at t alone.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    DISTANCE_NAMES,
    Counted,
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    Surrogates,
    Verdict,
    World,
    kendall,
    mean_correlation,
    planted,
)

pytestmark = pytest.mark.claim("bridge")

SLICED = "sliced Wasserstein"
CLASSES, SHUFFLES = 10, 100


def measure(run: Run) -> Measured:
    """Return how well each surrogate orders one seed's classes, and the certified bounds."""
    found = run.record("surrogates")
    pairs = math.comb(len(found.gap), 2)
    surrogates = {**found.augmented, "classifier": found.separated}
    order = {name: [Counted(kendall(row, found.gap), pairs) for row in table] for name, table in surrogates.items()}
    shuffled = [kendall(found.augmented[SLICED][-1][classes], found.gap) for classes in found.shuffles]
    depths = range(1, len(found.cuts) + 1)
    drawn = {name: [float(tau) for tau in row] for name, row in order.items()}
    return Measured(
        numbers={
            "sliced Wasserstein orders the classes": order[SLICED][-1],
            "moved by augmentation": moved_by_augmentation(found),
            "shuffled classes": mean_correlation([Counted(tau, pairs) for tau in shuffled]),
            "MMD² orders the classes": order["MMD²"][-1],
            "energy distance orders the classes": order["energy distance"][-1],
            "a classifier orders the classes": order["classifier"][-1],
            "sliced Wasserstein without augmentation": Counted(kendall(found.plain[SLICED][-1], found.gap), pairs),
            "certified total variation": float(found.certified[-1].mean()),
            "slack of theorem 3": float((found.certified[-1] + found.missed[-1] - found.gap).mean()),
        },
        curves={
            "order of the classes": Lines(
                depths, drawn, "depth", "Kendall's tau with the gap", bound="sliced Wasserstein orders the classes"
            )
        },
    )


def moved_by_augmentation(found: Surrogates) -> float:
    """Return how much augmentation changes sliced Wasserstein distances, relative to those without it."""
    augmented, plain = found.augmented[SLICED][-1], found.plain[SLICED][-1]
    scale = plain.mean() or 1.0  # distances of 0 cannot change
    return float(np.abs(augmented - plain).mean() / scale)


def world(rng: np.random.Generator, strength: float, *, shuffled: bool = True, augmented: float = 1.1) -> Run:
    """Plant distances of ``strength`` times the gaps plus equal noise; ``augmented`` multiplies the augmented ones."""
    gap, noise = rng.uniform(0, 0.1, (2, CLASSES))
    plain = (1 + strength * gap + noise)[None]
    drawn, at_end = (dict.fromkeys(DISTANCE_NAMES, distances) for distances in (augmented * plain, plain))
    none, order = np.zeros((1, CLASSES)), np.tile(np.arange(CLASSES), (SHUFFLES, 1))
    shuffles: npt.NDArray[np.integer] = rng.permuted(order, axis=1) if shuffled else order
    return planted.run({"surrogates": Surrogates(("depth1",), gap, drawn, at_end, none, none, none, shuffles)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 3.0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, -3.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.choice([-0.5, 1.0]))),
    "classes-not-shuffled": World(Verdict.INVALID, lambda rng: world(rng, 3.0, shuffled=False)),
    "not-augmented": World(Verdict.INVALID, lambda rng: world(rng, 3.0, augmented=1.0)),
    "null": World(None, lambda rng: world(rng, 0.0)),
}


def test_bridge(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_bridge_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
