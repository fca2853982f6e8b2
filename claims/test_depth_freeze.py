"""Freezing shallow layers, App. F.B, Fig. 18.

    "At epoch 150, we freeze the shallow network up to depth d and continue training the deeper layers using SGD. [...]
    models with frozen shallow networks (Fix Depth1/2/3) achieve slightly lower and less stable test accuracy compared
    to the fully trainable baseline (SGD) (Figure 18)."

Measured: mean and standard deviation of held-out accuracy over the epochs of a late window. Trainings with the first
one or two stages frozen are compared with a training that continues from the same checkpoint with nothing frozen. Both
differences decide, for one and for two stages. With all three stages frozen only the last layer is trained; that result
is reported. **Reading:** the paper's epoch 150 is the last step of the learning rate, and this claim freezes at that
step. At small scale the rate has no step, so it freezes halfway. Depth d is the end of stage d. A frozen part also
keeps its normalisation statistics. All branches start with a new optimiser (see ``training.branching``).

Controls: if all stages are frozen only for the last epochs, that is too late for a difference. The frozen part does not
move.
"""

from typing import Any

import numpy as np
import pytest

from featdyn_core import (
    Counted,
    Decide,
    Judge,
    Lines,
    Measured,
    Misclassified,
    Run,
    TrainingPath,
    Verdict,
    World,
    chosen,
    planted,
)

pytestmark = pytest.mark.claim("depth-freeze")

FROZEN = {"one stage": "frozen1", "two stages": "frozen2", "all stages": "frozen3"}
EPOCHS = range(14, 29)


def measure(run: Run) -> Measured:
    """Return one seed's loss of accuracy and gain in instability at each frozen depth and in the controls."""
    late, whole, decides = run.window("late"), run.record("whole"), run.protocol["frozen"]
    errors = {"none": run.record("frozen", "continued")} | {name: run.record("frozen", FROZEN[name]) for name in FROZEN}
    inside = {name: found.within(late.first, late.last) for name, found in errors.items()}
    found = {name: differences(inside["none"], inside[name]) for name in FROZEN}
    found["end"] = differences(whole, frozen_at_end(whole, run.record("end", "late")))
    lost, gained = ({name: both[which] for name, both in found.items()} for which in (0, 1))
    moved = {name: run.record("path", FROZEN[name]).length[depth, -1] for depth, name in enumerate(decides)}
    drawn = {f"{name} frozen": one.accuracy for name, one in errors.items()}
    return Measured(
        numbers={
            "accuracy lost": chosen(lost, decides),
            "instability gained": chosen(gained, decides),
            "accuracy lost at the end": lost["end"],
            "instability gained at the end": gained["end"],
            "movement of the frozen part": moved,
            "accuracy lost, all stages frozen": lost["all stages"],
            "instability gained, all stages frozen": gained["all stages"],
        },
        curves={
            "held-out accuracy with shallow stages frozen": Lines(
                errors["none"].epochs, drawn, "epoch", "held-out accuracy", window="late", over_epochs=True
            )
        },
    )


def differences(free: Misclassified, frozen: Misclassified) -> tuple[Counted, float]:
    """Return the mean accuracy that freezing loses, and the standard deviation over epochs that it adds."""
    lost = Counted(float(free.accuracy.mean() - frozen.accuracy.mean()), frozen.clean.size)
    return lost, float(frozen.accuracy.std(ddof=1) - free.accuracy.std(ddof=1))


def frozen_at_end(whole: Misclassified, end: Misclassified) -> Misclassified:
    """Return the errors of a window whose last epochs come from a frozen training."""
    clean = whole.clean.copy()
    clean[np.isin(whole.epochs, end.epochs)] = end.clean[np.isin(end.epochs, whole.epochs)]
    return Misclassified(whole.epochs, clean)


def world(lost: planted.Shares, gained: planted.Shares, *, at_end: float = 0.0, moved: float = 0.0) -> Run:
    """Plant the effects of freezing one or two stages on mean and spread of accuracy and at the end, and a path."""
    wave = np.resize([1, -1], len(EPOCHS))
    changes = zip(FROZEN.values(), *(np.append(np.broadcast_to(each, 2), 0.01) for each in (lost, gained)), strict=True)
    records: dict[tuple[str, str], Any] = {
        ("frozen", arm): Misclassified.planted(EPOCHS, 0.9 - less + (0.02 + more) * wave) for arm, less, more in changes
    }
    records |= {("path", arm): TrainingPath.planted([14, 28], moved) for arm in FROZEN.values()}
    records["frozen", "continued"] = Misclassified.planted(EPOCHS, 0.9 + 0.02 * wave)
    records["whole", "clean"] = Misclassified.planted(EPOCHS[2::2], 0.9)
    records["end", "late"] = Misclassified.planted(EPOCHS[-3:], 0.9 - at_end)
    return planted.run(records, windows={"late": (16, 28)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.02, 0.003, 2), rng.normal(0.01, 0.001, 2))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.02, 0.003, 2), [0.01, rng.normal(-0.01, 0.001)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.005, 0.02, 2), 0.01)),
    "not-frozen": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003, 2), 0.01, moved=0.1)),
    "late-matters": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003, 2), 0.01, at_end=0.1)),
    "null": World(None, lambda rng: world([0.02, rng.normal(0, 0.01)], rng.normal(0.01, 0.001, 2))),
}


def test_depth_freeze(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_depth_freeze_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
