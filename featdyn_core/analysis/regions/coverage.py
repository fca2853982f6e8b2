"""The share of a plane of two features that points cover."""

import numpy as np

from featdyn_core.records.last_layer import Points

CELLS = 32
"""Number of cells on each side of the grid."""


def coverage(points: Points, within: Points) -> float:
    """Share in [0, 1] of cells that contain a point, on a grid over the bounding box of ``within``.

    Args:
        points: (..., 2).
        within: (..., 2), with different values along both axes.

    Examples:
        >>> corners = np.array([[0.0, 0.0], [1.0, 1.0]])
        >>> coverage(corners, within=corners)  # two cells of the grid
        0.001953125
    """
    x, y = points.reshape(-1, 2).T
    edges = [np.linspace(axis.min(), axis.max(), CELLS + 1) for axis in within.reshape(-1, 2).T]
    counts, _, _ = np.histogram2d(x, y, bins=edges)
    return float((counts > 0).mean())
