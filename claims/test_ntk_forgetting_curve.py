"""No forgetting in the NTK regime, section 4.2 and App. D.

    "the NTK regime prediction has no forgetting. [...] However, the Forgetting phenomenon shows that [...] getting
    bigger than [...], which is contradict with the theoretical analysis. Hence the NTK assumption cannot explain the
    phenomenon."

**Reading B:** under the last deep part, the loss does not rise as the shallow part recedes. The paper's figure of
forgetting shows such a rise for a real network. If a linearised network forgets too, the figure does not tell the two
apart.

Measured: how much older shallow parts cost more than the last one, in a perceptron linearised at its initial state and
trained by full-batch descent in float64, on training images. Step 0 is left out, because its shallow part is untrained.
The same perceptron under the same descent, not linearised, is reported beside it.

Controls: if the shallow part is frozen from the start, there is nothing to forget. A linear model with two parameters,
whose loss depends only on their sum, forgets.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    COUNTER_EXAMPLE_TO_B,
    Decide,
    Descent,
    Judge,
    Linearised,
    Lines,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    by_depth,
    chosen,
    largest_rise_over_end,
    planted,
    quadratic_loss_grid,
)

pytestmark = pytest.mark.claim("ntk-forgetting-curve")


def measure(run: Run) -> Measured:
    """Return the loss that one seed's older shallow parts add under the last deep one, at each cut."""
    linear, frozen, real = (run.record(name) for name in ("linearised", "frozen", "real"))

    def rises(grids: npt.NDArray[np.float64]) -> dict[str, Number]:
        return chosen(by_depth([largest_rise_over_end(grid) for grid in grids]), run.protocol["cuts"])

    series = {"linearised": linear.trained[0, :, -1], "real": real.trained[0, :, -1]}
    axes = "gradient steps of the shallow part", "training loss (nats)"
    return Measured(
        numbers={
            "rise over the end, linearised": rises(linear.trained),
            "rise over the end, shallow half frozen": rises(frozen.trained),
            "rise over the end, counter-example": largest_rise_over_end(quadratic_loss_grid(**COUNTER_EXAMPLE_TO_B)),
            "rise over the end, untrained half too": rises(linear.grids),
            "rise over the end, real": rises(real.trained),
        },
        curves={"loss under the last deep part": Lines(linear.steps[1:], series, *axes, log=True)},
    )


def world(forgotten: planted.Shares, *, frozen: float = 0.0) -> Run:
    """Plant the loss in nats that the earliest trained shallow part adds, for all depths or for each."""
    records = {
        "linearised": Linearised.planted(forgotten=forgotten),
        "frozen": Descent.planted(forgotten=frozen),
        "real": Descent.planted(forgotten=1.0),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.uniform(0, 0.004, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0, rng.uniform(0.5, 2), 0])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0, rng.uniform(0, 0.03), 0])),
    "a-frozen-half-is-forgotten": World(Verdict.INVALID, lambda rng: world(0, frozen=rng.uniform(0.1, 1))),
    "null": World(None, lambda rng: world([0, rng.uniform(0, 0.02), 0])),
}


def test_ntk_forgetting_curve(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_ntk_forgetting_curve_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
