"""Collapse beyond accuracy, section 5: a rival of random-label-collapse.

    "with randomized labels, the model fails to exploit feature dynamics, and temporal consistency collapses."

A network trained on random labels is also less accurate, and it may be less consistent only because it classifies
worse. Measured at each depth: mean point-wise consistency over a late window of a clean network that is matched in
accuracy, minus that of the noisy one. **Reading:** the clean network is trained on fewer images for nearly as many
steps. Windows, checkpoints and changes of the learning rate lie at nearly the same steps.

Control: both must be equally accurate on held-out images.
"""

import pytest

from featdyn_core import (
    Column,
    Counted,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    distributions,
    mean_consistency,
    minus,
    planted,
)

pytestmark = pytest.mark.claim("collapse-beyond-accuracy")

ARMS = ("matched", "noisy")
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the consistency that one seed loses to random labels, against a network matched in accuracy."""
    columns = {arm: run.columns(arm, arm)["held-out"] for arm in ARMS}
    whole = {arm: run.columns(f"churn of {arm}", arm)["held-out"] for arm in ARMS}
    matched, noisy = columns.values()
    return Measured(
        numbers={
            "mean consistency lost": minus(mean_consistency(matched), mean_consistency(noisy)),
            "accuracy gained": Counted(matched.reference_accuracy - noisy.reference_accuracy, matched.images),
            "lost by whole networks": minus(*map(mean_consistency, whole.values()))["depth 1"],
        },
        curves=distributions(columns, whole),
    )


def world(noisy: planted.Shares, *, wrong: float = 0.3) -> Run:
    """Plant the miss rate of the noisy network's first composite at each depth, and the network's own error."""
    columns = {
        "matched": Column.planted(EPOCHS, planted.fading(0.05, EPOCHS), wrong=0.3),
        "noisy": Column.planted(EPOCHS, planted.fading(noisy, EPOCHS), wrong=wrong),
    }
    records = {(arm, arm): planted.on_both_splits(column) for arm, column in columns.items()}
    whole = {(f"churn of {arm}", arm): planted.on_both_splits(planted.churn(EPOCHS, 0.2)) for arm in ARMS}
    return planted.run(records | whole)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.4, 0.02, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.4, 0.4, rng.normal(0.02, 0.01)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.4, 0.4, rng.normal(0.06, 0.06)])),
    "less-accurate": World(Verdict.INVALID, lambda rng: world(rng.normal(0.4, 0.02, 3), wrong=0.5)),
    "null": World(None, lambda rng: world([*rng.normal(0.4, 0.02, 2), rng.normal(0.05, 0.02)])),
}


def test_collapse_beyond_accuracy(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_collapse_beyond_accuracy_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
