"""Transferability, section 4.3, Fig. 5 and 13.

    "Composite networks achieve near-zero cross-entropy and above 98 % accuracy. Consistency values are tightly
    concentrated around 1.0 [...], showing that earlier classifiers remain predictive on the moderately shifted later
    features."

Measured: as the memory window, with ``s ≥ t``, t the start of the window. **Reading:** "moderately" is the last
quarter of training at small scale, and elsewhere the window of the paper, behind the last step of the learning rate.

Control: the shallow half of a stranger, another seed's network at the same epoch.
"""

import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Stranger, Verdict, World, inside_window, planted

pytestmark = pytest.mark.claim("transferability")


def measure(run: Run) -> Measured:
    """One seed: the least favourable composites of the window, on each split; a stranger for the control."""
    return inside_window(run.columns("column"), run.record("stranger"), "transfer")


def world(missed: float, *, stranger: float = 0.1) -> Run:
    """Plant a window whose last composite misses a share of the images, and a stranger's agreement."""
    columns = planted.on_both_splits(Column.planted(range(30, 41, 5), [0, missed / 2, missed], deep=30))
    return planted.run({"column": columns, "stranger": Stranger.planted(stranger)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.01, 0.002))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.15, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.02))),
    "stranger-agrees": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002), stranger=0.99)),
    "null": World(None, lambda rng: world(rng.normal(0.02, 0.01))),
}


def test_transferability(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_transferability_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
