"""Predictivity needs semantics, section 1: a rival of random-label-collapse.

    "when semantic structure is destroyed (random labels or heavy corruption), the consistency distribution collapses,
    and composite models lose predictivity."

Measured at each depth: the agreement with ``f_t`` of the composite across a late window (s its first epoch, t its
last), under clean labels minus under random ones, for each seed. **Reading:** predictivity is agreement on held-out
images. It is not accuracy, which ``f_t`` itself loses under random labels. The whole network ``f_s`` is reported beside
it.

Control: each clean seed against the next. Summed over the circle of seeds nothing is lost; the control fails if seeds
differ too much.
"""

import pytest

from featdyn_core import (
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    across,
    minus,
    over_shallow_epochs,
    planted,
)

pytestmark = pytest.mark.claim("predictivity-needs-semantics")

ARMS = ("clean", "noisy")
EPOCHS = range(18, 27, 4)


def measure(run: Run) -> Measured:
    """Return the agreement that one seed's composites across the window lose under random labels, at each depth."""
    columns = {arm: run.columns("column", arm)["held-out"] for arm in ARMS}
    whole = {arm: run.columns("churn", arm)["held-out"] for arm in ARMS}
    clean, noisy, other = (
        across(column)["agreement"] for column in (*columns.values(), run.neighbour().columns("column")["held-out"])
    )
    return Measured(
        numbers={
            "agreement lost": minus(clean, noisy),
            "between clean seeds": minus(clean, other),
            "lost by whole networks": minus(*(across(column)["agreement"] for column in whole.values()))["depth 1"],
        },
        curves={
            f"{arm}: composites and whole networks": over_shallow_epochs(
                column, "agreement", "agreement with f_t", churn=whole[arm]
            )
            for arm, column in columns.items()
        },
    )


def world(noisy: planted.Shares, *, other: float = 0.05) -> Run:
    """Plant miss rates of composites across the window at each depth, for random labels and the next clean seed."""
    missed = {"clean": 0.05, "noisy": noisy}
    records = planted.by_arm("column", EPOCHS, missed)
    whole = {("churn", arm): planted.on_both_splits(planted.churn(EPOCHS, 0.2)) for arm in ARMS}
    next_clean = planted.by_arm("column", EPOCHS, {"clean": other})
    return planted.run(records | whole, neighbour=planted.run(next_clean))


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.3, 0.02, 3))),
    "nothing-is-lost": World(Verdict.EQUIVALENT, lambda _: world(0.05)),
    "false": World(Verdict.REFUTED, lambda rng: world([0.3, 0.3, rng.normal(0.02, 0.005)])),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world([0.3, 0.3, rng.normal(0.06, 0.04)])),
    "seeds-differ": World(Verdict.INVALID, lambda rng: world(rng.normal(0.3, 0.02, 3), other=0.2)),
    "null": World(None, lambda rng: world([*rng.normal(0.3, 0.02, 2), rng.normal(0.05, 0.02)])),
}


def test_predictivity_needs_semantics(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_predictivity_needs_semantics_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
