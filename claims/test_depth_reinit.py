"""Re-initialised deep layers, App. F.A.

    "When only the first basic block is retained, the final test accuracy decreases [...]. Retaining the first two basic
    blocks results in [...] accuracy." "For the baseline model, mCE is [...]. After reinitializing deeper layers, mCE
    increases"

Measured: held-out accuracy and mean corruption error (mCE: mean error over 15 corruptions and 5 severities, not
normalised) of a trained network whose first one or two stages are kept while the rest is initialised anew and trained
again for as long. The reference is the same network **retrained for as long** with nothing initialised anew, because
the effect of longer training alone is not an effect of new layers. **Reading:** the paper's "basic blocks" are the
stages. The kept stages stay frozen ("by selectively freezing shallow layers"), with their normalisation statistics.
Accuracy is the mean over the last few epochs, and mCE is that of the last. Without the official files of CIFAR-10-C,
frost is a synthesised texture that is milder than theirs (see ``data.corruptions``). The effect of retraining alone,
and the mCE before it, are reported.

Control: the newly initialised network must start with an accuracy near chance.
"""

import numpy as np
import pytest

from featdyn_core import Counted, Decide, Judge, Lines, Measured, Misclassified, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("depth-reinit")

RENEWED = {"one stage kept": "reinit1", "two stages kept": "reinit2"}


def measure(run: Run) -> Measured:
    """Return one seed's loss of accuracy and gain in mCE against retraining, with one and with two stages kept."""
    before, retrained = run.record("before"), run.record("after", "retrained")
    after = {kept: run.record("after", arm) for kept, arm in RENEWED.items()}
    begin = {kept: run.record("begin", arm) for kept, arm in RENEWED.items()}
    shown = {"trained": before, **after, "retrained": retrained}
    return Measured(
        numbers={
            "accuracy lost": {kept: accuracy_lost(retrained, found) for kept, found in after.items()},
            "mCE gained": {kept: mce_gained(retrained, found) for kept, found in after.items()},
            "accuracy before retraining": {
                kept: Counted(found.accuracy[0], found.clean.shape[1]) for kept, found in begin.items()
            },
            "accuracy lost by retraining alone": accuracy_lost(before, retrained),
            "mCE gained by retraining alone": mce_gained(before, retrained),
            "mCE before retraining": Counted(before.mean_corruption_error, before.clean.shape[1]),
        },
        curves={
            "error under corruption": Lines(
                range(1, 6),
                {name: found.error_by_severity for name, found in shown.items()},
                "severity",
                "mean error over 15 corruptions",
            )
        },
    )


def accuracy_lost(one: Misclassified, other: Misclassified) -> Counted:
    """Return the mean accuracy of the one minus that of the other, each over its epochs."""
    return Counted(float(one.accuracy.mean() - other.accuracy.mean()), other.clean.size)


def mce_gained(one: Misclassified, other: Misclassified) -> Counted:
    """Return the mean corruption error of the other minus that of the one."""
    return Counted(other.mean_corruption_error - one.mean_corruption_error, other.clean.shape[1])


def world(lost: planted.Shares, gained: planted.Shares, *, begin: float = 0.1) -> Run:
    """Plant losses and gains against retraining with one and two stages kept, and the accuracy at its beginning."""
    each = zip(RENEWED.values(), *(np.broadcast_to(share, 2) for share in (lost, gained)), strict=True)
    records = {("after", arm): Misclassified.planted([28], 0.9 - less, 0.3 + more) for arm, less, more in each}
    records |= {("begin", arm): Misclassified.planted([14, 15], begin) for arm in RENEWED.values()}
    records["before", "clean"] = Misclassified.planted([14], 0.88, 0.35)
    records["after", "retrained"] = Misclassified.planted([28], 0.9, 0.3)
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.02, 0.003, 2), rng.normal(0.1, 0.01, 2))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.02, 0.003, 2), [0.1, rng.normal(-0.1, 0.01)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(0.02, rng.normal(0.01, 0.05, 2))),
    "nothing-renewed": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003, 2), 0.1, begin=0.9)),
    "null": World(None, lambda rng: world(rng.normal(0.02, 0.003, 2), [0.1, rng.normal(0, 0.02)])),
}


def test_depth_reinit(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_depth_reinit_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
