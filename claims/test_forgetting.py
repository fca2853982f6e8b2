"""Claims forgetting and forgetting-flat, section 4.2 and App. B, Fig. 4 and 12.

    "As the temporal gap between s and t increases, composite performance deteriorates. On CIFAR-10, when s decreases
    from 1000 to 300, cross-entropy rises and accuracy drops." — "In contrast, for the MNIST and STL-10 datasets,
    accuracy remains largely unchanged as s varies."

Measured: accuracy and cross-entropy of the composites ``(s, t)``, t the last epoch of the window, as s recedes;
Kendall's tau with s < t, and how much accuracy is lost at the window's far end. **Reading:** at small and reduced
scale the window is the whole training from the first epoch. Training accuracy is against the true labels.

Control: the same network frozen at t shows no trend. For the flat claim, a window that reaches back to the initial
network must not be flat.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from featdyn_core.harness.planted import angle_for, drifting, frozen, rotating
from featdyn_core.harness.register import Measured, Runs
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.trajectory import Trajectory
from featdyn_core.verdicts.claim import Curve, Verdict
from featdyn_core.verdicts.inference import kendall

SPLITS = ("held-out", "training")


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of ``forgetting``."""
    values: dict[str, list[float]] = {}
    curves: dict[str, Curve] = {}
    for trajectory in runs["clean"]:
        epochs = runs.epochs("forgetting", trajectory)
        grids = {split: runs.grid(trajectory, split, epochs, epochs[-1]) for split in SPLITS}
        still = runs.grid(frozen(trajectory), "held-out", epochs[::-4], epochs[-1])
        numbers = {
            "trend of accuracy": min(_trends(epochs, *(grid.accuracy for grid in grids.values()))),
            "trend of cross-entropy": max(_trends(epochs, *(grid.cross_entropy for grid in grids.values()))),
            "accuracy forgotten": min(_forgotten(grid) for grid in grids.values()),
            "trend in a frozen network": max(map(abs, _trends(still.shallow_epochs, still.accuracy))),
        }
        for name, value in numbers.items():
            values.setdefault(name, []).append(value)
        for split, grid in grids.items():
            _extend(curves, f"accuracy on {split} images", epochs, grid.cuts, grid.accuracy, "accuracy")
            title = f"cross-entropy on {split} images"
            _extend(curves, title, epochs, grid.cuts, grid.cross_entropy, "cross-entropy (nats)")
    return Measured(values, curves)


def measure_flat(runs: Runs) -> Measured:
    """One number per seed for each criterion of ``forgetting-flat``."""
    values: dict[str, list[float]] = {"accuracy range": [], "accuracy range, whole training": []}
    curves: dict[str, Curve] = {}
    for trajectory in runs["clean"]:
        epochs = runs.epochs("whole", trajectory)
        grids = {split: runs.grid(trajectory, split, epochs, epochs[-1]) for split in SPLITS}
        first, _ = runs.windows["forgetting"]
        inside = np.array(epochs) >= first
        for split, grid in grids.items():
            _extend(curves, f"accuracy on {split} images", epochs, grid.cuts, grid.accuracy, "accuracy")
        ranges = [np.ptp(grid.accuracy[:, inside, 0], axis=1).max() for grid in grids.values()]
        whole = [np.ptp(grid.accuracy[:, :, 0], axis=1).min() for grid in grids.values()]
        values["accuracy range"].append(float(max(ranges)))
        values["accuracy range, whole training"].append(float(min(whole)))
    return Measured(values, curves)


def _trends(epochs: Sequence[int], *tables: np.ndarray) -> list[float]:
    """Kendall's tau of each cut's column of each (cuts, S, 1) table with the shallow epoch, the network itself apart.

    The composite (t, t) would make a trend of its own: it is better than any other however far away that is.
    """
    return [kendall(epochs[:-1], column[:-1]) for table in tables for column in table[:, :, 0]]


def _forgotten(grid: CompositeGrid) -> float:
    """Least loss of accuracy, over cuts, from the network to the composite with the first shallow epoch."""
    return float((grid.accuracy[:, -1, 0] - grid.accuracy[:, 0, 0]).min())


def _extend(
    curves: dict[str, Curve], title: str, epochs: list[int], cuts: tuple[str, ...], table: np.ndarray, label: str
) -> None:
    """Add one seed's columns to the figure called ``title``."""
    curve = curves.setdefault(title, Curve(list(map(float, epochs)), {}, "shallow epoch s", label))
    for depth in range(len(cuts)):
        curve.series.setdefault(f"depth {depth + 1}", []).append(table[depth, :, 0].tolist())


@pytest.mark.fast
@pytest.mark.claim("forgetting")
def test_forgetting(decide):
    decide(measure)


@pytest.mark.full
@pytest.mark.claim("forgetting")
def test_forgetting_full(decide):
    decide(measure)


@pytest.mark.full
@pytest.mark.claim("forgetting-flat")
def test_no_forgetting_full(decide):
    decide(measure_flat)


def world(drops: list[float]) -> Runs:
    """Planted runs, one for each drop of agreement (and so of accuracy) from the last epoch back to the first."""
    planted = [drifting(range(0, 41, 4), 1 - drop, seed=seed) for seed, drop in enumerate(drops)]
    return Runs({"clean": planted}, {"forgetting": (0, 40), "whole": (0, 40)})


def trendless(epochs: Sequence[int], rng: np.random.Generator, **options) -> Trajectory:
    """Plant a trajectory whose composites with the last deep half all miss, each another share at random."""
    misses = {epoch: 0.0 if epoch == epochs[-1] else rng.uniform(0.15, 0.5) for epoch in epochs}
    return rotating({epoch: angle_for(1 - miss) for epoch, miss in misses.items()}, **options)


@pytest.mark.fast
@pytest.mark.claim("forgetting")
@pytest.mark.parametrize(
    ("drops", "verdict"),
    [
        pytest.param([0.4, 0.5, 0.45, 0.55, 0.5], Verdict.SUPPORTED, id="true"),
        pytest.param([0.0, 0.0, 0.0, 0.0, 0.0], Verdict.REFUTED, id="false"),
        pytest.param([0.0, 0.3, 0.02, 0.25, 0.0], Verdict.INCONCLUSIVE, id="undecidable"),
    ],
)
def test_forgetting_in_planted_worlds(judge, drops, verdict):
    assert judge(measure(world(drops))) is verdict


@pytest.mark.fast
@pytest.mark.claim("forgetting-flat")
@pytest.mark.parametrize(
    ("early", "late", "verdict"),
    [
        pytest.param(0.5, 0.0, Verdict.SUPPORTED, id="true"),
        pytest.param(0.5, 0.2, Verdict.REFUTED, id="false"),
        pytest.param(0.0, 0.0, Verdict.INVALID, id="always-flat"),
    ],
)
def test_no_forgetting_in_planted_worlds(judge, early, late, verdict):
    planted = []
    for seed in range(5):
        jitter = numpy_generator(seed, "measure", "world").uniform(0, 0.005)
        drops = {epoch: (early if epoch < 20 else late) + jitter for epoch in range(0, 40, 4)} | {40: 0.0}
        planted.append(rotating({epoch: angle_for(1 - drop) for epoch, drop in drops.items()}, seed=seed))
    runs = Runs({"clean": planted}, {"forgetting": (20, 40), "whole": (0, 40)})
    assert judge(measure_flat(runs)) is verdict
