"""Induction, section 4.5: whether the past has left its imprint on the regions, the rival of the claim induction.

    "earlier feature paths leave a lasting imprint on the decision regions, reinforcing the view that feature dynamics
    guide the shaping of classification boundaries."

Features of a class grow along a ray, and in a linear layer the region of the class lies around that ray. This alone
keeps paths inside that run along the ray in either direction. If the past had formed the regions, they would reach
further where features came from than where they never were. Measured: the share of past features inside, minus that of
the same paths mirrored at their ends.

Controls: paths that are first turned at random, whose origin the regions cannot know. A frozen network, which has no
past.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    MIRRORED,
    Counted,
    Decide,
    Judge,
    LastLayer,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    all_round,
    counted_inside,
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
    """Return the share of one seed's past inside, minus that of its mirror image."""
    found: dict[str, LastLayer] = dict(run.read("last_layer", "clean"))
    held_out, draws = found["held-out"], run.protocol["draws"]
    at_random = gained_at_random(held_out, MIRRORED, draws, numpy_generator(run.seed, "measure", "imprint"))
    still = held_out.still
    return Measured(
        numbers={
            "gained over mirrored paths": counted_inside(found, lambda one: gained_over(one, one.past, MIRRORED)),
            "gained by paths turned at random": Counted(at_random, draws * held_out.count),
            "gained by a frozen network": Counted(gained_over(still, still.past, MIRRORED), still.count),
        },
        curves={"inside, by the angle that paths are turned by": by_angle(found)},
    )


def by_angle(found: dict[str, LastLayer]) -> Lines:
    """Return the figure of the share inside over the angle of turning; 0 and 360 degrees are the real paths."""
    angles = [0, *all_round(DIRECTIONS), 2 * np.pi]
    series = {
        split: [features.share_inside(turned(features.past, features.last, angle)) for angle in angles]
        for split, features in found.items()
    }
    return Lines(np.degrees(angles), series, "turned by, in degrees", "share inside the region of argmax f_t")


def world(outwards: npt.NDArray[np.bool_], *, draws: int = 32) -> Run:
    """Plant which paths come from outside; their mirror images lie inside less often."""
    features = planted_paths(np.radians(np.where(outwards, 120, 60)))
    return planted.run({"last_layer": planted.on_both_splits(features)}, protocol={"draws": draws})


def some(rng: np.random.Generator, share: float, *, images: int = planted.IMAGES) -> npt.NDArray[np.bool_]:
    """Draw which paths come from outside, each with probability ``share``."""
    return rng.random(images) < share


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(some(rng, 0.9))),
    "as-many-either-way": World(Verdict.EQUIVALENT, lambda _: world(np.arange(planted.IMAGES) % 2 == 0)),
    "false": World(Verdict.REFUTED, lambda rng: world(some(rng, 0.1))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(some(rng, rng.uniform(0.1, 0.9)))),
    "too-few-to-tell": World(Verdict.INVALID, lambda rng: world(some(rng, 0.9, images=50), draws=1)),
    "null": World(None, lambda rng: world(some(rng, 0.5))),
}


def test_induction_imprint(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_imprint_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
