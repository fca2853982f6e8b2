"""Weight averages: a rival of memory, section 4.2, that its reviewers asked about.

    "Composite networks retain high performance when the temporal gap between s and t is moderate."

Stochastic weight averaging (Izmailov et al. 2018) mixes checkpoints in every layer, and does well where they lie in one
basin of the loss. Were that all there is to memory, averages of the window's checkpoints would agree with ``f_t`` as
the composites do, and no word of shallow and deep halves would be needed. Measured on held-out images: the network
whose weights are the mean over the window, and at each s the average of the weights at s and t against the composite
(s, t); normalisation is re-estimated in all of them. **Reading:** SUPPORTED says that this rival explains as much as
memory does.

Controls: the average with a stranger's weights, another seed's network, which lies in another basin; and ``f_t`` with
its own statistics re-estimated, which must leave it its predictions, or nothing is known of averages.
"""

import numpy as np
import pytest

from featdyn_core import Averages, Column, Decide, Judge, Lines, Measured, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("weight-averages")

EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """One seed: averages of weights, and what composites of the same checkpoints do."""
    averages, column = run.record("averages"), run.columns("column")["held-out"]
    composites, midpoints = column.agreement.min(axis=0), averages.agreement("midpoints")
    series = {"average of s and t": midpoints, "composite, least depth": composites}
    return Measured(
        numbers={
            "agreement of the average": float(averages.agreement("window")),
            "average against composite": float((midpoints - composites)[:-1].min()),
            "agreement of a stranger's average": float(averages.agreement("stranger")),
            "agreement of f_t re-estimated": float(midpoints[-1]),
            "accuracy gained by averaging": averages.accuracy_gained,
            "agreement of midpoints": float(midpoints.min()),
        },
        curves={"averages and composites": Lines(averages.epochs, series, "shallow epoch s", "agreement with f_t")},
    )


def world(missed: float, *, composite: float = 0.02, stranger: float = 0.3, again: float = 1.0) -> Run:
    """Plant what averages miss, what the first composite misses, and the agreement of a stranger and of f_t again."""
    labels = np.arange(planted.IMAGES) % planted.CLASSES

    def agreeing(share: float) -> np.ndarray:
        wrong = np.arange(planted.IMAGES) >= round(float(np.clip(share, 0, 1)) * planted.IMAGES)
        return np.where(wrong, (labels + 1) % planted.CLASSES, labels)

    midpoints = np.array([agreeing(1 - missed), agreeing(1 - missed / 2), agreeing(again)])
    found = Averages(np.array(EPOCHS), agreeing(1 - missed), midpoints, agreeing(stranger), labels, labels)
    return planted.run(
        {"averages": found, "column": planted.on_both_splits(Column.planted(EPOCHS, [composite, composite / 2, 0]))}
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.01, 0.002))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.2, 0.02))),
    "worse-than-composites": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.03, 0.002), composite=0.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.04, 0.03), composite=0.05)),
    "stranger-agrees": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002), stranger=0.99)),
    "statistics-off": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002), again=0.88)),
    "null": World(None, lambda rng: world(rng.normal(0.05, 0.02), composite=0.05)),
}


def test_weight_averages(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_weight_averages_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
