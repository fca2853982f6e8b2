"""NTK monotonicity, section 4.2 and App. D.

    "By linear assumption [...] the loss function [...] is a convex function with respect to parameter. By gradient
    descent (gradient flow), the value of the loss function decrease monotonicly, even when some of the parameters are
    frozen. [...] Hence the NTK assumption cannot explain the phenomenon."

The inequality itself is lost in the paper's text. **Reading A:** over a fixed shallow half, the loss does not rise
as the deep half trains on. **Reading B:** under a fixed late deep half, the loss does not rise as the shallow half
recedes.

Measured: a perceptron linearised at its initial state, by full-batch gradient descent in float64; the theorem (training
with a half frozen), reading A and reading B on the grid of composites; the same in the real network.

What is a theorem is *training* with a half frozen. For composites of one joint training neither reading is one: in
``L = (a + b − 1)²`` gradient flow from 0 breaks B, and two correlated parameters with an ill-conditioned Hessian
break A (unit tests of ``monotonicity``); the second is the control. So the paper's argument is weaker than it reads: a
linearised network that shows no rise in A is an observation on these labels and this many steps (with random labels
and long training a linearised perceptron breaks A too), and a rise in B, the paper's forgetting figure, does not tell
the two regimes apart.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    COUNTER_EXAMPLE_TO_A,
    Decide,
    Judge,
    Linearised,
    Lines,
    LossGrid,
    Measured,
    Run,
    Verdict,
    World,
    largest_rise_as_shallow_recedes,
    largest_rise_in_deep_time,
    planted,
    quadratic_loss_grid,
)

pytestmark = pytest.mark.claim("ntk-monotonicity")

LEAST_RISE = 1e-12
"""Stands in for no rise at all, so that its logarithm is finite."""

POINTS = 8


def measure(run: Run) -> Measured:
    """One seed: the largest rises over depths."""
    linear = run.record("linearised", "mlp")
    real, perceptron = (run.record("losses", arm).losses for arm in ("clean", "mlp"))
    numbers = {
        "rise with a half frozen, linearised": linear.frozen_rise,
        "rise in deep time, linearised": max(map(largest_rise_in_deep_time, linear.grids)),
        "rise in deep time, real (log10)": math.log10(max(*map(largest_rise_in_deep_time, real), LEAST_RISE)),
        "additivity, linearised": linear.additivity_gap,
        "rise in deep time, counter-example": largest_rise_in_deep_time(quadratic_loss_grid(**COUNTER_EXAMPLE_TO_A)),
        "rise in deep time, real MLP": max(map(largest_rise_in_deep_time, perceptron)),
        "rise as shallow recedes, linearised": max(map(largest_rise_as_shallow_recedes, linear.grids)),
        "rise as shallow recedes, real": max(map(largest_rise_as_shallow_recedes, real)),
    }
    series = {"linearised": resampled(linear.grids[0][0]), "real": resampled(real[0][0])}
    x = np.linspace(0, 1, POINTS)
    axes = "deep half's share of training, shallow half at 0", "training loss (nats)"
    lines = Lines(x, series, *axes, log=True)
    return Measured(numbers, curves={"loss over the initial shallow half": lines})


def resampled(row: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values at evenly spaced shares of training."""
    return np.interp(np.linspace(0, 1, POINTS), np.linspace(0, 1, len(row)), row)


def world(linear_rise: float, real_rise: float, *, gap: float = 0.0, frozen_rise: float = 0.0) -> Run:
    """Plant losses that fall with time, but for rises of the given size at the end."""

    def grid(rise: float) -> npt.NDArray[np.float64]:
        falling = np.linspace(2, 1, 10)
        falling[-1] += rise + (falling[-2] - falling[-1]) * (rise > 0)
        return np.add.outer(np.linspace(0, 0.1, 10)[::-1], falling)[None]

    steps, linear, real = np.arange(10), grid(linear_rise), grid(real_rise)
    losses = np.diagonal(linear, axis1=1, axis2=2) + gap
    frozen = np.array([[[2.0, 1.0, 1.0 + frozen_rise]] * 2])
    losses_of_real = LossGrid(("depth1",), steps, real)
    records = {("losses", arm): losses_of_real for arm in ("clean", "mlp")}
    return planted.run({**records, ("linearised", "mlp"): Linearised(("depth1",), steps, linear, losses, frozen)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(0.0, rng.uniform(0.5, 2))),
    "linearised-rises": World(Verdict.REFUTED, lambda rng: world(rng.uniform(0.1, 0.2), 1.0)),
    "theorem-broken": World(Verdict.REFUTED, lambda rng: world(0.0, 1.0, frozen_rise=rng.uniform(0.1, 0.2))),
    "real-never-rises": World(Verdict.REFUTED, lambda _: world(0.0, 0.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(max(0.0, rng.normal(0, 0.1)), 1.0)),
    "not-linear": World(Verdict.INVALID, lambda _: world(0.0, 1.0, gap=0.5)),
    "null": World(None, lambda rng: world(0.0, 10 ** rng.normal(-1, 0.5))),
}


def test_ntk_monotonicity(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_ntk_monotonicity_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
