"""Not convergence, section 4.2, Fig. 11.

    "Temporal consistency is not a trivial byproduct of convergence. As the gap increases, composite accuracy gradually
    decays [...]. Moreover, late-stage parameter drift [...] and non-negligible feature variation [...] indicate that
    the model continues to evolve even after loss and accuracy appear stable."

Measured over a window in which the training loss has flattened, with t its end: the relative distance between its ends
of the parameters and, at each depth, of the features of held-out images; and Kendall's tau of the agreement of the
composites (s, t) with s < t. **Reading:** distances are "non-negligible" above 0.001, a thousand times the effect of
rounding in single precision. The decay is judged by agreement with ``f_t``, because composites can be as accurate as
before and still be different networks. The trend of accuracy is reported.

Controls: the loss has flattened. In the same network frozen at t, where memory is trivial, there is no drift and no
trend, and consistency is exactly 1. The claim beyond-closeness tests whether memory is more than closeness.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    WHOLE_NETWORK,
    Column,
    Counted,
    Decide,
    Judge,
    Lines,
    Measured,
    Run,
    TrainingLog,
    TrainingPath,
    Verdict,
    Window,
    World,
    by_depth,
    planted,
    trends,
    with_splits,
)

pytestmark = pytest.mark.claim("not-convergence")

EPOCHS, PARTS = range(8, 29, 4), [*planted.DEPTHS, WHOLE_NETWORK]
Y_LABEL = "relative distance to epoch t"
GRAIN = 10**6
"""What a relative distance in single precision is a multiple of, one over it."""


def measure(run: Run) -> Measured:
    """Return one seed's drift after the loss has flattened, and what composites lose."""
    late, columns, still = run.window("late"), run.columns("column"), run.columns("still_column")["held-out"]
    parameters, features = drift(run.record("path"), late), drift(run.record("features"), late)
    moved = {"parameters": parameters[-1]} | {f"features at depth {d}": row for d, row in enumerate(features, 1)}
    return Measured(
        numbers=with_splits(
            {
                split: {f"trend of {name}": trends(column, name) for name in ("agreement", "accuracy")}
                for split, column in columns.items()
            }
        )
        | {
            "parameter drift": Counted(parameters[-1, 0], GRAIN),
            "feature drift": by_depth(features[:, 0], of=GRAIN),
            "loss still moving": run.record("log").fall(late.first, late.last),
            "parameter drift, frozen": Counted(drift(run.record("still_path"), late)[-1, 0], GRAIN),
            "feature drift, frozen": by_depth(drift(run.record("still_features"), late)[:, 0], of=GRAIN),
            "trend of agreement, frozen": trends(still, "agreement"),
            "consistency, frozen": by_depth(still.consistency.mean(axis=1), of=still.images),
        },
        curves={"drift of parameters and features": Lines(still.epochs, moved, "epoch s", Y_LABEL, over_epochs=True)},
    )


def drift(path: TrainingPath, window: Window) -> npt.NDArray[np.float64]:
    """Return the relative drift from each checkpoint of a window to its end, (parts, checkpoints)."""
    inside = (window.first <= path.epochs) & (path.epochs <= window.last)
    return path.relative[:, inside, path.epochs.tolist().index(window.last)]


def world(drifted: planted.Shares, *, lost: planted.Shares = 0.05, moving: float = 0.01, still: float = 0.0) -> Run:
    """Plant the drift of a network and of a frozen one, what composites lose at each depth, and the fall of the loss.

    If what they lose is negative, composites improve with the distance of s.

    Args:
        drifted: drift of all parts, or of the features at each depth and then of the parameters, (4,).
        lost: for all depths, for each (depths,), or for each and every epoch (depths, S).
        moving: fall of the loss.
        still: drift of the frozen network.
    """
    each = np.broadcast_to(lost, (3, *np.shape(lost)[1:]))
    missed = each if each.ndim > 1 else planted.fading(each, EPOCHS) + np.maximum(0, -each)[:, None]
    *features, parameters = np.broadcast_to(drifted, len(PARTS))
    records = {
        "path": path(PARTS, [*features, parameters]),
        "features": path(planted.DEPTHS, features),
        "log": TrainingLog.planted(EPOCHS[-1], moving, late=EPOCHS[0]),
        "column": planted.on_both_splits(Column.planted(EPOCHS, missed)),
        "still_path": TrainingPath.planted(EPOCHS, still, parts=PARTS),
        "still_features": TrainingPath.planted(EPOCHS, still),
        "still_column": planted.on_both_splits(Column.planted(EPOCHS, 0)),
    }
    return planted.run(records, windows={"late": (EPOCHS[0], EPOCHS[-1])})


def path(parts: Sequence[str], drifted: Sequence[float]) -> TrainingPath:
    """Plant a straight path with its own drift of each part."""
    even = TrainingPath.planted(EPOCHS, 1.0, parts=parts)
    return dataclasses.replace(even, distances=even.distances * np.reshape(drifted, (-1, 1, 1)))


def trendless(rng: np.random.Generator) -> planted.Shares:
    """Draw miss rates that have no trend at one depth, and fall with the shallow epoch at the others."""
    missed = planted.fading(0.5, EPOCHS)
    missed[1] = [*rng.uniform(0.05, 0.5, len(EPOCHS) - 1), 0]
    return missed


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.01))),
    "converged": World(Verdict.REFUTED, lambda rng: world(rng.uniform(1e-6, 1e-5))),
    "false": World(Verdict.REFUTED, lambda rng: world(rng.normal(0.1, 0.01), lost=[0.05, 0.05, -0.05])),
    "predictions-never-change": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.normal(0.1, 0.01), lost=0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.uniform(5e-4, 2e-3))),
    "loss-still-falls": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.01), moving=0.3)),
    "frozen-moves": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.01), still=0.1)),
    "null": World(None, lambda rng: world([0.1, rng.lognormal(np.log(1e-3), 0.3), 0.1, 0.1])),
    "trendless": World(None, lambda rng: world(0.1, lost=trendless(rng))),
}


def test_not_convergence(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_not_convergence_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
