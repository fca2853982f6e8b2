"""Weight averages: a rival of memory, section 4.2, that its reviewers asked about.

    "composite networks retain high performance when the temporal gap between [...] and [...] is moderate."

Stochastic weight averaging (Izmailov et al. 2018) mixes checkpoints, and does well if they lie in one basin of the
loss. If memory were no more than that, an average of the window's shallow parts would serve the deep part of ``f_t`` as
well as a single past one. Measured at each depth on held-out images: the agreement of that average minus that of the
composite **at equal distance** from ``θ_t``, so that the average cannot win merely by lying nearer. Normalisation
statistics are re-estimated in both. **Reading:** SUPPORTED says that this rival explains more than memory does,
EQUIVALENT that it explains as much.

Controls: ``f_t`` with its own statistics re-estimated must keep its predictions. The average with the weights of a
stranger, another seed's network, lies in another basin. Statistics come from training images, and every checkpoint from
the training of its own seed; both are measured.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    AveragedHalves,
    Averages,
    Counted,
    Decide,
    Judge,
    Lines,
    Measured,
    Origin,
    Run,
    Verdict,
    World,
    by_depth,
    planted,
)

pytestmark = pytest.mark.claim("weight-averages")


def measure(run: Run) -> Measured:
    """Compare one seed's averaged shallow part with the past at equal distance, at each depth."""
    halves, averages = run.record("halves"), run.record("averages")
    images, series = halves.images, {name: halves.agreement(name) for name in ("average", "composite")}

    def share(found: npt.ArrayLike) -> Counted:
        return Counted(float(np.asarray(found)), images)

    return Measured(
        numbers={
            "average against composite": by_depth(halves.difference, of=images),
            "agreement of f_t re-estimated": share(halves.agreement("again")),
            "agreement of a stranger's average": share(averages.agreement("stranger")),
            "calibration images from training": share(halves.calibrated),
            "distance from the drawn network": run.record("origin").distance,
            "agreement of the averaged half": by_depth(series["average"], of=images),
            "agreement of the average": share(averages.agreement("window")),
            "accuracy gained by averaging": Counted(averages.accuracy_gained, images),
            "relative distance": by_depth(halves.distances[:, 0]),
        },
        curves={
            "averages and composites at equal distance": Lines(
                range(1, len(halves.cuts) + 1), series, "depth", "agreement with f_t"
            )
        },
    )


def world(difference: planted.Shares, *, stranger: float = 0.3, origin: float = 0.0, **halves: float) -> Run:
    """Plant the gain of averages over composites at each depth, a stranger's agreement, and other fields."""
    records = {
        "halves": AveragedHalves.planted(difference, **halves),
        "averages": Averages.planted(window=0.98, stranger=stranger),
        "origin": Origin(origin),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.03, 0.004, 3))),
    "one-basin": World(Verdict.EQUIVALENT, lambda rng: world(rng.normal(0, 0.0005, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.03, 0.03, rng.normal(-0.05, 0.004)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.005, 0.02, 3))),
    "stranger-agrees": World(Verdict.INVALID, lambda rng: world(rng.normal(0.03, 0.004, 3), stranger=0.99)),
    "statistics-off": World(Verdict.INVALID, lambda rng: world(rng.normal(0.03, 0.004, 3), again=0.88)),
    "held-out-calibration": World(Verdict.INVALID, lambda rng: world(rng.normal(0.03, 0.004, 3), calibrated=0.1)),
    "another-seed": World(Verdict.INVALID, lambda rng: world(rng.normal(0.03, 0.004, 3), origin=1.4)),
    "null": World(None, lambda rng: world([0.03, rng.normal(0, 0.01), 0.03])),
}


def test_weight_averages(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_weight_averages_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
