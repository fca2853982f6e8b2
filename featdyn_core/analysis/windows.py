"""The composites of a window, which memory and transfer look at."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import over_shallow_epochs
from featdyn_core.analysis.items import by_depth, per_item
from featdyn_core.records.column import Column
from featdyn_core.records.stranger import Stranger
from featdyn_core.verdicts.measured import Lines, Measured

DRAWN = {
    "agreement": ("agreement", "agreement with f_t"),
    "accuracy kept": ("accuracy_kept", "accuracy over that of f_t"),
    "cross-entropy": ("cross_entropy", "cross-entropy (nats)"),
}
"""Quantity to the property of a column that is drawn, and its axis."""


def inside_window(columns: Mapping[str, Column], stranger: Stranger, what: str) -> Measured:
    """Return what memory and transfer measure at each depth: the composite across a window, and a stranger's.

    Args:
        columns: of the window, by split.
        stranger: at the window's end.
        what: memory or transfer, for the titles of the figures.
    """
    ends = {split: column.at([column.far_end]) for split, column in columns.items()}
    images = len(stranger.reference)
    return Measured(
        numbers={
            "agreement": per_item(
                {split: by_depth(end.agreement[:, 0], of=end.images) for split, end in ends.items()}
            ),
            "accuracy": per_item({split: by_depth(end.accuracy[:, 0], of=end.images) for split, end in ends.items()}),
            "accuracy kept": per_item(
                {split: by_depth(end.accuracy_kept[:, 0], of=end.images) for split, end in ends.items()}
            ),
            "mean consistency": per_item(
                {split: by_depth(found.consistency.mean(axis=1), of=found.images) for split, found in columns.items()}
            ),
            "cross-entropy": per_item({split: by_depth(end.cross_entropy[:, 0]) for split, end in ends.items()}),
            "agreement of a stranger": by_depth(stranger.agreement, of=images),
        },
        curves={f"{what} on {split} images: {name}": _drawn(column, name) for split, column in columns.items() for name in DRAWN},
    )


def _drawn(column: Column, name: str) -> Lines:
    return over_shallow_epochs(column, *DRAWN[name])
