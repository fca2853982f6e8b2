"""Memory window, section 4.2, Fig. 2 and 10.

    "Composite networks retain high performance when the temporal gap between s and t is moderate. [...] over 98 %
    accuracy. Consistency values are tightly concentrated around 1.0."

Measured: composites ``(s, t)``, t the end of a late window of training, s every checkpoint in it, at the paper's
three depths; agreement with ``f_t``, accuracy, point-wise consistency and cross-entropy. Agreement and consistency
decide on held-out images, where no training loss has drawn them to 1; accuracy on training images, as in the paper.
**Reading:** the window lies where the paper's does, behind the last step of the learning rate. Below the paper's scale
networks do not fit their training set, so that what decides is the accuracy *kept*, composite over ``f_t``.

Control: the shallow half of a stranger, another seed's network at the same epoch. Whether memory is more than
closeness is asked by the claim beyond-closeness.
"""

import pytest

from featdyn_core import Column, Decide, Judge, Measured, Run, Stranger, Verdict, World, inside_window, planted

pytestmark = pytest.mark.claim("memory-window")


def measure(run: Run) -> Measured:
    """One seed: the least favourable composites of the window, on each split; a stranger for the control."""
    return inside_window(run.columns("column"), run.record("stranger"), "memory")


def world(missed: float, *, stranger: float = 0.1) -> Run:
    """Plant a window whose first composite misses a share of the images, and a stranger's agreement."""
    columns = planted.on_both_splits(Column.planted(range(18, 27, 4), [missed, missed / 2, 0]))
    return planted.run({"column": columns, "stranger": Stranger.planted(stranger)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.01, 0.002))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.2, 0.02))),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.02, 0.02))),
    "stranger-agrees": World(Verdict.INVALID, lambda rng: world(rng.normal(0.01, 0.002), stranger=0.99)),
    "null": World(None, lambda rng: world(rng.normal(0.02, 0.01))),
}


def test_memory_window(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_memory_window_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
