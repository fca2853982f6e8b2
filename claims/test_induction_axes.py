"""Induction along principal axes, section 4.5, App. B, Fig. 14.

    "we added uniform noise of approximately unit magnitude [...] to features at epochs 250–300, along the two principal
    components, and evaluated their classification using the network at epoch 300. This experiment reveals the
    robustness of feature dynamics in specific directions."

Measured: the share of late features that are classified as their image is at the end, under that noise. Whether any
other direction does as well is asked by the rival induction-axes-against-random. **Reading:** features are what the
last layer reads; the axes are those of all images' features over the late epochs; the unit is the root of the mean
variance along the two axes, and with the features' own unit the share is reported; held-out images decide.

Controls: another seed's features are not inside; and strong noise does harm along random axes, none along axes that the
last layer does not read.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import (
    Decide,
    Judge,
    LastLayer,
    Lines,
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

pytestmark = pytest.mark.claim("induction-axes")

SIZES = np.linspace(0, 4, 17)


def measure(run: Run) -> Measured:
    """One seed: what noise along principal axes leaves inside."""
    found, draws = run.read("last_layer", "clean"), run.protocol["draws"]
    noises = {split: Noise(one, draws, numpy_generator(run.seed, "measure", "axes")) for split, one in found.items()}
    return Measured(
        numbers={
            "share inside under noise": {split: noise.inside("principal") for split, noise in noises.items()},
            **controls_of_noise(noises["held-out"], run.neighbour().read("last_layer", "clean")["held-out"]),
            "share inside without noise": {split: noise.inside("principal", 0) for split, noise in noises.items()},
            "share inside, noise of one feature unit": {
                split: noise.inside("principal", 1) for split, noise in noises.items()
            },
        },
        curves={f"late features inside under noise, {split} images": by_size(noises[split], split) for split in noises},
    )


def by_size(noise: Noise, split: str) -> Lines:
    """Share inside over the size of the noise, along each pair of axes."""
    series = {
        name: [noise.share_inside(pair, size * noise.unit) for size in SIZES] for name, pair in noise.pairs.items()
    }
    axes = "size of the noise, in standard deviations along the principal axes", "share inside the region of argmax f_t"
    return Lines(SIZES, series, *axes, bound=f"share inside under noise, {split}")


def world(own: LastLayer, stranger: LastLayer) -> Run:
    """Plant features of a seed and of a stranger."""
    one, other = (planted.on_both_splits(features) for features in (own, stranger))
    return planted.run({"last_layer": one}, protocol={"draws": 2}, neighbour=planted.run({"last_layer": other}))


def sectors(rng: np.random.Generator, radius: float, spread: float, missed: float) -> Run:
    """Plant sectors, of which a stranger's features lie in the opposite one."""
    own = planted_sectors(rng, radius, spread, missed=missed)
    return world(own, dataclasses.replace(own, points=-own.points))


def own_among_strangers(rng: np.random.Generator) -> Run:
    """Plant a stranger whose features are one's own."""
    own = planted_sectors(rng, 5, 10)
    return world(own, own)


def harmless(rng: np.random.Generator) -> Run:
    """Plant two half-spaces of so many features that no noise along random axes leaves them."""
    weight, sides = np.eye(100)[:1], rng.choice([-10, 10], (planted.IMAGES, 1))
    own = LastLayer.planted(np.array([sides * weight] * 2), np.concatenate([weight, -weight]))
    return world(own, dataclasses.replace(own, points=-own.points))


def about(rng: np.random.Generator, share: float, spread: float) -> float:
    """Draw a share about a typical one, evenly on the logit scale."""
    return float(1 / (1 + np.exp(-rng.normal(np.log(share / (1 - share)), spread))))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: sectors(rng, 5, 10, rng.uniform(0, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: sectors(rng, 10, 1, 0.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: sectors(rng, 5, 10, about(rng, 0.05, 0.5))),
    "stranger-inside": World(Verdict.INVALID, own_among_strangers),
    "noise-harms-nothing": World(Verdict.INVALID, harmless),
    "null": World(None, lambda rng: sectors(rng, 5, 10, about(rng, 0.05, 0.3))),
}


def test_induction_axes(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_axes_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
