"""The composites of a window, which memory and transfer look at."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import over_shallow_epochs
from featdyn_core.records.column import Column
from featdyn_core.records.stranger import Stranger
from featdyn_core.verdicts.measured import Measured


def inside_window(columns: Mapping[str, Column], stranger: Stranger, what: str) -> Measured:
    """Return what memory and transfer measure: the least favourable composites of a window, and a stranger's.

    Args:
        columns: of the window, by split.
        stranger: at the window's end.
        what: memory or transfer, for the titles of the figures.
    """
    drawn = {
        "agreement": ("agreement", "agreement with f_t"),
        "accuracy kept": ("accuracy_kept", "accuracy over that of f_t"),
        "cross-entropy": ("cross_entropy", "cross-entropy (nats)"),
    }
    return Measured(
        both_splits={split: column.worst for split, column in columns.items()},
        numbers={"agreement of a stranger": float(stranger.agreement.max())},
        curves={
            f"{what} on {split} images: {name}": over_shallow_epochs(column, *shown, bound=f"{name}, {split}")
            for split, column in columns.items()
            for name, shown in drawn.items()
        },
    )
