"""Claim transferability, section 4.3, Fig. 5 and 13.

    "Composite networks achieve near-zero cross-entropy and above 98 % accuracy. Consistency values are tightly
    concentrated around 1.0 [...], showing that earlier classifiers remain predictive on the moderately shifted later
    features."

Measured: composites ``(s, t)`` with ``s ≥ t``, t the start of a window. **Reading:** "moderately" is the last
quarter of training at small and reduced scale, epochs 200 to 300 at the paper's. Agreement decides on held-out images
and accuracy on training images; both, and cross-entropy, are reported on the other split too.

Control: over a far longer gap, a shallow half displaced from ``θ_t`` by the distance to ``θ_s`` in a random
direction, against the real one; both with normalisation statistics re-estimated, the displaced one before the cut
and the composite after it, so that stale statistics excuse neither. Reported beside it: how far transfer reaches
with each half's own statistics and with re-estimated ones.
"""

import pytest

from featdyn_core.harness.planted import drifting
from featdyn_core.harness.register import Measured, Runs
from featdyn_core.measures.composites.displacement import compare_with_displacement
from featdyn_core.seeds import numpy_generator
from featdyn_core.trajectories.trajectory import Trajectory
from featdyn_core.verdicts.claim import Curve, Verdict

pytestmark = pytest.mark.claim("transferability")


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of the register."""
    values: dict[str, list[float]] = {}
    series: dict[str, list[list[float]]] = {}
    epochs: list[int] = []
    for trajectory in runs["clean"]:
        epochs = runs.epochs("transfer", trajectory)
        held_out, training = (runs.grid(trajectory, split, epochs, epochs[0]) for split in ("held-out", "training"))
        numbers = _across(trajectory, *runs.windows["far"])
        for split, grid in (("held-out", held_out), ("training", training)):
            numbers |= {
                f"agreement, {split}": float(grid.agreement.min()),
                f"accuracy, {split}": float(grid.accuracy.min()),
                f"cross-entropy, {split}": float(grid.cross_entropy.max()),
            }
        for name, value in numbers.items():
            values.setdefault(name, []).append(value)
        for depth in range(len(held_out.cuts)):
            series.setdefault(f"depth {depth + 1}", []).append(held_out.agreement[depth, :, 0].tolist())
    curve = Curve(list(map(float, epochs)), series, "shallow epoch s", "agreement with f_t")
    return Measured(values, {"transfer on held-out images": curve})


def _across(trajectory: Trajectory, early: int, late: int) -> dict[str, float]:
    """Real and displaced shallow halves across the far window."""
    images, _ = trajectory.evaluation_set("held-out")
    rng = numpy_generator(trajectory.seed, "measure", "transferability")
    found = compare_with_displacement(trajectory, late, early, images, rng)
    return {
        "agreement lost by displacement": found.lost_by_displacement,
        "agreement lost by turning": found.lost_by_turning,
        "agreement far ahead": found.carried,
        "agreement far ahead, recalibrated": found.recalibrated,
    }


@pytest.mark.fast
def test_transferability(decide):
    decide(measure)


@pytest.mark.full
def test_transferability_full(decide):
    decide(measure)


def world(agreement: float, spread: float, *, growing: bool = True) -> Runs:
    """Planted runs in which agreement across the window has the given mean and standard deviation over seeds."""
    drawn = [numpy_generator(seed, "measure", "world").normal(agreement, spread) for seed in range(5)]
    planted = [
        drifting(range(10, 41, 5), 1 - 3 * (1 - share), growth=4.0 if growing else 0.0, seed=seed)
        for seed, share in enumerate(drawn)
    ]
    return Runs({"clean": planted}, {"transfer": (30, 40), "far": (10, 40)})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({"agreement": 0.98, "spread": 0.002}, Verdict.SUPPORTED, id="true"),
        pytest.param({"agreement": 0.85, "spread": 0.02}, Verdict.REFUTED, id="false"),
        pytest.param({"agreement": 0.95, "spread": 0.02}, Verdict.INCONCLUSIVE, id="undecidable"),
        pytest.param({"agreement": 0.98, "spread": 0.002, "growing": False}, Verdict.INVALID, id="closeness"),
    ],
)
def test_transferability_in_planted_worlds(judge, options, verdict):
    assert judge(measure(world(**options))) is verdict
