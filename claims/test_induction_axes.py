"""Induction along principal axes, section 4.5, App. B, Fig. 14.

    "we added uniform noise of approximately unit magnitude [...] to features at epochs 250–300, along the two principal
    components, and evaluated their classification using the network at epoch 300. This experiment reveals the
    robustness of feature dynamics in specific directions."

Measured: the share of late features that, under the paper's noise, are still classified as their image is at the end.
The rival induction-axes-against-random tests whether any other direction does as well. **Reading:** features are the
inputs of the last layer. The axes are the principal axes of all images' features over the late epochs. The unit of the
noise is the root of the mean variance along the two axes; the share with the features' own unit is reported. "Stable"
means that at least 95 % stay inside. Held-out images decide.

Controls: another seed's features are not inside. Strong noise does harm along random axes, and none along axes that the
last layer does not read.
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
    inside_by_size,
    numpy_generator,
    planted,
    planted_sectors,
)

pytestmark = pytest.mark.claim("induction-axes")


def measure(run: Run) -> Measured:
    """Return the share of one seed's features that noise along principal axes leaves inside."""
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
        curves={
            f"late features inside under noise, {split} images": inside_by_size(
                noise, bound=f"share inside under noise, {split}"
            )
            for split, noise in noises.items()
        },
    )


def world(own: LastLayer, *, stranger: int = -1) -> Run:
    """Plant a seed's features, and a stranger's, which are a multiple of them."""
    other = planted.run({"last_layer": planted.on_both_splits(dataclasses.replace(own, points=stranger * own.points))})
    return planted.run({"last_layer": planted.on_both_splits(own)}, protocol={"draws": 2}, neighbour=other)


def fringed(rng: np.random.Generator, missed: float, **options: int) -> Run:
    """Plant sectors that noise along principal axes does not leave, and a share of the past that lies outside."""
    return world(planted_sectors(rng, 5, 10, missed=missed), **options)


def harmless(rng: np.random.Generator) -> Run:
    """Plant two half-spaces with so many features that noise along random axes never leaves them."""
    weight, sides = np.eye(100)[:1], rng.choice([-10, 10], (planted.IMAGES, 1))
    return world(LastLayer.planted(np.array([sides * weight] * 2), np.concatenate([weight, -weight])))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: fringed(rng, rng.uniform(0, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(planted_sectors(rng, 10, 1))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: fringed(rng, rng.lognormal(np.log(0.05), 0.5))),
    "stranger-inside": World(Verdict.INVALID, lambda rng: fringed(rng, 0.01, stranger=1)),
    "noise-harms-nothing": World(Verdict.INVALID, harmless),
    "null": World(None, lambda rng: fringed(rng, rng.lognormal(np.log(0.05), 0.3))),
}


def test_induction_axes(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_axes_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
