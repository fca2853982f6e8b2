"""No forgetting on simple tasks, section 4.2 and App. B, Fig. 12.

    "In contrast, for the MNIST and STL-10 datasets, accuracy remains largely unchanged as s varies."

Measured: the range of accuracy of the composites ``(s, t)`` over the shallow epochs of a late window, t its end.

Control: a window that reaches back to the initial network must not be flat.
"""

import numpy as np
import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Verdict, World, over_shallow_epochs, planted

pytestmark = pytest.mark.claim("forgetting-flat")

EPOCHS = range(0, 41, 4)


def measure(run: Run) -> Measured:
    """One seed: the range of accuracy over depths and splits, the least favourable of them."""
    columns, late = run.columns("column"), run.window("late")
    inside = [np.ptp(column.within(late.first, late.last).accuracy, axis=1) for column in columns.values()]
    whole = [np.ptp(column.accuracy, axis=1) for column in columns.values()]
    return Measured(
        numbers={
            "accuracy range": float(np.max(inside)),
            "accuracy range, whole training": float(np.min(whole)),
        },
        curves={
            f"{label} on {split} images, {where}": over_shallow_epochs(part, quantity, label, window="late")
            for split, column in columns.items()
            for where, part in (("late window", column.within(late.first, late.last)), ("whole training", column))
            for quantity, label in (("accuracy", "accuracy"), ("cross_entropy", "cross-entropy (nats)"))
        },
    )


def world(late: float, early: float = 0.5) -> Run:
    """Plant the share missed before and after epoch 20, the last epoch apart."""
    missed = [early if epoch < 20 else late for epoch in EPOCHS[:-1]]
    return planted.run(
        {"column": planted.on_both_splits(Column.planted(EPOCHS, [*missed, 0.0]))}, windows={"late": (20, 40)}
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.uniform(0.0, 0.005))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.2, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.uniform(0.0, 0.025))),
    "always-flat": World(Verdict.INVALID, lambda rng: world(rng.uniform(0.0, 0.005), early=0.0)),
    "null": World(None, lambda rng: world(rng.normal(0.01, 0.002))),
}


def test_forgetting_flat(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_forgetting_flat_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
