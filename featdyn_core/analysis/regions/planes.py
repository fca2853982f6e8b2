"""The picture of two features among the regions of the last layer, from a record."""

import numpy as np

from featdyn_core.records.last_layer import LastLayer
from featdyn_core.verdicts.plane import CLASSES, Path, Plane

CELLS = 48
"""Number of cells on each side of the grid; a picture with its paths takes less than 20 kB in a file."""

IMAGES = 2
"""Number of images of each class, the first ones, whose paths are drawn."""

MARGIN = 0.05
"""Margin around the paths on each side, as a share of their extent."""

DECIMALS = 3


def plane(layer: LastLayer, seed: int) -> Plane:
    """Return the regions of a classifier of two features, and the paths of some images among them.

    Examples:
        >>> plane(planted_paths(np.zeros(10)), seed=0).regions[0][:10]
        '4444444433'
    """
    classes = range(len(layer.weight))
    chosen = np.concatenate([np.flatnonzero(layer.labels == number)[:IMAGES] for number in classes])
    points = layer.points[:, chosen]
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    middles = (np.arange(CELLS) + 0.5) / CELLS
    x, y = (low + middles[:, None] * (high - low)).T
    found = layer.classes(np.stack(np.meshgrid(x, y[::-1]), axis=-1))
    paths = [
        Path(CLASSES[label], *points[:, place].T.round(DECIMALS).tolist())
        for place, label in enumerate(layer.labels[chosen])
    ]
    return Plane(
        seed=seed,
        epochs=layer.epochs.tolist(),
        x=[round(float(end[0]), DECIMALS) for end in (low, high)],
        y=[round(float(end[1]), DECIMALS) for end in (low, high)],
        regions=["".join(CLASSES[cell] for cell in row) for row in found],
        paths=paths,
    )
