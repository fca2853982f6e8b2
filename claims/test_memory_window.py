"""Claim memory-window, section 4.2, Fig. 2 and 10.

    "Composite networks retain high performance when the temporal gap between s and t is moderate. [...] over 98 %
    accuracy. Consistency values are tightly concentrated around 1.0."

Measured: composites ``(s, t)``, t the end of a late window of training, s every checkpoint in it, at the paper's three
depths; agreement with ``f_t`` and accuracy, on held-out and on training images. **Reading:** the window is the late half
of training at small and reduced scale and epochs 200 to 300 at the paper's.

Control: a shallow half moved as far from ``θ_t`` as ``θ_s`` is, in a random direction. Were closeness alone the cause,
it would agree as well. Reported beside it: the same with norm *and* angle of the real shallow half. What batch
normalisation makes irrelevant, the scale of the weights, then no longer counts as distance.
"""

import numpy as np
import pytest
from featdyn_core.claim import Curve, Verdict
from featdyn_core.composite import CompositeGrid, composite, composite_grid, predict
from featdyn_core.consistency import pointwise_consistency
from featdyn_core.displacement import displaced
from featdyn_core.planted import drifting
from featdyn_core.register import Measured, Runs
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectory import Trajectory

pytestmark = pytest.mark.claim("memory-window")

DRAWS = 4


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of the register."""
    values: dict[str, list[float]] = {}
    series: dict[str, list[list[float]]] = {}
    epochs: list[int] = []
    for trajectory in runs["clean"]:
        epochs = runs.epochs("memory", trajectory)
        held_out, training = (_grid(trajectory, split, epochs) for split in ("held-out", "training"))
        for name, value in _numbers(trajectory, epochs, held_out, training).items():
            values.setdefault(name, []).append(value)
        for depth, cut in enumerate(held_out.cuts):
            series.setdefault(f"depth {depth + 1}", []).append(held_out.agreement[depth, :, 0].tolist())
    curve = Curve(list(map(float, epochs)), series, "shallow epoch s", "agreement with f_t")
    return Measured(values, {"memory on held-out images": curve})


def _grid(trajectory: Trajectory, split: str, epochs: list[int]) -> CompositeGrid:
    images, labels = trajectory.evaluation_set(split)
    return composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=trajectory.network(epochs[-1]).depths,
        shallow_epochs=epochs,
        deep_epochs=epochs[-1:],
    )


def _numbers(
    trajectory: Trajectory, epochs: list[int], held_out: CompositeGrid, training: CompositeGrid
) -> dict[str, float]:
    first, last = epochs[0], epochs[-1]
    reference = held_out.reference_at(last)
    images, _ = trajectory.evaluation_set("held-out")
    rng = numpy_generator(trajectory.seed, "measure", "memory-window")

    def lost(match: str) -> float:
        """Agreement of the composite at the window's start minus that of displaced networks, least over depths."""
        differences = []
        for number, cut in enumerate(held_out.cuts):
            moved = [displaced(trajectory, first, last, cut, rng, match=match) for _ in range(DRAWS)]
            agreement = np.mean([predict(network, images) == reference for network in moved])
            differences.append(held_out.agreement[number, 0, 0] - agreement)
        return float(min(differences))

    recalibrated = [composite(trajectory, first, last, cut, batchnorm="recalibrate") for cut in held_out.cuts]
    medians = [np.median(pointwise_consistency(held_out.memory(cut, last), reference)) for cut in held_out.cuts]
    return {
        "agreement, held-out": float(held_out.agreement.min()),
        "accuracy, training": float(training.accuracy.min()),
        "median consistency, held-out": float(min(medians)),
        "agreement lost by displacement": lost("distance"),
        "agreement lost by turning": lost("angle"),
        "agreement, recalibrated": min(float(np.mean(predict(net, images) == reference)) for net in recalibrated),
    }


@pytest.mark.fast
def test_memory_window(decide):
    decide(measure)


@pytest.mark.full
def test_memory_window_full(decide):
    decide(measure)


def world(agreement: float, spread: float, *, shrinking: bool = True) -> Runs:
    """Planted runs in which the whole window's agreement has the given mean and standard deviation over seeds."""
    epochs = range(20, 41, 4)
    drawn = [numpy_generator(seed, "measure", "world").normal(agreement, spread) for seed in range(5)]
    planted = [drifting(epochs, share, growth=-0.8 if shrinking else 0.0, seed=seed) for seed, share in enumerate(drawn)]
    return Runs({"clean": planted}, {"memory": (20, 40)})


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
