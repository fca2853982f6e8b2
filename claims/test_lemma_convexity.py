"""Lemma 1, App. D: cross-entropy is convex in the logits.

    "The [...] is convex [...] Hessian of [...] is diagonally dominant: As a result, the [...] is a convex function and
    the gradient flow can converge to the global minima." (of −log softmax)

A theorem, tested by search: Hypothesis looks for logits for which it fails, and SUPPORTED says that there is no
counter-example in the registered number of worlds. Logits are logarithms of whole numbers, so the softmax q is a
fraction, and ``vᵀ(diag(q) − qqᵀ)v``, the variance of v under q, is exact. Floats are used to check that this is the
Hessian of the loss, and that the loss is convex along segments. **Reading:** convex in the logits. The paper's further
statement on parameters holds where logits are linear in them, as in the claim ntk-monotonicity. The Hessian's diagonal
equals the sum of the rest of its row, so it is dominant, but not strictly.

Control: the search must find a counter-example to the twin, concavity.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import strategies as st

from featdyn_core import (
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    curvature,
    examined,
    logit_cross_entropy,
    planted,
    softmax_hessian,
)

pytestmark = pytest.mark.claim("lemma-convexity")

STEP = 1e-3
"""Step of second differences; the rounding error of a loss of size 10 is a billionth of its square."""


@dataclass(frozen=True)
class Logits:
    """Logits ``log weights`` and a direction; the correct class is the first."""

    weights: tuple[int, ...]
    direction: tuple[int, ...]

    @property
    def curvature(self) -> Fraction:
        """Second derivative of the loss along the direction."""
        probabilities = [Fraction(weight, sum(self.weights)) for weight in self.weights]
        return curvature(softmax_hessian(probabilities), self.direction)

    def loss(self, step: float) -> float:
        """Return the loss at ``step`` times the direction."""
        moved = zip(self.weights, self.direction, strict=True)
        return logit_cross_entropy([math.log(weight) + step * v for weight, v in moved], 0)

    def sag(self, step: float) -> float:
        """Return the mean loss at both ends of a segment minus the loss at its middle."""
        return (self.loss(step) + self.loss(-step)) / 2 - self.loss(0)

    @property
    def second_difference_error(self) -> float:
        """Distance of the loss's second difference from the curvature, minus what step and rounding allow."""
        allowed = 1e-6 + (STEP * max(map(abs, self.direction)) ** 2) ** 2
        return abs(2 * self.sag(STEP) / STEP**2 - float(self.curvature)) - allowed


def logits(directions: st.SearchStrategy[int]) -> st.SearchStrategy[Logits]:
    pairs = st.lists(st.tuples(st.integers(1, 1000), directions), min_size=2, max_size=6)
    return pairs.map(lambda found: Logits(*zip(*found, strict=True)))


def measure(run: Run) -> Measured:
    """Search one seed's worlds for logits that break an inequality."""
    return examined(
        logits(st.integers(-3, 3)),
        run.protocol["worlds"],
        run.seed,
        planted=run.worlds,
        theorem={
            "curvature": lambda world: -world.curvature,
            "convexity": lambda world: -world.sag(1.0),
            "Hessian of the loss": lambda world: world.second_difference_error,
        },
        twins={"twin: concavity": lambda world: world.curvature},
    )


class Concave(Logits):
    """A loss with the opposite sign."""

    def loss(self, step: float) -> float:
        """Return the negative loss."""
        return -super().loss(step)


upside_down = logits(st.integers(-3, 3)).map(lambda world: Concave(world.weights, world.direction))
WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: planted.theorem(rng, logits(st.integers(-2, 2)))),
    "false": World(Verdict.REFUTED, lambda rng: planted.theorem(rng, upside_down)),
    "too-plain-for-the-twin": World(Verdict.INVALID, lambda rng: planted.theorem(rng, logits(st.just(1)))),
    "one-world-only": World(Verdict.INVALID, lambda rng: planted.theorem(rng, st.just(Logits((1, 1), (1, 0))))),
}


def test_lemma_convexity(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_lemma_convexity_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
