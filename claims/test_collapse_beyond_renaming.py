"""Collapse beyond renaming, section 5: a rival of random-label-collapse.

    "corrupted supervision prevents the model from reusing past features, confirming that temporal augmentation arises
    only when anchored in meaningful semantic structure."

Consistently renamed labels are different labels with the same meaning. Measured at each depth: mean point-wise
consistency over a late window under renamed classes minus that under random labels, for each seed.

Control: renaming itself takes nothing away. **Reading:** on CIFAR-10, networks with renamed classes exist only for
seeds that were seen before. This is therefore a claim of its own, and random-label-collapse is decided on fresh seeds.
"""

import pytest

from featdyn_core import (
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

pytestmark = pytest.mark.claim("collapse-beyond-renaming")

ARMS = ("clean", "noisy", "permuted")
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the consistency that one seed loses to random labels and not to renamed classes, at each depth."""
    columns = {arm: run.columns("column", arm)["held-out"] for arm in ARMS}
    clean, noisy, renamed = map(mean_consistency, columns.values())
    return Measured(
        numbers={"mean consistency lost": minus(renamed, noisy), "lost under renaming": minus(clean, renamed)},
        curves=distributions(columns),
    )


def world(noisy: planted.Shares, *, renamed: float = 0.05) -> Run:
    """Plant the miss rates of the window's first composite at each depth, under random labels and renamed classes."""
    missed = dict(zip(ARMS, (0.05, noisy, renamed), strict=True))
    return planted.run(planted.by_arm("column", EPOCHS, missed))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.4, 0.02, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.4, 0.4, rng.normal(0.02, 0.01)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.4, 0.4, rng.normal(0.06, 0.06)])),
    "renaming-collapses": World(Verdict.INVALID, lambda rng: world(rng.normal(0.4, 0.02, 3), renamed=0.3)),
    "null": World(None, lambda rng: world([*rng.normal(0.4, 0.02, 2), rng.normal(0.05, 0.02)])),
}


def test_collapse_beyond_renaming(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_collapse_beyond_renaming_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
