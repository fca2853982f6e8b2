"""Beyond churn, sections 1 and 4.2: the first rival of memory.

    "later classifiers remain predictive on earlier features within a temporal window"

A composite may agree with ``f_t`` only because predictions change little: the whole past network ``f_s`` agrees with
``f_t`` as well. Measured at each inner cut: the agreement of the composite across the window minus that of ``f_s``.
After the last stage only pooling and a linear layer follow, so hardly anything can be gained there: it is reported.
This gain says less than beyond-closeness does, because a composite shares its deep part with ``f_t`` and is therefore
nearer to it than ``f_s``.

Controls: if both parts are those of t, nothing can be gained. A planted pair gains by construction.
"""

import pytest

from featdyn_core import (
    WHOLE_NETWORK,
    Column,
    Counted,
    Decide,
    Judge,
    Measured,
    Run,
    Verdict,
    World,
    chosen,
    gained_over_churn,
    over_shallow_epochs,
    planted,
)

pytestmark = pytest.mark.claim("beyond-churn")

EPOCHS = range(14, 29, 7)


def measure(run: Run) -> Measured:
    """Return one seed's gain of the composite across the window over the whole network, at each inner cut."""
    column, churn = run.columns("column")["held-out"], run.columns("churn")["held-out"]
    inner = run.protocol["inner_cuts"]
    gained = gained_over_churn(column, churn)
    end, whole = column.at([column.deep]), churn.at([column.deep])
    halves = Column.planted(EPOCHS, planted.fading(0.2, EPOCHS)[:1], cuts=column.cuts)
    known = gained_over_churn(halves, planted.churn(EPOCHS, 0.4))
    return Measured(
        numbers={
            "gained over churn": chosen(gained, inner),
            "gained by identical halves": chosen(gained_over_churn(end, whole), inner),
            "gained by a planted pair": chosen(known, inner),
            "gained behind the last stage": list(gained.values())[-1],
            "churn": Counted(churn.at([column.far_end]).agreement[0, 0], column.images),
        },
        curves={
            "composites and whole networks": over_shallow_epochs(column, "agreement", "agreement with f_t", churn=churn)
        },
    )


def world(composite: planted.Shares, whole: float, *, at_end: float = 0.0) -> Run:
    """Plant the miss rates of composites across the window at each depth, and of the whole network there and at t."""
    columns = planted.on_both_splits(Column.planted(EPOCHS, planted.fading(composite, EPOCHS)))
    networks = Column.planted(EPOCHS, planted.fading(whole, EPOCHS)[:1] + at_end, cuts=(WHOLE_NETWORK,))
    return planted.run({"column": columns, "churn": planted.on_both_splits(networks)})


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.02, 0.004, 3), 0.06)),
    "nothing-changes": World(Verdict.EQUIVALENT, lambda _: world(0, 0)),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.08, 0.004, 3), 0.04)),
    "churn-of-another-network": World(Verdict.INVALID, lambda rng: world(rng.normal(0.02, 0.004, 3), 0.06, at_end=0.1)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.04, 0.02, 3), 0.04)),
    "null": World(None, lambda rng: world([0.01, rng.normal(0.04, 0.01), 0.01], 0.04)),
}


def test_beyond_churn(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_beyond_churn_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
