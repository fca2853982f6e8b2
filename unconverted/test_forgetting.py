"""Forgetting, section 4.2, Fig. 4 and 12.

    "As the temporal gap between s and t increases, composite performance deteriorates. On CIFAR-10, when s decreases
    from 1000 to 300, cross-entropy rises and accuracy drops."

Measured: accuracy and cross-entropy of the composites ``(s, t)``, t the last epoch of the window, as s recedes;
Kendall's tau with s < t, and how much accuracy is lost at the window's far end. **Reading:** at small and reduced
scale the window is the whole training from the first epoch. Training accuracy is against the true labels. The
composite (t, t) is left out of the trend: it is better than any other however far away that is. At the paper's scale
CIFAR-10 is read from the training that goes on at 300 where the others end.

Control: the same network frozen at t shows no trend.
"""

import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Verdict, World, over_shallow_epochs, planted, trends

pytestmark = pytest.mark.claim("forgetting")

EPOCHS = range(0, 41, 4)


def measure(run: Run) -> Measured:
    """One seed: trends over depths and splits, the least favourable of them."""
    columns, still = run.columns("column"), run.columns("still")["held-out"]
    both = columns.values()
    return Measured(
        numbers={
            "trend of accuracy": min(min(trends(column, "accuracy")) for column in both),
            "trend of cross-entropy": max(max(trends(column, "cross_entropy")) for column in both),
            "accuracy forgotten": min(float((item.accuracy[:, -1] - item.accuracy[:, 0]).min()) for item in both),
            "trend in a frozen network": max(map(abs, trends(still, "accuracy"))),
        },
        curves={
            f"{label} on {split} images": over_shallow_epochs(column, quantity, label)
            for split, column in columns.items()
            for quantity, label in (("accuracy", "accuracy"), ("cross_entropy", "cross-entropy (nats)"))
        },
    )


def world(missed: list[float], *, still: float = 0.0) -> Run:
    """Plant the share missed at each epoch, and how much a frozen network's accuracy drifts."""
    frozen = planted.on_both_splits(Column.planted(EPOCHS[::-4][::-1], [0.1 + still, 0.1, 0.1 - still]))
    return planted.run({"column": planted.on_both_splits(Column.planted(EPOCHS, missed)), "still": frozen})


def fading(drop: float) -> list[float]:
    """Miss ever more, up to ``drop``, as the shallow epoch recedes."""
    return [drop * (1 - epoch / EPOCHS[-1]) for epoch in EPOCHS]


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(fading(rng.normal(0.5, 0.05)))),
    "false": World(Verdict.REFUTED, lambda _: world(fading(0.0))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(fading(rng.normal(0.1, 0.08)))),
    "frozen-forgets": World(Verdict.INVALID, lambda rng: world(fading(rng.normal(0.5, 0.05)), still=0.05)),
    "null": World(None, lambda rng: world([*rng.uniform(0.15, 0.5, len(EPOCHS) - 1), 0.0])),
}


def test_forgetting(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_forgetting_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
