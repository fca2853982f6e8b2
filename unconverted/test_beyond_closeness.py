"""Beyond closeness, sections 1, 4.2 and 6: the rival of memory and transfer.

    Memory is "not a trivial convergence artifact"; features move by "structured rather than arbitrary drift".

Were closeness all there is to memory, any network as near to ``f_t`` as the past one would serve its deep half as
well. Measured: across a far window, the agreement of the composite minus that of a shallow half moved as far in norm
and in angle, in a random direction; normalisation statistics are re-estimated for both, so that stale ones excuse
neither. Equal distance alone, the literal control of the paper's sentence, is reported: most of that distance is weight
decay's shrinking, which batch normalisation cancels.

Control: a planted network whose real direction is better than a random one by construction. There the same code must
find a difference.
"""

import pytest

from featdyn_core import Closeness, Column, Decide, Judge, Lines, Measured, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("beyond-closeness")

EPOCHS = (6, 28)


def measure(run: Run) -> Measured:
    """One seed: what the real direction adds to agreement, at the depth where it adds least."""
    found, column = run.record("closeness"), run.columns("column")["held-out"]
    distance, angle = found.moved.min(axis=0)
    kinds = ("recalibrated", "angle", "distance")
    series = {name: found.agreement(name) for name in kinds}
    depths = range(1, len(found.cuts) + 1)
    return Measured(
        numbers={
            "gained by the direction": float(found.gained("angle").min()),
            "gained by the direction, planted": float(found.planted.gained("angle").min()),
            "gained, equal distance only": float(found.gained("distance").min()),
            "agreement far back": float(column.agreement[:, 0].min()),
            "agreement far back, recalibrated": float(found.agreement("recalibrated").min()),
            "relative distance": float(distance),
            "angle": float(angle),
        },
        curves={"real and displaced shallow halves": Lines(depths, series, "depth", "agreement with f_t")},
    )


def world(gained: float, *, known: float = 0.5) -> Run:
    """Plant what the real direction adds, and what it adds where it is known to."""
    column = planted.on_both_splits(Column.planted(EPOCHS, [0.3, 0]))
    return planted.run({"closeness": Closeness.planted_gain(gained, known=known), "column": column})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.02))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(-0.1, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.03, 0.05))),
    "blind": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02), known=0.0)),
    "null": World(None, lambda rng: world(rng.normal(0.0, 0.05))),
}


def test_beyond_closeness(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_beyond_closeness_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
