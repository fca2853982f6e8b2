"""NTK monotonicity, section 4.2 and App. D.

    "By gradient descent (gradient flow), the value of the loss function decrease monotonicly, even when some of the
    parameters are frozen. [...] Hence the NTK assumption cannot explain the phenomenon."

The text of the paper lacks the inequality itself. **Reading A:** for a fixed shallow part, the loss does not rise as
the deep part trains on. The claim ntk-forgetting-curve tests reading B, which is reported here.

Measured: one perceptron under one full-batch descent in float64, linearised at its initial state and not. Two things
are tested: the theorem, which is about *training* with a part frozen, and reading A on the composites of both. Reading
A must hold in the linearised network and fail in the real one; otherwise linearisation does not tell the two apart.
Step 0 is left out, because its parts are untrained.

Reading A is not a theorem for composites of one joint training. Two correlated parameters with an ill-conditioned
Hessian break it, which is the control. A linearised perceptron after long training with random labels breaks it too.
"""

from collections.abc import Callable
from typing import Any

import pytest

from featdyn_core import (
    COUNTER_EXAMPLE_TO_A,
    Decide,
    Descent,
    Judge,
    Linearised,
    Lines,
    LossGrid,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    by_depth,
    chosen,
    largest_rise_as_shallow_recedes,
    largest_rise_in_deep_time,
    planted,
    quadratic_loss_grid,
)

pytestmark = pytest.mark.claim("ntk-monotonicity")


def measure(run: Run) -> Measured:
    """Return one seed's largest rises of the loss at each cut."""
    linear, real = run.record("linearised", "mlp"), run.record("real", "mlp")

    def rises(found: Descent, rise: Callable[[Any], float]) -> dict[str, Number]:
        return chosen(by_depth([rise(grid) for grid in found.trained]), run.protocol["cuts"])

    numbers = {
        "rise with a half frozen, linearised": chosen(by_depth(linear.frozen_rises), run.protocol["cuts"]),
        "rise in deep time, linearised": rises(linear, largest_rise_in_deep_time),
        "rise in deep time, real": rises(real, largest_rise_in_deep_time),
        "additivity, linearised": linear.additivity_gap,
        "rise in deep time, counter-example": largest_rise_in_deep_time(quadratic_loss_grid(**COUNTER_EXAMPLE_TO_A)),
        "rise in deep time, trained by SGD": by_depth(
            [largest_rise_in_deep_time(grid) for grid in run.record("losses").losses]
        ),
        "rise as shallow recedes, linearised": rises(linear, largest_rise_as_shallow_recedes),
        "rise as shallow recedes, real": rises(real, largest_rise_as_shallow_recedes),
    }
    series = {"linearised": linear.trained[0, 0], "real": real.trained[0, 0]}
    axes = "gradient steps of the deep part", "training loss (nats)"
    return Measured(numbers, {"loss over the earliest shallow part": Lines(linear.steps[1:], series, *axes, log=True)})


def world(linear: planted.Shares, real: planted.Shares, *, gap: float = 0.0, frozen: planted.Shares = 0.0) -> Run:
    """Plant the rise of the losses at the end in nats, for all depths or for each."""
    found = Descent.planted(real)
    records = {
        ("linearised", "mlp"): Linearised.planted(linear, gap=gap, frozen=frozen),
        ("real", "mlp"): found,
        ("losses", "clean"): LossGrid(found.cuts, found.steps, found.grids),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(0, rng.uniform(0.5, 2, 3))),
    "linearised-rises": World(Verdict.REFUTED, lambda rng: world([0, rng.uniform(0.1, 0.2), 0], 1)),
    "theorem-broken": World(Verdict.REFUTED, lambda rng: world(0, 1, frozen=[0, rng.uniform(0.1, 0.2), 0])),
    "real-never-rises": World(Verdict.REFUTED, lambda rng: world(0, [rng.uniform(0.5, 2), 0, 0])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0, max(0, rng.normal(0, 0.1)), 0], 1)),
    "not-linear": World(Verdict.INVALID, lambda _: world(0, 1, gap=0.5)),
    "null": World(None, lambda rng: world(0, [1, rng.uniform(0, 0.02), 1])),
}


def test_ntk_monotonicity(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_ntk_monotonicity_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
