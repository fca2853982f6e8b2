"""Theorem 2, App. G: memory at the level of particles and of the empirical distribution.

    "(1) Given a family of networks [...], if particle-level memory holds at [...] and epoch [...] for every [...] in
    the data set, then empirical-level memory at [...] will occur. (2) If empirical-level memory holds at [...] and
    epoch [...], then more than [...] of the data in the empirical distribution exhibit a particle-level memory property
    at [...] and epoch [...], for any [...]."

A theorem, tested by search: Hypothesis looks for predictions of composites for which it fails, and SUPPORTED says that
there is no counter-example in the registered number of worlds. All numbers are exact fractions. Statement (2), "more
than 1 − ε/a", is Markov's inequality, with ε the smallest level at which empirical-level memory holds and a in (0, 1].
**Reading:** "more than" is meant for ε > 0. If nothing is missed, all samples are within a, which is not more than all;
that case is reported.

Controls: the search must find counter-examples to the twins, which are the two statements reversed.
"""

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
    empirical_level,
    examined,
    particle_levels,
    planted,
    share_within,
)

pytestmark = pytest.mark.claim("theorem-2")


@dataclass(frozen=True)
class Predictions:
    """Predictions of composites (U, N) and of ``f_t`` (N,), and a level a."""

    composites: tuple[tuple[int, ...], ...]
    reference: tuple[int, ...]
    level: Fraction

    @property
    def particles(self) -> list[Fraction]:
        """Miss rate of each sample."""
        return particle_levels(self.composites, self.reference)

    @property
    def empirical(self) -> Fraction:
        """The least ε of empirical-level memory."""
        return empirical_level(self.particles)

    @property
    def markov(self) -> Fraction:
        """The bound 1 − ε/a minus the share of samples within a."""
        return 1 - self.empirical / self.level - share_within(self.particles, self.level)


def predictions(samples: int, checkpoints: int = 4, classes: int = 3) -> st.SearchStrategy[Predictions]:
    row = st.tuples(*[st.integers(0, classes - 1)] * samples)
    cube = st.lists(row, min_size=1, max_size=checkpoints).map(tuple)
    level = st.integers(1, 12).map(lambda twelfths: Fraction(twelfths, 12))
    return st.builds(Predictions, cube, row, level)


def missing(worlds: st.SearchStrategy[Predictions]) -> st.SearchStrategy[Predictions]:
    """Return the worlds in which something is missed: ε > 0."""
    return worlds.filter(lambda world: world.empirical > 0)


NOTHING_MISSED, HALF_MISSED = (Predictions((row,), (0, 0), Fraction(1)) for row in ((0, 0), (0, 1)))


def measure(run: Run) -> Measured:
    """Search one seed's worlds for predictions that break a statement."""
    return examined(
        missing(predictions(samples=5)),
        run.protocol["worlds"],
        run.seed,
        planted=run.worlds,
        theorem={
            "particles to empirical": lambda world: world.empirical - max(world.particles),
            "empirical to particles": lambda world: world.markov,
        },
        strict=("empirical to particles",),
        twins={
            "twin: empirical to every particle": lambda world: max(world.particles) - world.empirical,
            "twin: Markov turned round": lambda world: -world.markov,
        },
        reported={"more than all, at ε = 0": float(NOTHING_MISSED.markov)},
    )


class Unlike(Predictions):
    """Predictions whose empirical level is half of what it should be."""

    @property
    def empirical(self) -> Fraction:
        """Half of the least ε."""
        return super().empirical / 2


halved = missing(predictions(5)).map(lambda world: Unlike(world.composites, world.reference, world.level))
WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: planted.theorem(rng, missing(predictions(4, classes=2)))),
    "false": World(Verdict.REFUTED, lambda rng: planted.theorem(rng, halved)),
    "too-plain-for-the-twins": World(Verdict.INVALID, lambda rng: planted.theorem(rng, missing(predictions(1)))),
    "one-world-only": World(Verdict.INVALID, lambda rng: planted.theorem(rng, st.just(HALF_MISSED))),
}


def test_theorem_2(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_theorem_2_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
