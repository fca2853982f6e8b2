"""Means and distributions of point-wise consistency, over all shallow epochs of a column."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import WHOLE, cumulative, mean_consistency
from featdyn_core.records.column import Column
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Counted


def over_depths(column: Column) -> Counted:
    """Return point-wise consistency over all shallow epochs of a column, averaged over images and depths.

    Examples:
        >>> over_depths(Column.planted(range(3), [0.2, 0.1, 0.0]))
        Counted(value=0.9, of=1000)
    """
    return Counted(float(column.consistency.mean()), column.images)


def between_halves(column: Column) -> Counted:
    """Return the mean consistency of the images with even index minus that of the images with odd index.

    Examples:
        >>> between_halves(Column.planted(range(3), 0.0))
        Counted(value=0.0, of=500)
    """
    consistency = column.consistency
    return Counted(float(consistency[:, ::2].mean() - consistency[:, 1::2].mean()), column.images // 2)


def distributions(columns: Mapping[str, Column], churn: Mapping[str, Column] | None = None) -> dict[str, Lines]:
    """Return one figure per depth, with the distributions of point-wise consistency of several columns, by label.

    Args:
        columns: label to column; the first one sets the number of depths.
        churn: label of a column to its whole networks, which are further lines in every figure.

    Examples:
        >>> list(distributions({"clean": Column.planted(range(3), 0.1)}))
        ['consistency at depth 1', 'consistency at depth 2', 'consistency at depth 3']
    """
    whole = {f"{label}, {WHOLE}": column.consistency[0] for label, column in (churn or {}).items()}
    return {
        f"consistency at {depth}": cumulative(
            {label: column.consistency[place] for label, column in columns.items()} | whole
        )
        for place, depth in enumerate(mean_consistency(next(iter(columns.values()))))
    }
