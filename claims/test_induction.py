"""Induction, section 4.5, Fig. 6.

    "features at epoch 200 form well-separated clusters, while earlier features (epochs 50–200) trace intermediate paths
    that fill the gaps between classes. Visualizing the classification regions at epoch 200 demonstrated distinct
    alignment with these historical trajectories"

Measured in networks with two units before the last layer, so that its regions lie in a plane: the share of past
features that lie in the region of their image's last class. Features may lie inside only because they are near the end
of the path. The same paths are therefore turned about their ends, and the real paths must lie inside more often.
**Reading:** held-out images decide, because no training loss has drawn them inside. The filling of gaps is reported as
coverage.

Controls: the paths of a stranger, another seed's network. Paths that are first turned at random gain nothing by
construction. The claim induction-imprint tests whether the direction of travel along a path matters.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    RIGHT_ANGLES,
    Counted,
    Decide,
    Judge,
    LastLayer,
    Measured,
    Run,
    Verdict,
    World,
    all_round,
    counted_inside,
    coverage,
    gained_at_random,
    gained_over,
    inside_by_epoch,
    numpy_generator,
    plane,
    planted,
    planted_paths,
)

pytestmark = pytest.mark.claim("induction")


def measure(run: Run) -> Measured:
    """Return the shares of one seed's past that lie inside, for real and for turned paths."""
    found: dict[str, LastLayer] = dict(run.read("last_layer", "clean"))
    held_out, stranger = found["held-out"], run.neighbour().read("last_layer", "clean")["held-out"]
    turns, draws = all_round(run.protocol["turns"]), run.protocol["draws"]
    at_random = gained_at_random(held_out, turns, draws, numpy_generator(run.seed, "measure", "turned"))
    return Measured(
        numbers={
            "share inside": counted_inside(found, lambda one: one.share_inside(one.past)),
            "gained over turned paths": counted_inside(found, lambda one: gained_over(one, one.past, turns)),
            "share inside of a stranger's paths": Counted(held_out.share_inside(stranger.past), held_out.count),
            "gained by paths turned at random": Counted(at_random, draws * held_out.count),
            "gained over paths at right angles": counted_inside(
                found, lambda one: gained_over(one, one.past, RIGHT_ANGLES)
            ),
            "coverage gained": {
                split: coverage(one.past, one.points) - coverage(one.last, one.points) for split, one in found.items()
            },
        },
        curves={
            f"past features inside, {split} images": inside_by_epoch(one, bound=f"share inside, {split}")
            for split, one in found.items()
        },
        planes={"regions and paths of two features, training images": plane(found["training"], run.seed)},
    )


def world(directions: npt.NDArray[np.float64], *, stranger: int = 1, length: float = 4.0) -> Run:
    """Plant the directions of paths, and the number of sectors by which a stranger's regions are moved on."""
    own, other = (planted.on_both_splits(planted_paths(directions, length=length, others=n)) for n in (0, stranger))
    return planted.run(
        {"last_layer": own}, protocol={"turns": 8, "draws": 8}, neighbour=planted.run({"last_layer": other})
    )


def mixed(rng: np.random.Generator, across: float) -> npt.NDArray[np.float64]:
    """Draw directions: a share ``across`` of the paths crosses its sector, and the others run towards the centre."""
    return np.where(rng.random(planted.IMAGES) < across, np.pi / 2, 0.0)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(mixed(rng, 0.05))),
    "false": World(Verdict.REFUTED, lambda rng: world(mixed(rng, 0.3))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(mixed(rng, rng.uniform(0.1, 0.25)))),
    "stranger-inside": World(Verdict.INVALID, lambda rng: world(mixed(rng, 0.05), stranger=0)),
    "null": World(None, lambda rng: world(rng.uniform(0, 2 * np.pi, planted.IMAGES), length=3.2)),
}


def test_induction(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
