"""Gain needs semantics, abstract: a rival of random-label-collapse.

    "temporal consistency extends to unseen and corrupted data but disappears when the training supervision lacks
    semantic structure (e.g., random labels)."

Composites may lose agreement under random labels only because whole networks change more there. Measured at each inner
cut: the gain of beyond-churn under clean labels minus that under random labels, for each seed. The gain is the
agreement of the composite across a late window with ``f_t`` minus that of the whole network ``f_s``. Whether it
disappears is reported.

Control: each clean seed against the next. Summed over the circle of seeds nothing is lost; the control fails if seeds
differ too much.
"""

import pytest

from featdyn_core import (
    Decide,
    Judge,
    Measured,
    Number,
    Run,
    Verdict,
    World,
    chosen,
    gained_over_churn,
    minus,
    over_shallow_epochs,
    planted,
)

pytestmark = pytest.mark.claim("gain-needs-semantics")

ARMS = ("clean", "noisy")
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return how much less one seed's composites gain over whole networks under random labels, at each inner cut."""
    inner = run.protocol["inner_cuts"]
    clean, noisy, other = gain(run, "clean", inner), gain(run, "noisy", inner), gain(run.neighbour(), "clean", inner)
    return Measured(
        numbers={
            "gain lost": minus(clean, noisy),
            "between clean seeds": minus(clean, other),
            "gain under clean labels": clean,
            "gain under random labels": noisy,
        },
        curves={
            f"{arm}: composites and whole networks": over_shallow_epochs(
                run.columns("column", arm)["held-out"],
                "agreement",
                "agreement with f_t",
                churn=run.columns("churn", arm)["held-out"],
            )
            for arm in ARMS
        },
    )


def gain(run: Run, arm: str, inner: list[str]) -> dict[str, Number]:
    """Return the gain of the composite across the window over the whole network, at each inner cut."""
    column, churn = run.columns("column", arm)["held-out"], run.columns("churn", arm)["held-out"]
    return chosen(gained_over_churn(column, churn), inner)


def world(noisy: planted.Shares, *, other: float = 0.05) -> Run:
    """Plant miss rates of composites under random labels and of the next clean seed; whole networks miss 0.2."""
    missed = {"clean": 0.05, "noisy": noisy}
    whole = planted.on_both_splits(planted.churn(EPOCHS, 0.2))
    records = planted.by_arm("column", EPOCHS, missed)
    next_clean = planted.by_arm("column", EPOCHS, {"clean": other})
    return planted.run(
        records | {("churn", arm): whole for arm in ARMS},
        neighbour=planted.run(next_clean | {("churn", "clean"): whole}),
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.2, 0.01, 3))),
    "nothing-is-lost": World(Verdict.EQUIVALENT, lambda _: world(0.05)),
    "false": World(Verdict.REFUTED, lambda rng: world([0.2, rng.normal(0.02, 0.005), 0.2])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.2, rng.normal(0.06, 0.04), 0.2])),
    "seeds-differ": World(Verdict.INVALID, lambda rng: world(rng.normal(0.2, 0.01, 3), other=0.15)),
    "null": World(None, lambda rng: world([0.2, rng.normal(0.05, 0.02), 0.2])),
}


def test_gain_needs_semantics(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_gain_needs_semantics_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
