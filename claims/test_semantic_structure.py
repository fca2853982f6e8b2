"""Semantic structure, section 5: a rival of random-label-collapse.

    "temporal augmentation arises only when anchored in meaningful semantic structure."

Random labels are wrong and have no structure. Labels that people gave are wrong too, but they confuse images that look
alike. Measured at each depth: mean point-wise consistency over a late window under the labels of people (CIFAR-10N,
"worse", 40.2 % wrong) minus that under random labels of which equally many are wrong, for each seed. **Reading:** "40 %
randomized" leaves a tenth of the drawn labels right. Here 44.7 % are drawn, so the two differ only in structure.

Control: the shares of wrong labels are equal.
"""

import pytest

from featdyn_core import (
    Counted,
    Decide,
    Judge,
    Labels,
    Measured,
    Run,
    Verdict,
    World,
    distributions,
    mean_consistency,
    minus,
    planted,
)

pytestmark = pytest.mark.claim("semantic-structure")

ARMS = ("human", "random")
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the consistency that one seed loses to random labels and not to labels of people, at each depth."""
    columns = {arm: run.columns("column", arm)["held-out"] for arm in ARMS}
    whole = {arm: run.columns("churn", arm)["held-out"] for arm in ARMS}
    labels = {arm: run.record("labels", arm) for arm in ARMS}
    human, random = columns.values()
    wrong = labels["human"].share_wrong - labels["random"].share_wrong
    return Measured(
        numbers={
            "mean consistency lost": minus(*map(mean_consistency, columns.values())),
            "wrong labels gained": Counted(wrong, labels["human"].count),
            "accuracy gained": Counted(human.reference_accuracy - random.reference_accuracy, human.images),
            "lost by whole networks": minus(*map(mean_consistency, whole.values()))["depth 1"],
        },
        curves=distributions(columns, whole),
    )


def world(random: planted.Shares, *, wrong: float = 0.4) -> Run:
    """Plant the miss rate of the window's first composite under random labels, and the share of wrong labels."""
    missed, shares = {"human": 0.05, "random": random}, {"human": 0.4, "random": wrong}
    records = planted.by_arm("column", EPOCHS, missed)
    whole = {("churn", arm): planted.on_both_splits(planted.churn(EPOCHS, 0.2)) for arm in ARMS}
    return planted.run(records | whole | {("labels", arm): Labels.planted(share) for arm, share in shares.items()})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.4, 0.02, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.4, 0.4, rng.normal(0.02, 0.01)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.4, 0.4, rng.normal(0.06, 0.06)])),
    "fewer-wrong": World(Verdict.INVALID, lambda rng: world(rng.normal(0.4, 0.02, 3), wrong=0.3)),
    "null": World(None, lambda rng: world([*rng.normal(0.4, 0.02, 2), rng.normal(0.05, 0.02)])),
}


def test_semantic_structure(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_semantic_structure_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
