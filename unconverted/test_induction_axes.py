"""Induction along principal axes, section 4.5, App. B, Fig. 14.

    "We added uniform noise of approximately unit magnitude to features at epochs 250–300, along the two principal
    components, and evaluated their classification using the network at epoch 300." "Trajectories at later epochs remain
    stable along specific directions and are classified consistently by the final network."

Measured: the share of late features that are classified as their image is at the end, under that noise; and what it is
more than under the same noise along random axes, for if any direction does as well, it is only that the noise is small.
**Reading:** features are what the last layer reads; the axes are those of all images' features over the late epochs,
and with those of the changes over these epochs instead the gain is reported; the unit is the root of the mean variance
along the two axes, and with the features' own unit the share is reported; held-out images decide.

Controls: another seed's features are not inside; and axes that the last layer does not read are found to be better than
random ones, as they are by construction.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    NOISE_AXES,
    Decide,
    Judge,
    LastLayer,
    Lines,
    Measured,
    Noise,
    Run,
    Verdict,
    World,
    numpy_generator,
    planted,
    planted_paths,
    unread_axes,
)

pytestmark = pytest.mark.claim("induction-axes")

STRONG = 4
"""Size of the noise that random axes cannot stand, in the unit of the claim's."""

SIZES = np.linspace(0, STRONG, 17)


def measure(run: Run) -> Measured:
    """One seed: what noise along principal axes leaves inside, and along others."""
    found, stranger = (one.read("last_layer", "clean") for one in (run, run.neighbour()))
    draws = run.protocol["draws"]
    noises = {split: Noise(f, draws, numpy_generator(run.seed, "measure", "axes")) for split, f in found.items()}
    held_out, noise = found["held-out"], noises["held-out"]
    unread, random = (
        noise.share_inside(pair, STRONG * noise.unit)
        for pair in (unread_axes(held_out.weight)[:NOISE_AXES], noise.pairs["random"])
    )
    return Measured(
        both_splits={split: shares(noise) for split, noise in noises.items()},
        numbers={
            "share inside of a stranger's features": held_out.share_inside(stranger["held-out"].past),
            "gained along unread axes, strong noise": unread - random,
        },
        curves={f"late features inside under noise, {split} images": by_size(noises[split], split) for split in noises},
    )


def shares(noise: Noise) -> dict[str, float]:
    """Numbers of one split."""
    inside = {name: noise.share_inside(pair, noise.unit) for name, pair in noise.pairs.items()}
    return {
        "share inside under noise": inside["principal"],
        "gained over random axes": inside["principal"] - inside["random"],
        "gained over random axes, axes of the drift": inside["of the drift"] - inside["random"],
        "gained over random axes, least variance": inside["least variance"] - inside["random"],
        "share inside without noise": noise.features.share_inside(noise.features.past),
        "share inside, noise of one feature unit": noise.share_inside(noise.pairs["principal"], 1.0),
    }


def by_size(noise: Noise, split: str) -> Lines:
    """Share inside over the size of the noise."""
    series = {
        name: [noise.share_inside(pair, size * noise.unit) for size in SIZES] for name, pair in noise.pairs.items()
    }
    axes = "size of the noise, in standard deviations along the principal axes", "share inside the region of argmax f_t"
    return Lines(SIZES, series, *axes, bound=f"share inside under noise, {split}")


def world(rng: np.random.Generator, radius: float, spread: float, *, missed: float = 0.0, **options: float) -> Run:
    """Plant ten sectors of a plane, with an end in the middle of each, and two axes that are not read.

    Args:
        rng: of the seed.
        radius: distance of the ends from where the sectors meet.
        spread: standard deviation along the axes that are not read.
        missed: share of the past that lies in the opposite sector.
        options: of ``planted_run``.
    """
    ends = planted_paths(np.zeros(planted.IMAGES)).last / 10
    last = np.concatenate([radius * ends, spread * rng.standard_normal(ends.shape)], axis=1)
    sectors = np.concatenate([ends[: planted.CLASSES], np.zeros((planted.CLASSES, 2))], axis=1)
    past = np.where(rng.random((len(last), 1)) < missed, -last, last)
    return planted_run(np.array([past, last]), sectors, **options)


def planted_run(points: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], *, stranger: float = -1.0) -> Run:
    """Plant features, their classifier, and a stranger's features: a multiple of them."""
    own, other = (planted.on_both_splits(LastLayer.planted(part, weight)) for part in (points, stranger * points))
    return planted.run({"last_layer": own}, protocol={"draws": 2}, neighbour=planted.run({"last_layer": other}))


def unrelated(rng: np.random.Generator) -> Run:
    """Plant features whose principal axes have nothing to do with what the classifier reads."""
    weight, last = rng.standard_normal(96), rng.standard_normal((planted.IMAGES, 96))
    return planted_run(np.array([last, last]), np.array([weight, -weight]))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng, 5, 10, missed=rng.uniform(0, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng, 10, 1)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng, 5, 10, missed=rng.uniform(0, 0.1))),
    "stranger-inside": World(Verdict.INVALID, lambda rng: world(rng, 5, 10, stranger=1.0)),
    "null": World(None, unrelated),
}


def test_induction_axes(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_induction_axes_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
