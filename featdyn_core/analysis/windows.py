"""The composites of a window, which memory and transfer look at."""

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
"""Criterion to the property of a column that is drawn, and its axis."""


def inside_window(
    columns: Mapping[str, Column], churn: Mapping[str, Column], stranger: Stranger, what: str
) -> Measured:
    """Return what memory and transfer measure at each depth: the composite across a window, and a stranger's.

    Beside them stands by how much ``f_t`` is more accurate on training images, which the two splits differ by.

    Args:
        columns: of the window, by split.
        churn: the whole networks beside them, by split.
        stranger: at the epoch of the deep part.
        what: memory or transfer, for the titles of the figures.

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
