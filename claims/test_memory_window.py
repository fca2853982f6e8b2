"""Claim memory-window, section 4.2, Fig. 2 and 10.

    "Composite networks retain high performance when the temporal gap between s and t is moderate. [...] over 98 %
    accuracy. Consistency values are tightly concentrated around 1.0."

Measured: composites ``(s, t)``, t the end of a late window of training, s every checkpoint in it, at the paper's
three depths; agreement with ``f_t``, accuracy, cross-entropy and point-wise consistency, on held-out and on training
images. Agreement and consistency decide on held-out images, where no training loss has drawn them to 1, accuracy on
training images, as in the paper; the others are reported. **Reading:** the window is the late half of training at small
and reduced scale and epochs 200 to 300 at the paper's.

Control: across a gap far longer than the window's, a shallow half moved as far from ``θ_t`` as ``θ_s`` is, in a
random direction. Were closeness alone the cause, it would agree as well as the real one. Reported beside it: the
same with norm *and* angle of the real shallow half. What batch normalisation makes irrelevant, the scale of the
weights, then no longer counts as distance.
"""

import numpy as np
import pytest

from featdyn_core.harness.planted import drifting
from featdyn_core.harness.register import Measured, Runs
from featdyn_core.measures.composites.consistency import pointwise_consistency
from featdyn_core.measures.composites.displacement import compare_with_displacement
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.trajectory import Trajectory
from featdyn_core.verdicts.claim import Curve, Verdict

pytestmark = pytest.mark.claim("memory-window")


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of the register."""
    values: dict[str, list[float]] = {}
    series: dict[str, list[list[float]]] = {}
    epochs: list[int] = []
    for trajectory in runs["clean"]:
        epochs = runs.epochs("memory", trajectory)
        held_out, training = (runs.grid(trajectory, split, epochs, epochs[-1]) for split in ("held-out", "training"))
        numbers = _across(trajectory, *runs.windows["far"])
        for split, grid in (("held-out", held_out), ("training", training)):
            numbers |= {f"{name}, {split}": value for name, value in _inside(epochs, grid).items()}
        for name, value in numbers.items():
            values.setdefault(name, []).append(value)
        for depth in range(len(held_out.cuts)):
            series.setdefault(f"depth {depth + 1}", []).append(held_out.agreement[depth, :, 0].tolist())
    curve = Curve(list(map(float, epochs)), series, "shallow epoch s", "agreement with f_t")
    return Measured(values, {"memory on held-out images": curve})


def _inside(epochs: list[int], grid: CompositeGrid) -> dict[str, float]:
    """The worst over depths and shallow epochs of the window, on one split."""
    reference = grid.reference_at(epochs[-1])
    medians = [np.median(pointwise_consistency(grid.memory(cut, epochs[-1]), reference)) for cut in grid.cuts]
    return {
        "agreement": float(grid.agreement.min()),
        "accuracy": float(grid.accuracy.min()),
        "cross-entropy": float(grid.cross_entropy.max()),
        "median consistency": float(min(medians)),
    }


def _across(trajectory: Trajectory, early: int, late: int) -> dict[str, float]:
    """Real and displaced shallow halves across the far window."""
    images, _ = trajectory.evaluation_set("held-out")
    rng = numpy_generator(trajectory.seed, "measure", "memory-window")
    found = compare_with_displacement(trajectory, early, late, images, rng)
    return {
        "agreement lost by displacement": found.lost_by_displacement,
        "agreement lost by turning": found.lost_by_turning,
        "agreement far back": found.carried,
        "agreement far back, recalibrated": found.recalibrated,
    }


@pytest.mark.fast
def test_memory_window(decide):
    decide(measure)


@pytest.mark.full
def test_memory_window_full(decide):
    decide(measure)


def world(agreement: float, spread: float, *, shrinking: bool = True) -> Runs:
    """Planted runs in which the whole window's agreement has the given mean and standard deviation over seeds."""
    drawn = [numpy_generator(seed, "measure", "world").normal(agreement, spread) for seed in range(5)]
    planted = [
        drifting(range(6, 29, 4), 1 - 2 * (1 - share), growth=-0.8 if shrinking else 0.0, seed=seed)
        for seed, share in enumerate(drawn)
    ]
    return Runs({"clean": planted}, {"memory": (18, 26), "far": (6, 26)})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({"agreement": 0.98, "spread": 0.002}, Verdict.SUPPORTED, id="true"),
        pytest.param({"agreement": 0.80, "spread": 0.02}, Verdict.REFUTED, id="false"),
        pytest.param({"agreement": 0.95, "spread": 0.03}, Verdict.INCONCLUSIVE, id="undecidable"),
        pytest.param({"agreement": 0.98, "spread": 0.002, "shrinking": False}, Verdict.INVALID, id="closeness"),
    ],
)
def test_memory_window_in_planted_worlds(judge, options, verdict):
    assert judge(measure(world(**options))) is verdict
