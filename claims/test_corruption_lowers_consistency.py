"""Corruption lowers consistency, section 1; section 5 says that consistency holds on corrupted images.

    "when semantic structure is destroyed (random labels or heavy corruption), the consistency distribution collapses"

Measured: mean point-wise consistency over a late window with t its end, and over the depths, on test images minus that
on the same images under each of the fifteen corruptions of the benchmark at severity 5. A difference of 0.01 matters.
The loss of the whole networks ``f_s`` is reported. **Reading:** "heavy" is the highest severity. The claim asks for a
lower mean, not for a collapse; unseen-corrupted tests how concentrated the distribution is.

Control: every other test image against the rest, where nothing is lost.
"""

import dataclasses

import numpy as np
import pytest

from featdyn_core import (
    CORRUPTION_KINDS,
    Column,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    between_halves,
    difference,
    distributions,
    over_depths,
    planted,
)

pytestmark = pytest.mark.claim("corruption-lowers-consistency")

EXTRA = {"speckle_noise", "gaussian_blur", "spatter", "saturate"}
FIFTEEN = [kind for kind in CORRUPTION_KINDS if kind not in EXTRA]
SHOWN = "defocus_blur"
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the mean consistency that one seed loses under each corruption."""
    test, whole = (run.columns(name)["held-out"] for name in ("column", "churn"))
    corrupted, networks = run.columns("corrupted"), run.columns("corrupted churn")
    return Measured(
        numbers={
            "mean consistency lost": {
                kind: difference(over_depths(test), over_depths(column)) for kind, column in corrupted.items()
            },
            "between halves": between_halves(test),
            "lost by whole networks": {
                kind: difference(over_depths(whole), over_depths(column)) for kind, column in networks.items()
            },
        },
        curves=distributions(
            {"test images": test, SHOWN: corrupted[SHOWN]}, {"test images": whole, SHOWN: networks[SHOWN]}
        ),
    )


def world(lost: float, *, fog: float = 0.1, uneven: bool = False) -> Run:
    """Plant the losses under corruptions and under fog; ``uneven``: half of the test images lose more than the rest."""

    def losing(share: float) -> Column:
        return Column.planted(EPOCHS, planted.fading(2 * (0.05 + share), EPOCHS))

    test = losing(0)
    if uneven:
        even = np.arange(planted.IMAGES) % 2 == 0
        test = dataclasses.replace(test, predictions=np.where(even, test.reference, test.predictions))
    whole = planted.churn(EPOCHS, 0.2)
    return planted.run(
        {
            "column": planted.on_both_splits(test),
            "churn": planted.on_both_splits(whole),
            "corrupted": dict.fromkeys(FIFTEEN, losing(lost)) | {"fog": losing(fog)},
            "corrupted churn": dict.fromkeys(FIFTEEN, whole),
        }
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.02))),
    "nothing-is-lost": World(Verdict.EQUIVALENT, lambda _: world(0, fog=0)),
    "false": World(Verdict.REFUTED, lambda rng: world(0.1, fog=rng.normal(-0.03, 0.005))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(0.1, fog=rng.normal(0.01, 0.03))),
    "halves-differ": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.02), uneven=True)),
    "null": World(None, lambda rng: world(0.1, fog=rng.normal(0.0, 0.01))),
}


def test_corruption_lowers_consistency(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_corruption_lowers_consistency_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
