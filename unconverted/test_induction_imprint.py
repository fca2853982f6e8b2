"""Induction, section 4.5: whether the past has left its imprint on the regions, the rival of the claim induction.

    "Earlier feature paths leave a lasting imprint on the decision regions", whose boundaries "adapt to the regions
    explored by feature dynamics".

Among the regions of a linear layer lies that of each class about the ray along which its features grow: that alone
keeps paths inside which run along the ray, either way. Had the past formed the regions, these would reach further where
features came from than where they never were. Measured: the share of past features inside, less that of the same paths
mirrored at their ends.

Control: paths that are turned at random first. Which way these came from is nothing to the regions.
"""

import numpy as np
import pytest

from featdyn_core import (
    MIRRORED,
    Decide,
    Judge,
    LastLayer,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    all_round,
    gained_at_random,
    gained_over,
    numpy_generator,
    planted,
    planted_paths,
    turned,
)

pytestmark = pytest.mark.claim("induction-imprint")

DIRECTIONS = 24


def measure(run: Run) -> Measured:
    """One seed: what lies inside of the past, and not of its mirror image."""
    found: dict[str, LastLayer] = dict(run.read("last_layer", "clean"))
    rng, draws = numpy_generator(run.seed, "measure", "imprint"), run.protocol["draws"]
    return Measured(
        both_splits={
            split: {"gained over mirrored paths": gained_over(features, features.past, MIRRORED)}
            for split, features in found.items()
        },
        numbers={"gained by paths turned at random": gained_at_random(found["held-out"], MIRRORED, draws, rng)},
        curves={"inside, by the angle that paths are turned by": by_angle(found)},
    )


def by_angle(found: dict[str, LastLayer]) -> Lines:
    """Share inside of paths turned by angles all round, 0 and 360 degrees being the real ones."""
    angles = [0, *all_round(DIRECTIONS), 2 * np.pi]
    series = {
        split: [features.share_inside(turned(features.past, features.last, angle)) for angle in angles]
        for split, features in found.items()
    }
    return Lines(np.degrees(angles), series, "turned by, in degrees", "share inside the region of argmax f_t")


def world(rng: np.random.Generator, outwards: float, *, images: int = planted.IMAGES, draws: int = 32) -> Run:
    """Plant the share of paths that come from outside, not from inside: their mirror image is inside less often."""
    features = planted_paths(np.radians(np.where(rng.random(images) < outwards, 120, 60)))
    return planted.run({"last_layer": planted.on_both_splits(features)}, protocol={"draws": draws})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 0.9)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 0.1)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, rng.uniform(0.1, 0.9))),
    "too-few-to-tell": World(Verdict.INVALID, lambda rng: world(rng, 0.9, images=50, draws=1)),
    "null": World(None, lambda rng: world(rng, 0.5)),
}


def test_induction_imprint(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_imprint_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
