"""Transferability, section 4.3, Fig. 5 and 13.

    "composite networks achieve near-zero cross-entropy and above 98% accuracy (Fig. 5). Consistency values are tightly
    concentrated around 1.0 for [...], showing that earlier classifiers remain predictive on the moderately shifted
    later features."

Measured like memory-window, in the other direction: at each of the paper's depths, the shallow part of the window's
last epoch s under the deep part of its first epoch t.

Controls: the shallow part of a stranger, another seed's network at the same epoch. ``f_t`` must be more accurate on
training images than on held-out ones, otherwise the splits are mixed up.
"""

import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Stranger, Verdict, World, inside_window, planted

pytestmark = pytest.mark.claim("transferability")


def measure(run: Run) -> Measured:
    """Return the numbers of one seed's composite across the window, at each depth and split, and of a stranger."""
    churn = run.columns("churn") if run.protocol["whole_networks"] else {}
    return inside_window(run.columns("column"), churn, run.record("stranger"), "transfer")


def world(missed: planted.Shares, *, stranger: float = 0.1, wrong: float = 0.05) -> Run:
    """Plant miss rates of composites at each depth, a stranger's agreement, and the error of f_t on held-out images."""
    epochs = range(20, 29, 4)
    of_split = {"held-out": wrong, "training": 0.01}
    records = {
        "column": {
            split: Column.planted(epochs, planted.fading(missed, epochs)[:, ::-1], deep=epochs[0], wrong=share)
            for split, share in of_split.items()
        },
        "churn": planted.on_both_splits(planted.churn(epochs, 0.2, deep=epochs[0])),
        "stranger": Stranger.planted(stranger),
    }
    return planted.run(records)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.01, 0.002, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.01, 0.01, rng.normal(0.2, 0.02)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.02, 3))),
    "stranger-agrees": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002, 3), stranger=0.99)),
    "splits-swapped": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002, 3), wrong=0.0)),
    "null": World(None, lambda rng: world([0.005, 0.005, rng.normal(0.02, 0.01)])),
}


def test_transferability(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_transferability_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
