"""Memory window, section 4.2, Fig. 2 and 10.

    "composite networks retain high performance when the temporal gap between [...] and [...] is moderate. [...] the
    composite network achieves near-zero cross-entropy and over 98% accuracy. Consistency values are tightly
    concentrated around 1.0"

Measured at each of the paper's depths for the composite across a late window (s its first epoch, t its last): its
agreement with ``f_t`` on held-out images, where no training loss has drawn it to 1, and its accuracy on training
images, as in the paper. **Reading:** the window lies after the last step of the learning rate, as the paper's does.
Below the paper's scale networks do not fit their training set, so the accuracy *kept* decides: that of the composite
divided by that of ``f_t``. The figure shows the whole network ``f_s`` beside the composites.

Controls: the shallow part of a stranger, another seed's network at the same epoch. ``f_t`` must be more accurate on
training images than on held-out ones, otherwise the splits are mixed up. The rivals beyond-churn and beyond-closeness
test whether memory is more than slow change of predictions, and more than closeness.
"""

import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Stranger, Verdict, World, inside_window, planted

pytestmark = pytest.mark.claim("memory-window")


def measure(run: Run) -> Measured:
    """Return the numbers of one seed's composite across the window, at each depth and split, and of a stranger."""
    churn = run.columns("churn") if run.protocol["whole_networks"] else {}
    return inside_window(run.columns("column"), churn, run.record("stranger"), "memory")


def world(missed: planted.Shares, *, stranger: float = 0.1, wrong: float = 0.05) -> Run:
    """Plant miss rates of composites at each depth, a stranger's agreement, and the error of f_t on held-out images."""
    epochs = range(18, 27, 4)
    of_split = {"held-out": wrong, "training": 0.01}
    records = {
        "column": {
            split: Column.planted(epochs, planted.fading(missed, epochs), wrong=share)
            for split, share in of_split.items()
        },
        "churn": planted.on_both_splits(planted.churn(epochs, 0.2)),
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


def test_memory_window(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_memory_window_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
