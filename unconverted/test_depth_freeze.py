"""Freezing shallow layers, App. F.B, Fig. 18.

    "Models with frozen shallow networks (Fix Depth1/2/3) achieve slightly lower and less stable test accuracy compared
    to the fully trainable baseline."

Measured: mean and standard deviation of held-out accuracy over the epochs of a late window, in trainings whose first
one, two or three stages are frozen at half of the time, against one that goes on from the same checkpoint with nothing
frozen; both differences at the depth where they are least. **Reading:** depth d is the end of stage d; a frozen part
keeps its normalisation statistics too; all branches begin with a new optimiser (see ``training.branching``).

Controls: all stages frozen at the last epochs only, too late for a difference; and what is frozen does not move.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import Decide, Judge, Lines, Measured, Misclassified, Run, TrainingPath, Verdict, World, planted

pytestmark = pytest.mark.claim("depth-freeze")

FROZEN = ("frozen1", "frozen2", "frozen3")
EPOCHS = range(14, 29)


def measure(run: Run) -> Measured:
    """One seed: the least differences over the frozen depths, and those of the controls."""
    late, end = run.window("late"), run.record("end", "late")
    errors = {arm: run.record("frozen", arm) for arm in ("continued", *FROZEN)}
    accuracy = {arm: found.within(late.first, late.last).accuracy for arm, found in errors.items()}
    lost, gained = zip(*(differences(accuracy["continued"], accuracy[arm]) for arm in FROZEN), strict=True)
    whole = run.record("whole")
    frozen_at_end = whole.accuracy
    frozen_at_end[np.isin(whole.epochs, end.epochs)] = end.accuracy[np.isin(end.epochs, whole.epochs)]
    lost_at_end, gained_at_end = differences(whole.accuracy, frozen_at_end)
    moved = [run.record("path", arm).length[depth, -1] for depth, arm in enumerate(FROZEN)]
    return Measured(
        numbers={
            "accuracy lost": min(lost),
            "instability gained": min(gained),
            "accuracy lost at the end": lost_at_end,
            "instability gained at the end": gained_at_end,
            "movement of the frozen part": float(max(moved)),
            "accuracy lost, all stages frozen": lost[-1],
            "instability gained, all stages frozen": gained[-1],
        },
        curves={
            "held-out accuracy with shallow stages frozen": Lines(
                errors["continued"].epochs,
                {arm: found.accuracy for arm, found in errors.items()},
                "epoch",
                "held-out accuracy",
                window="late",
                over_epochs=True,
            )
        },
    )


def differences(free: npt.NDArray[np.float64], frozen: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean accuracy lost, and standard deviation over epochs gained, where something is frozen."""
    return float(free.mean() - frozen.mean()), float(frozen.std(ddof=1) - free.std(ddof=1))


def world(lost: float, gained: float, *, at_end: float = 0.0, moved: float = 0.0) -> Run:
    """Plant what freezing does to the mean and the spread of accuracy, what it does at the end, and a path."""
    wave = np.resize([1, -1], len(EPOCHS))
    path = TrainingPath.planted([14, 28], moved)
    records: dict[tuple[str, str], Any] = {("path", arm): path for arm in FROZEN}
    records |= {("frozen", arm): Misclassified.planted(EPOCHS, 0.9 - lost + (0.02 + gained) * wave) for arm in FROZEN}
    records["frozen", "continued"] = Misclassified.planted(EPOCHS, 0.9 + 0.02 * wave)
    records["whole", "clean"] = Misclassified.planted(EPOCHS[2::2], 0.9)
    records["end", "late"] = Misclassified.planted(EPOCHS[-3:], 0.9 - at_end)
    return planted.run(records, windows={"late": (16, 28)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(0.01, 0.001))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(-0.01, 0.001))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.005, 0.02), rng.normal(0.01, 0.001))),
    "not-frozen": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003), 0.01, moved=0.1)),
    "late-matters": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003), 0.01, at_end=0.1)),
    "null": World(None, lambda rng: world(rng.normal(0, 0.01), rng.normal(0.01, 0.001))),
}


def test_depth_freeze(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_depth_freeze_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
