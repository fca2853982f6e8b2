"""How much of the plane of two features is covered by points."""

import numpy as np

from featdyn_core.records.last_layer import Points

CELLS = 32
"""Of the grid, on either side."""


def coverage(points: Points, within: Points) -> float:
    """Share in [0, 1] of the cells of a grid over the least box around ``within`` that some of the points lie in.

    Args:
        points: (..., 2).
        within: (..., 2), not all on a line along an axis.

    Examples:
        >>> corners = np.array([[0.0, 0.0], [1.0, 1.0]])
        >>> coverage(corners, within=corners)  # two cells of the grid
        0.001953125
    """
    x, y = points.reshape(-1, 2).T
    edges = [np.linspace(axis.min(), axis.max(), CELLS + 1) for axis in within.reshape(-1, 2).T]
    counts, _, _ = np.histogram2d(x, y, bins=edges)
    return float((counts > 0).mean())
