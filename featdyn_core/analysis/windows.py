"""The composites of a window, which memory and transfer look at."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import across, over_shallow_epochs
from featdyn_core.analysis.items import by_depth, with_splits
from featdyn_core.records.column import Column
from featdyn_core.records.stranger import Stranger
from featdyn_core.verdicts.measured import Measured

DRAWN = {
    "agreement": ("agreement", "agreement with f_t"),
    "accuracy kept": ("accuracy_kept", "accuracy over that of f_t"),
    "cross-entropy": ("cross_entropy", "cross-entropy (nats)"),
}
"""Quantity to the property of a column that is drawn, and its axis."""


def inside_window(
    columns: Mapping[str, Column], churn: Mapping[str, Column], stranger: Stranger, what: str
) -> Measured:
    """Return what memory and transfer measure at each depth: the composite across a window, and a stranger's.

    Args:
        columns: of the window, by split.
        churn: the whole networks beside them, by split.
        stranger: at the epoch of the deep part.
        what: memory or transfer, for the titles of the figures.
    """
    return Measured(
        numbers=with_splits({split: across(column) for split, column in columns.items()})
        | {"agreement of a stranger": by_depth(stranger.agreement, of=len(stranger.labels))},
        curves={
            f"{what} on {split} images: {name}": over_shallow_epochs(column, *shown, churn=churn.get(split))
            for split, column in columns.items()
            for name, shown in DRAWN.items()
        },
    )
