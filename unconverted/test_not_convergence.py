"""Not convergence, section 4.2, Fig. 11.

    "Temporal consistency is not a trivial byproduct of convergence. As the gap increases, composite accuracy gradually
    decays [...]. Moreover, late-stage parameter drift and non-negligible feature variation indicate that the model
    continues to evolve even after loss and accuracy appear stable."

Measured: over a window in which the training loss has flattened, t its end: relative distance of the parameters and of
the features of held-out images between its ends, and Kendall's tau of the accuracy of the composites (s, t) with
s < t. **Reading:** distances are "non-negligible" beyond 0.001, a thousand times what rounding in single precision
can do; held-out images decide on accuracy, since on training images it may be 1 for all composites.

Controls: the loss has flattened; and the same network frozen at t, where memory is trivial: no drift, no trend, and
consistency exactly 1. What the real direction adds at equal distance is reported; whether it adds anything is the claim
beyond-closeness.
"""

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core import (
    WHOLE_NETWORK,
    Closeness,
    Column,
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
    over_shallow_epochs,
    planted,
    trends,
)

pytestmark = pytest.mark.claim("not-convergence")

EPOCHS = range(8, 29, 4)


def measure(run: Run) -> Measured:
    """One seed: what still moves once the loss does not, and what composites lose by it."""
    late, columns, still = run.window("late"), run.columns("column"), run.columns("still_column")["held-out"]
    parameters, features = drift(run.record("path"), late), drift(run.record("features"), late)
    closeness, depths = run.record("closeness"), enumerate(features, start=1)
    moved = {"parameters": parameters[-1]} | {f"features at depth {depth}": row for depth, row in depths}
    return Measured(
        both_splits={
            split: {
                "trend of accuracy": min(trends(column, "accuracy")),
                "accuracy lost": float((column.accuracy[:, -1] - column.accuracy[:, 0]).min()),
            }
            for split, column in columns.items()
        },
        numbers={
            "parameter drift": float(parameters[-1, 0]),
            "feature drift": float(features[:, 0].min()),
            "loss still moving": run.record("log").fall(late.first, late.last),
            "parameter drift, frozen": float(drift(run.record("still_path"), late).max()),
            "feature drift, frozen": float(drift(run.record("still_features"), late).max()),
            "trend of accuracy, frozen": max(map(abs, trends(still, "accuracy"))),
            "consistency, frozen": float(still.consistency.min()),
            "gained, equal distance": float(closeness.gained("distance").min()),
            "gained, equal norm and angle": float(closeness.gained("angle").min()),
        },
        curves={
            "drift of parameters and features": Lines(
                columns["held-out"].epochs, moved, "epoch s", "relative distance to epoch t", over_epochs=True
            ),
            **{
                f"accuracy on {split} images": over_shallow_epochs(column, "accuracy", "accuracy")
                for split, column in columns.items()
            },
        },
    )


def drift(path: TrainingPath, window: Window) -> npt.NDArray[np.float64]:
    """Relative drift from each checkpoint of a window to its end, (parts, checkpoints)."""
    inside = (window.first <= path.epochs) & (path.epochs <= window.last)
    return path.relative[:, inside, path.epochs.tolist().index(window.last)]


def world(drifted: float, *, lost: float = 0.05, moving: float = 0.01, still: float = 0.0) -> Run:
    """Plant how far a network drifts in the window, what composites lose, and how much the loss still falls there.

    ``still`` is how far a frozen network drifts.
    """
    missed = [lost * (EPOCHS[-1] - epoch) / (EPOCHS[-1] - EPOCHS[0]) for epoch in EPOCHS]
    return planted.run(
        {
            "path": TrainingPath.planted(EPOCHS, drifted, parts=[*planted.DEPTHS, WHOLE_NETWORK]),
            "features": TrainingPath.planted(EPOCHS, drifted),
            "log": TrainingLog.planted(EPOCHS[-1], moving, late=EPOCHS[0]),
            "column": planted.on_both_splits(Column.planted(EPOCHS, missed)),
            "still_path": TrainingPath.planted(EPOCHS, still, parts=[*planted.DEPTHS, WHOLE_NETWORK]),
            "still_features": TrainingPath.planted(EPOCHS, still),
            "still_column": planted.on_both_splits(Column.planted(EPOCHS, [0] * len(EPOCHS))),
            "closeness": Closeness.planted_gain(0.1),
        },
        windows={"late": (EPOCHS[0], EPOCHS[-1])},
    )


WORLDS = {
    "true": World(Verdict.SUPPORTED, lambda rng: world(rng.normal(0.1, 0.01))),
    "converged": World(Verdict.REFUTED, lambda rng: world(rng.uniform(0, 1e-5), lost=0.0)),
    "undecidable": World(Verdict.INCONCLUSIVE, lambda rng: world(rng.uniform(5e-4, 2e-3))),
    "loss-still-falls": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.01), moving=0.3)),
    "frozen-moves": World(Verdict.INVALID, lambda rng: world(rng.normal(0.1, 0.01), still=0.1)),
    "null": World(None, lambda rng: world(rng.normal(1e-3, 2e-4))),
}


def test_not_convergence(decide: Decide) -> None:
    decide(measure)


@pytest.mark.parametrize("name", WORLDS)
def test_not_convergence_in_planted_worlds(judge: Judge, name: str) -> None:
    judge(measure, WORLDS[name])
