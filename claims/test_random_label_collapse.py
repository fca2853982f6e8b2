"""Random-label collapse, section 5, Fig. 7b,d and 17, Table 1.

    "when 40% of training labels are randomized, the consistency distributions on both CIFAR-10 and CIFAR-10C collapse
    (Fig. 7(b,d) and Appendix Fig. 17): long tails emerge and mass shifts away from 1.0."

Measured at each depth: mean point-wise consistency over a late window with t its end, clean minus noisy, for each seed.
**Reading:** the window lies after the last step of the learning rate, as the paper's does; a wider window that crosses
it is reported. Also reported are the shares of images at exactly 1 and below 0.8, and the paper's Welch test between
the images of two networks, which are not replicates of a training.

Controls: two clean trainings that differ only in their seed. The labels of held-out images are the true ones in both
arms. Renamed labels and accuracy are rivals of this claim.
"""

import math

import pytest

from featdyn_core import (
    Column,
    Decide,
    Judge,
    Labels,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    by_depth,
    distributions,
    mean_consistency,
    minus,
    planted,
    share_at_one,
    share_of,
    tail_mass,
    welch,
)

pytestmark = pytest.mark.claim("random-label-collapse")

LEAST_P = 1e-300  # stands in for p-values that underflow
ARMS = ("clean", "noisy")
EPOCHS = range(20, 41, 4)


def measure(run: Run) -> Measured:
    """Return the consistency that one seed loses to random labels, at each depth."""
    clean, noisy = (run.columns("column", arm) for arm in ARMS)
    held_out = {arm: run.columns("column", arm)["held-out"] for arm in ARMS}
    whole = {arm: run.columns("churn", arm)["held-out"] for arm in ARMS}
    wider = (mean_consistency(run.columns("wider", arm)["held-out"]) for arm in ARMS)
    lost = {split: minus(mean_consistency(clean[split]), mean_consistency(noisy[split])) for split in clean}
    between = minus(*(mean_consistency(each.columns("column")["held-out"]) for each in (run, run.neighbour())))
    (one, tail), (left, longer) = (shares(column, run.protocol["level"]) for column in held_out.values())
    labels = {arm: run.record("labels", arm) for arm in ARMS}
    p_values = map(welch, *(column.consistency for column in held_out.values()))
    return Measured(
        numbers={
            "mean consistency lost": {depth: {split: lost[split][depth] for split in lost} for depth in between},
            "between clean seeds": {depth: abs(float(difference)) for depth, difference in between.items()},
            "wrong labels of held-out images": {
                arm: share_of(found.wrong_held_out, found.held_out.sum()) for arm, found in labels.items()
            },
            "share at 1 lost": minus(one, left),
            "share at 1 left": left,
            "tail gained": minus(longer, tail),
            "lost over the wider window": minus(*wider),
            "lost by whole networks": minus(*map(mean_consistency, whole.values()))["depth 1"],
            "Welch p (log10)": by_depth([math.log10(max(p, LEAST_P)) for p in p_values]),
        },
        curves=distributions(held_out, whole),
    )


def shares(column: Column, level: float) -> list[dict[str, Number]]:
    """Return the shares of images with consistency exactly 1 and below a level, at each depth."""
    rows = column.consistency
    found = ([share_at_one(row) for row in rows], [tail_mass(row, level) for row in rows])
    return [by_depth(values, of=column.images) for values in found]


def world(noisy: planted.Shares, *, clean: float = 0.05, other: float = 0.05, wrong: int = 0) -> Run:
    """Plant the miss rates of a window's first composite, under random labels, clean labels, and for the next seed.

    ``wrong`` held-out images of the noisy arm have a wrong label.
    """
    missed = {"clean": clean, "noisy": noisy}
    records = planted.by_arm("column", EPOCHS, missed) | planted.by_arm("wider", EPOCHS, missed)
    whole = {("churn", arm): planted.on_both_splits(planted.churn(EPOCHS, 0.2)) for arm in ARMS}
    labels = {("labels", "clean"): Labels.planted(0.0), ("labels", "noisy"): Labels.planted(0.36, wrong_held_out=wrong)}
    next_clean = planted.run(planted.by_arm("column", EPOCHS, {"clean": other}))
    return planted.run(records | whole | labels, neighbour=next_clean)


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.4, 0.02, 3))),
    "false": World(Verdict.REFUTED, lambda rng: world([0.4, 0.4, rng.normal(0.02, 0.01)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.4, 0.4, rng.normal(0.06, 0.06)])),
    "seeds-differ": World(Verdict.INVALID, lambda rng: world(rng.normal(0.4, 0.02, 3), other=0.4)),
    "noise-on-held-out": World(Verdict.INVALID, lambda rng: world(rng.normal(0.4, 0.02, 3), wrong=360)),
    "null": World(None, lambda rng: world([*rng.normal(0.4, 0.02, 2), rng.normal(0.05, 0.02)])),
}


def test_random_label_collapse(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_random_label_collapse_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
