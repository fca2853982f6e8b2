"""Re-initialised deep layers, App. F.A.

    "When only the first basic block is retained, the final test accuracy decreases [...] After reinitializing deeper
    layers, mCE increases."

Measured: held-out accuracy and mean corruption error (mCE: mean error over 15 corruptions and 5 severities, not
normalised) of a trained network, and of what becomes of it when its first one or two stages are kept and the rest is
initialised anew and trained again for as long; both differences where they are least. **Reading:** the paper's "basic
blocks" are the stages; what is kept stays frozen ("by selectively freezing shallow layers"), with its normalisation
statistics. Accuracy is the mean over the last few epochs, mCE that of the last.

Controls: the same re-training with nothing initialised anew must lose nothing; what is initialised anew must begin with
an accuracy near chance.
"""

import pytest

from featdyn_core import Decide, Judge, Lines, Measured, Misclassified, Run, Verdict, World, planted

pytestmark = pytest.mark.claim("depth-reinit")

RENEWED = ("reinit1", "reinit2")


def measure(run: Run) -> Measured:
    """One seed: the least differences over one and two stages kept, and those of the controls."""
    before, retrained = run.record("before"), run.record("after", "retrained")
    after = [run.record("after", arm) for arm in RENEWED]
    shown = {"trained": before, **dict(zip(RENEWED, after, strict=True)), "retrained": retrained}
    return Measured(
        numbers={
            "accuracy lost": min(accuracy_lost(before, found) for found in after),
            "mCE gained": min(mce_gained(before, found) for found in after),
            "accuracy lost by retraining alone": accuracy_lost(before, retrained),
            "mCE gained by retraining alone": mce_gained(before, retrained),
            "accuracy before retraining": max(float(run.record("begin", arm).accuracy[0]) for arm in RENEWED),
            "accuracy lost against retraining": min(accuracy_lost(retrained, found) for found in after),
            "mCE gained against retraining": min(mce_gained(retrained, found) for found in after),
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


def accuracy_lost(one: Misclassified, other: Misclassified) -> float:
    """Difference of mean accuracies over the epochs of each."""
    return float(one.accuracy.mean() - other.accuracy.mean())


def mce_gained(one: Misclassified, other: Misclassified) -> float:
    """Difference of mean corruption errors, of the other over the one."""
    return other.mean_corruption_error - one.mean_corruption_error


def world(lost: float, gained: float, *, retrained: float = 0.0, begin: float = 0.1) -> Run:
    """Plant what the re-initialised lose and gain, mCE gained by re-training alone, and accuracy at its beginning."""
    records = {("after", arm): Misclassified.planted([28], 0.9 - lost, 0.3 + gained) for arm in RENEWED}
    records |= {("begin", arm): Misclassified.planted([14, 15], begin) for arm in RENEWED}
    records["before", "clean"] = Misclassified.planted([14], 0.9, 0.3)
    records["after", "retrained"] = Misclassified.planted([28], 0.9, 0.3 + retrained)
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(0.1, 0.01))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(-0.1, 0.01))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(0.01, 0.05))),
    "retraining-harms": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003), 0.1, retrained=0.1)),
    "nothing-renewed": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.003), 0.1, begin=0.9)),
    "null": World(None, lambda rng: world(rng.normal(0.02, 0.003), rng.normal(0, 0.02))),
}


def test_depth_reinit(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_depth_reinit_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
