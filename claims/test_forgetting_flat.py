"""No forgetting on simple tasks, section 4.2 and App. B, Fig. 12.

    "In contrast, for the MNIST and STL-10 datasets, accuracy remains largely unchanged as [...] varies."

Measured at each depth: the accuracy of ``f_t`` minus that of the composite ``(s, t)``, with s the first epoch of a late
window and t its end. **Reading:** "largely unchanged" means a change of less than 0.01, in either direction, between
the ends of the window. The figure shows what lies between.

Control: a window that reaches back to the initial network, whose features are untrained, must not be flat.
"""

import numpy as np
import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    accuracy_lost,
    chosen,
    over_shallow_epochs,
    planted,
    trends,
    with_splits,
)

pytestmark = pytest.mark.claim("forgetting-flat")

EPOCHS = range(0, 41, 4)


def measure(run: Run) -> Measured:
    """Return one seed's loss of accuracy over the late window and back to the initial network, at each depth."""
    whole, window, depths = run.columns("column"), run.window("late"), run.protocol["depths"]
    late = {split: column.within(window.first, window.last) for split, column in whole.items()}
    return Measured(
        numbers=with_splits(
            {
                split: {
                    "accuracy lost": chosen(accuracy_lost(column), depths),
                    "trend of accuracy": chosen(trends(column, "accuracy"), depths),
                }
                for split, column in late.items()
            }
        )
        | {"accuracy lost back to the initial network": chosen(accuracy_lost(whole["held-out"]), depths)},
        curves={
            f"{label} on {split} images, {where}": over_shallow_epochs(part[split], quantity, label, window="late")
            for split in whole
            for where, part in (("late window", late), ("whole training", whole))
            for quantity, label in (("accuracy", "accuracy"), ("cross_entropy", "cross-entropy (nats)"))
        },
    )


def world(late: planted.Shares, early: float = 0.5) -> Run:
    """Plant the miss rates at the far end of the late window for each depth, and those before it."""
    missed = planted.fading(late, range(20, 41, 4))
    before = np.full((3, len(EPOCHS) - missed.shape[1]), early)
    column = Column.planted(EPOCHS, np.concatenate([before, missed], axis=1))
    return planted.run({"column": planted.on_both_splits(column)}, windows={"late": (20, 40)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.uniform(0.0, 0.005, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0, rng.normal(0.2, 0.02), 0])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.uniform(0.0, 0.02, 3))),
    "always-flat": World(Verdict.INVALID, lambda rng: world(rng.uniform(0.0, 0.005, 3), early=0.0)),
    "null": World(None, lambda rng: world([0, rng.normal(0.01, 0.002), 0])),
}


def test_forgetting_flat(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_forgetting_flat_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
