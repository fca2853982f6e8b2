"""Principal axes against random ones, App. B: the rival of induction-axes.

    "The observed stability in certain directions suggests that, in high-dimensional space, feature dynamics are closely
    related to classification regions."

If any direction does as well as the principal axes, the noise is merely small. Measured: the share of late features
that are classified as their image is at the end, under noise along the two principal axes, minus the same share under
the same noise along random axes. The gains of the axes of least variance, and of the axes of the changes over the late
epochs, are reported. The claim induction-axes has the figure and the readings.

Controls: another seed's features are not inside. Axes that the last layer does not read must be found better than
random ones, as they are by construction.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import (
    Decide,
    Judge,
    LastLayer,
    Measured,
    Noise,
    Run,
    Verdict,
    World,
    controls_of_noise,
    numpy_generator,
    planted,
    planted_sectors,
)

pytestmark = pytest.mark.claim("induction-axes-against-random")

GAINED = {
    "gained over random axes": "principal",
    "gained over random axes, axes of the drift": "of the drift",
    "gained over random axes, least variance": "least variance",
}
"""Criterion to the pair of axes."""


def measure(run: Run) -> Measured:
    """Return how much more of one seed's features noise leaves inside along principal axes than along random ones."""
    found, draws = run.read("last_layer", "clean"), run.protocol["draws"]
    noises = {split: Noise(one, draws, numpy_generator(run.seed, "measure", "axes")) for split, one in found.items()}
    stranger = run.neighbour().read("last_layer", "clean")["held-out"]
    return Measured(
        numbers={
            **{name: {split: noise.gained(pair) for split, noise in noises.items()} for name, pair in GAINED.items()},
            **controls_of_noise(noises["held-out"], stranger),
        }
    )


def world(own: LastLayer, *, stranger: int = -1) -> Run:
    """Plant a seed's features, and a stranger's, which are a multiple of them."""
    other = planted.run({"last_layer": planted.on_both_splits(dataclasses.replace(own, points=stranger * own.points))})
    return planted.run({"last_layer": planted.on_both_splits(own)}, protocol={"draws": 2}, neighbour=other)


def unrelated(rng: np.random.Generator) -> LastLayer:
    """Plant features whose principal axes are unrelated to the axes that the classifier reads."""
    weight, last = rng.standard_normal(96), rng.standard_normal((planted.IMAGES, 96))
    return LastLayer.planted(np.array([last, last]), np.array([weight, -weight]))


def scattered(rng: np.random.Generator) -> LastLayer:
    """Plant features that the last layer hardly reads, so that only strong noise does harm."""
    return planted_sectors(rng, 10, 7.5, unread=150)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(planted_sectors(rng, 5, 10))),
    "no-axes-matter": World(Verdict.EQUIVALENT, lambda rng: world(scattered(rng))),
    "false": World(Verdict.REFUTED, lambda rng: world(planted_sectors(rng, 10, 1))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(planted_sectors(rng, rng.uniform(6, 22), 10))),
    "stranger-inside": World(Verdict.INVALID, lambda rng: world(planted_sectors(rng, 5, 10), stranger=1)),
    "null": World(None, lambda rng: world(unrelated(rng))),
}


def test_induction_axes_against_random(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_axes_against_random_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
