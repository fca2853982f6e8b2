"""Forgetting, section 4.2, Fig. 4 and 12.

    "As the temporal gap between [...] and [...] increases, composite performance deteriorates. On CIFAR-10 (Fig. 4),
    when [...] decreases from 1000 to 300, cross-entropy rises and accuracy drops"

Measured at each depth: the accuracy of the composites ``(s, t)``, with t the last epoch of the window, as s recedes.
The numbers are Kendall's tau with s < t, and the accuracy lost at the far end of the window. **Reading:** at small and
reduced scale the window is the whole training except its first epochs, whose networks are hardly trained. Training
accuracy is against the true labels. The trend leaves out the composite (t, t), which is better than any other at any
distance. At the paper's scale CIFAR-10 is read from the training that continues after epoch 300, where the others end.
Both numbers are also reported with re-estimated normalisation statistics, which shows how much is due to stale
statistics.

Control: the same network frozen at t forgets nothing.
"""

import numpy as np
import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    accuracy_lost,
    over_shallow_epochs,
    planted,
    trends,
    with_splits,
)

pytestmark = pytest.mark.claim("forgetting")

EPOCHS = range(2, 43, 4)


def measure(run: Run) -> Measured:
    """Return what one seed's composites forget at each depth, re-estimated ones and a frozen network's included."""
    columns, churn = run.columns("column"), run.columns("churn")
    others = {"re-estimated": run.columns("refitted")["held-out"], "frozen": run.columns("still")["held-out"]}
    return Measured(
        numbers=with_splits(
            {
                split: forgotten(column) | {"trend of cross-entropy": trends(column, "cross_entropy")}
                for split, column in columns.items()
            }
        )
        | {f"{name}, {which}": found for which, column in others.items() for name, found in forgotten(column).items()},
        curves={
            f"{label} on {split} images": over_shallow_epochs(column, quantity, label, churn=churn[split])
            for split, column in columns.items()
            for quantity, label in (("accuracy", "accuracy"), ("cross_entropy", "cross-entropy (nats)"))
        },
    )


def forgotten(column: Column) -> dict[str, dict[str, Number]]:
    """Return, at each depth, the trend of accuracy over the shallow epoch and the loss at the far end."""
    return {"trend of accuracy": trends(column, "accuracy"), "accuracy forgotten": accuracy_lost(column)}


def world(missed: planted.Shares, *, still: float = 0.0) -> Run:
    """Plant miss rates at the far end for each depth, or all of them (depths, S), and those of a frozen network."""
    shares = planted.fading(missed, EPOCHS) if np.ndim(missed) < 2 else missed
    columns = planted.on_both_splits(Column.planted(EPOCHS, shares))
    frozen = planted.on_both_splits(Column.planted(EPOCHS, planted.fading(still, EPOCHS)))
    churn = planted.on_both_splits(planted.churn(EPOCHS, 0.5))
    return planted.run({"column": columns, "refitted": columns, "still": frozen, "churn": churn})


def trendless(rng: np.random.Generator) -> planted.Shares:
    """Return miss rates that have no trend at one depth, and fall with the shallow epoch at the others."""
    missed = planted.fading(0.5, EPOCHS)
    missed[1] = [*rng.uniform(0.15, 0.5, len(EPOCHS) - 1), 0]
    return missed


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.5, 0.05, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.5, 0.5, rng.normal(0.05, 0.005)])),
    "nothing-forgotten": World(Verdict.REFUTED, lambda _: world(0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.1, 0.04, 3))),
    "frozen-forgets": World(Verdict.INVALID, lambda rng: world(rng.normal(0.5, 0.05, 3), still=0.05)),
    "null": World(None, lambda rng: world([0.5, rng.normal(0.1, 0.02), 0.5])),
    "trendless": World(None, lambda rng: world(trendless(rng))),
}


def test_forgetting(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_forgetting_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
