"""Theorem 3, App. G: a class's generalisation gap is bounded by a total variation and its miss rate.

    "If empirical-level memory holds at [...] and epoch [...], then the generalization gap of class [...] is bounded by
    the difference between the induced measure [...] and the empirical level distribution [...]."

A theorem, tested by search: Hypothesis looks for a world in which ``|μ_c(f_t = c) − μ̂_c(f_t = c)|`` exceeds ``TV(h_t #
μ_c, ν_c) + ε_c``, with ν_c the mixture of the empirical features over the window. Inputs and features are finite, so
total variation is exact. **Reading:** ε_c is the class's own miss rate.

SUPPORTED says that there is no counter-example in the registered number of worlds. The bound says little about
networks: total variation between a finite set of features and a continuous distribution is exactly 1, so for empirical
measures the bound is empty. The claim bridge tests what can be computed instead.

Controls: the search must find counter-examples to the twins, which are the bound without one of its terms.
"""

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import strategies as st

from featdyn_core import (
    Decide,
    FiniteClass,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    examined,
    finite_law,
    finite_total_variation,
    planted,
)

pytestmark = pytest.mark.claim("theorem-3")


def classes(inputs: int = 5, features: int = 3, checkpoints: int = 4) -> st.SearchStrategy[FiniteClass]:
    weights = st.tuples(*[st.integers(0, 4)] * inputs).filter(any)
    row = st.tuples(*[st.integers(0, features - 1)] * inputs)
    window = st.lists(row, min_size=1, max_size=checkpoints).map(tuple)
    return st.builds(FiniteClass, weights, weights, window, st.tuples(*[st.integers(0, 2)] * features))


TIGHT = FiniteClass((0, 1), (1, 0), ((0, 0), (1, 0)), (0, 1))
"""Gap 1, total variation and miss rate ½ each."""


def measure(run: Run) -> Measured:
    """Search one seed's worlds for a class that breaks the bound."""
    few, spread = finite_law([1] * 10 + [0] * 990), finite_law([1] * 1000)
    return examined(
        classes(),
        run.protocol["worlds"],
        run.seed,
        planted=run.worlds,
        theorem={"gap beyond the bound": lambda world: world.gap - world.variation - world.missed},
        twins={
            "twin: without the miss rate": lambda world: world.gap - world.variation,
            "twin: without total variation": lambda world: world.gap - world.missed,
        },
        reported={"ten features against 1,000 values": float(finite_total_variation(few, spread))},
    )


class Forgetful(FiniteClass):
    """A class whose miss rate counts as 0."""

    missed = Fraction(0)


forgetful = classes().map(lambda world: Forgetful(*dataclasses.astuple(world)))
WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: planted.theorem(rng, classes(features=2))),
    "false": World(Verdict.REFUTED, lambda rng: planted.theorem(rng, forgetful)),
    "too-plain-for-the-twins": World(Verdict.INVALID, lambda rng: planted.theorem(rng, classes(checkpoints=1))),
    "one-world-only": World(Verdict.INVALID, lambda rng: planted.theorem(rng, st.just(TIGHT))),
}


def test_theorem_3(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_theorem_3_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
