"""Numbers and figures of the composites of a window, for claims about memory and transfer."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import across, over_shallow_epochs
from featdyn_core.analysis.items import by_depth, difference, with_splits
from featdyn_core.records.column import Column
from featdyn_core.records.stranger import Stranger
from featdyn_core.verdicts.measured import Measured
from featdyn_core.verdicts.units import Counted

DRAWN = {
    "agreement": ("agreement", "agreement with f_t"),
    "accuracy kept": ("accuracy_kept", "accuracy over that of f_t"),
    "cross-entropy": ("cross_entropy", "cross-entropy (nats)"),
}
"""Criterion to the property of a column that is drawn, and the label of its axis."""


def inside_window(
    columns: Mapping[str, Column], churn: Mapping[str, Column], stranger: Stranger, what: str
) -> Measured:
    """Return the numbers of memory or transfer at each depth, for the composite across a window and for a stranger.

    They include how much more accurate ``f_t`` is on training images than on held-out ones.

    Args:
        columns: split to the column of the window.
        churn: split to the whole networks of the same window.
        stranger: the stranger at the epoch of the deep part.
        what: memory or transfer, for the figure titles.

    Examples:
        >>> columns = planted.on_both_splits(Column.planted(range(3), 0.1))
        >>> list(inside_window(columns, {}, Stranger.planted(0.1), "memory").values)[:2]
        ['agreement, depth 1, held-out', 'agreement, depth 1, training']
    """
    shares = {split: Counted(column.reference_accuracy, column.images) for split, column in columns.items()}
    return Measured(
        numbers=with_splits({split: across(column) for split, column in columns.items()})
        | {
            "agreement of a stranger": by_depth(stranger.agreement, of=len(stranger.labels)),
            "accuracy on training over held-out images": difference(shares["training"], shares["held-out"]),
        },
        curves={
            f"{what} on {split} images: {name}": over_shallow_epochs(
                column, *shown, churn=churn.get(split), bound=f"{name}, {split}"
            )
            for split, column in columns.items()
            for name, shown in DRAWN.items()
        },
    )
