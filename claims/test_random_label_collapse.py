"""Claim random-label-collapse, section 5, Fig. 7 and 17, Table 1.

    "When 40 % of training labels are randomized, the consistency distributions [...] collapse: long tails emerge and
    mass shifts away from 1.0."

Measured: point-wise consistency of held-out images over the late half of training, t its end, at the paper's three
depths; the share of images at exactly 1, the mean and the mass below 0.8, clean against noisy, seed by seed; share and
mean are reported on training images too. The paper's own Welch test between the images of two networks is computed as
the paper has it; because images of one network are no replicates, it does not decide alone.

Controls: two clean trainings differ by their seed only and must not collapse against each other; nor must a training
whose classes are renamed consistently, where labels change but keep their meaning.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core.harness.planted import angle_for, circle, rotating
from featdyn_core.harness.register import Measured, Runs
from featdyn_core.measures.composites.consistency import pointwise_consistency, share_at_one, tail_mass
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.trajectory import Trajectory
from featdyn_core.verdicts.claim import Curve, Verdict
from featdyn_core.verdicts.inference import welch

pytestmark = pytest.mark.claim("random-label-collapse")

LEAST_P = 1e-300
"""Stands in for p-values that underflow, so that their logarithm is finite."""

Consistency = npt.NDArray[np.float64]
"""Point-wise consistency, (depths, N)."""


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of the register."""
    arms = {arm: [consistency(runs, trajectory, "held-out") for trajectory in runs[arm]] for arm in runs.arms}
    clean, noisy = arms["clean"], arms["noisy"]
    shares = {arm: np.array([_each(share_at_one, item) for item in found]) for arm, found in arms.items()}
    values = {
        "mass lost at 1": (shares["clean"] - shares["noisy"]).min(axis=1).tolist(),
        "mean consistency lost": [
            float((one.mean(axis=1) - two.mean(axis=1)).min()) for one, two in zip(clean, noisy, strict=True)
        ],
        "Welch p (log10)": [_worst_welch(one, two) for one, two in zip(clean, noisy, strict=True)],
        "share at 1 between seeds": _distance(shares["clean"], np.roll(shares["clean"], 1, axis=0)),
        "tail mass gained": [
            min(_each(tail_mass, two) - _each(tail_mass, one)) for one, two in zip(clean, noisy, strict=True)
        ],
    }
    values |= _on_training_images(runs)
    if "permuted" in arms:
        values["share at 1 under renaming"] = _distance(shares["clean"], shares["permuted"])
    return Measured(values, {f"consistency at depth {d + 1}": _ecdf(arms, d) for d in range(len(clean[0]))})


def _on_training_images(runs: Runs) -> dict[str, list[float]]:
    """The paper's own setting, where a clean training draws consistency to 1."""
    clean, noisy = (
        [consistency(runs, trajectory, "training") for trajectory in runs[arm]] for arm in ("clean", "noisy")
    )
    pairs = list(zip(clean, noisy, strict=True))
    return {
        "mass lost at 1, training": [min(_each(share_at_one, one) - _each(share_at_one, two)) for one, two in pairs],
        "mean consistency lost, training": [float((one.mean(axis=1) - two.mean(axis=1)).min()) for one, two in pairs],
    }


def consistency(runs: Runs, trajectory: Trajectory, split: str) -> Consistency:
    """Point-wise consistency over the window of every image of a split at every depth."""
    epochs = runs.epochs("consistency", trajectory)
    last = epochs[-1]
    grid = runs.grid(trajectory, split, epochs, last)
    reference = grid.reference_at(last)
    return np.array([pointwise_consistency(grid.memory(cut, last), reference) for cut in grid.cuts])


def _each(number, found: Consistency) -> npt.NDArray[np.float64]:
    return np.array([number(row) for row in found])


def _distance(one: npt.NDArray[np.float64], two: npt.NDArray[np.float64]) -> list[float]:
    """Largest absolute difference over depths, seed by seed, of two (seeds, depths) tables."""
    return np.abs(one - two).max(axis=1).tolist()


def _worst_welch(one: Consistency, two: Consistency) -> float:
    """Largest log10 p over depths."""
    return max(math.log10(max(welch(a, b), LEAST_P)) for a, b in zip(one, two, strict=True))


def _ecdf(arms: dict[str, list[Consistency]], depth: int) -> Curve:
    """Share of images with consistency up to x, per arm and seed: no smoothing, the pile at 1 stays visible."""
    x = np.linspace(0, 1, 41)
    series = {
        arm: [[float(np.mean(item[depth] <= level + 1e-9)) for level in x] for item in found]
        for arm, found in arms.items()
    }
    return Curve(x.tolist(), series, "point-wise consistency", "share of held-out images up to it")


@pytest.mark.fast
def test_random_label_collapse(decide):
    decide(measure)


@pytest.mark.full
def test_random_label_collapse_full(decide):
    decide(measure)


def world(clean: float, noisy: list[float], permuted: float) -> Runs:
    """Planted runs; each number is the largest share of images that any composite of the window misses."""
    epochs = range(20, 41, 4)
    data = circle()

    def arm(name: str, shares: list[float]) -> list[Trajectory]:
        found = []
        for number, share in enumerate(shares):
            rng = numpy_generator(number, "measure", name)
            misses = dict.fromkeys(epochs, 0.0) | {e: share * rng.uniform(0.8, 1.0) for e in epochs[:-1]}
            found.append(rotating({e: angle_for(1 - miss) for e, miss in misses.items()}, seed=number, dataset=data))
        return found

    shares = {"clean": [clean] * 5, "noisy": noisy, "permuted": [permuted] * 5}
    arms = {name: arm(name, row) for name, row in shares.items()}
    return Runs(arms, {"consistency": (20, 40)})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({"clean": 0.02, "noisy": [0.5] * 5, "permuted": 0.02}, Verdict.SUPPORTED, id="true"),
        pytest.param({"clean": 0.3, "noisy": [0.0] * 5, "permuted": 0.3}, Verdict.REFUTED, id="false"),
        pytest.param(
            {"clean": 0.1, "noisy": [0.02, 0.3, 0.05, 0.2, 0.1], "permuted": 0.1},
            Verdict.INCONCLUSIVE,
            id="undecidable",
        ),
        pytest.param({"clean": 0.02, "noisy": [0.5] * 5, "permuted": 0.5}, Verdict.INVALID, id="renaming-collapses"),
    ],
)
def test_random_label_collapse_in_planted_worlds(judge, options, verdict):
    assert judge(measure(world(**options))) is verdict
