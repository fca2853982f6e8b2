"""Point-wise consistency of columns, over all of their shallow epochs: means that claims compare, and distributions."""

from collections.abc import Mapping

from featdyn_core.analysis.columns import WHOLE, cumulative, mean_consistency
from featdyn_core.records.column import Column
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Counted


def over_depths(column: Column) -> Counted:
    """Return the mean over images and depths of point-wise consistency over all shallow epochs of a column.

    Examples:
        >>> over_depths(Column.planted(range(3), [0.2, 0.1, 0.0]))
        Counted(value=0.9, of=1000)
    """
    return Counted(float(column.consistency.mean()), column.images)


def between_halves(column: Column) -> Counted:
    """Return the mean consistency, over images and depths, of every other image minus that of the rest of them.

    Examples:
        >>> between_halves(Column.planted(range(3), 0.0))
        Counted(value=0.0, of=500)
    """
    consistency = column.consistency
    return Counted(float(consistency[:, ::2].mean() - consistency[:, 1::2].mean()), column.images // 2)


def distributions(columns: Mapping[str, Column], churn: Mapping[str, Column] | None = None) -> dict[str, Lines]:
    """Return a figure a depth: the distributions of point-wise consistency of several columns, by label.

    Args:
        columns: of which the first says how many depths there are.
        churn: label to the whole networks of a column of that label, lines of their own in every figure.

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
