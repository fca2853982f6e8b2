"""Beyond closeness, sections 1, 4.2 and 6: the rival of memory and transfer.

    "earlier classifiers can still process later features when the shift is moderate, reflecting structured rather than
    arbitrary drift [...] the memory window is not a trivial convergence artifact"

If memory were only closeness, any shallow part as near to that of ``f_t`` as the past one would serve its deep part as
well. Measured at each depth, across a far window: the agreement of the composite minus that of a shallow part that was
moved in a random direction, by the same norm and angle. Normalisation statistics are re-estimated for both, so that
stale statistics excuse neither. Three other comparisons are reported: directions from training itself (the mirrored
drift and the drift of another period), and equal distance alone. The last mostly compares norms, which weight decay
shrinks and batch normalisation cancels.

Controls: in a planted network the real direction is better than a random one by construction, and the same code must
find this. ``f_t`` with its own statistics re-estimated must keep its predictions.
"""

from typing import Any

import pytest

from featdyn_core import (
    Closeness,
    Column,
    Counted,
    Decide,
    Directions,
    Judge,
    Lines,
    Measured,
    Run,
    Verdict,
    World,
    across,
    by_depth,
    planted,
)

pytestmark = pytest.mark.claim("beyond-closeness")

EPOCHS = (6, 28)
COMPARED = {"composite": "recalibrated", "equal norm and angle": "angle", "equal distance": "distance"}


def measure(run: Run) -> Measured:
    """Return the agreement that one seed's real direction adds, at each depth."""
    found, known = run.record("closeness"), run.record("closeness").planted
    images, (distance, angle) = len(found.reference), found.moved.T
    numbers: dict[str, Any] = {
        "gained by the direction": by_depth(found.gained("angle"), of=images),
        "gained by the direction, planted": Counted(float(known.gained("angle").mean()), len(known.reference)),
        "gained, equal distance only": by_depth(found.gained("distance"), of=images),
        "agreement far back": across(run.columns("column")["held-out"])["agreement"],
        "agreement far back, re-estimated": by_depth(found.agreement("recalibrated"), of=images),
        "relative distance": by_depth(distance),
        "angle": by_depth(angle),
    }
    if run.protocol["directions"]:
        other = run.record("directions")
        numbers |= {
            "gained over the mirrored drift": by_depth(other.gained("mirrored_angle"), of=other.images),
            "gained over another period's drift": by_depth(other.gained("other_angle"), of=other.images),
            "agreement of f_t, re-estimated before the cut": by_depth(other.agreement("before"), of=other.images),
            "agreement of f_t, re-estimated behind the cut": by_depth(other.agreement("behind"), of=other.images),
        }
    series = {label: found.agreement(name) for label, name in COMPARED.items()}
    lines = Lines(range(1, len(found.cuts) + 1), series, "depth", "agreement with f_t")
    return Measured(numbers=numbers, curves={"real and displaced shallow parts": lines})


def world(gained: planted.Shares, *, known: float = 0.5, before: float = 0.99, behind: float = 0.99) -> Run:
    """Plant what the real direction adds at each depth and in the control, and the agreement of a re-estimated f_t."""
    records = {
        "closeness": Closeness.planted_gain(gained, known=known),
        "directions": Directions.planted(0.9, before=before, behind=behind),
        "column": planted.on_both_splits(Column.planted(EPOCHS, [0.3, 0])),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.02, 3))),
    "any-direction-serves": World(Verdict.EQUIVALENT, lambda rng: world(rng.normal(0, 0.001, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.1, 0.1, rng.normal(-0.1, 0.02)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.05, 3))),
    "blind": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02, 3), known=0.0)),
    "statistics-off-before": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02, 3), before=0.88)),
    "statistics-off-behind": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02, 3), behind=0.88)),
    "null": World(None, lambda rng: world([0.1, rng.normal(0, 0.05), 0.1])),
}


def test_beyond_closeness(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_beyond_closeness_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
