"""Shared code of the kinds that evaluate a grid of composites: their networks and images, and their stored arrays.

It imports nothing that judges, so a change to judging cannot change a measurement.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from featdyn_core.measures.composites.grid import CompositeGrid
    from featdyn_core.trajectories.trajectory import Trajectory

Places = int | npt.NDArray[np.bool_] | npt.NDArray[np.integer]
"""Selection along an axis of a grid: one index, a mask, or several indices."""


def looked_at(trajectory: "Trajectory", parameters: Mapping[str, Any]) -> "tuple[Trajectory, Tensor, Tensor, str]":
    """Return the networks and the images of a column's parameters (see ``column.measure``).

    Returns:
        The trajectory or a turning network, frozen if the parameters say so; images (N, C, H, W); labels (N,); and the
        source of the images, which is empty if they are not corrupted.
    """
    from featdyn_core.measures.composites.unseen import unseen_images
    from featdyn_core.trajectories.turning_network import turning

    if "planted" in parameters:
        trajectory = turning(trajectory, **parameters["planted"])
    if parameters["frozen"]:
        trajectory = trajectory.frozen_at(int(parameters["deep"]))
    if "corruption" in parameters:
        return trajectory, *unseen_images(trajectory, parameters["corruption"])
    return trajectory, *trajectory.evaluation_set(parameters["split"]), ""


def stored(grid: "CompositeGrid", rows: Places, columns: Places, deep: int, source: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a column (see ``Column``), a part of a grid with labels.

    Args:
        grid: the evaluated grid.
        rows: indices of the S shallow epochs.
        columns: index of the deep epoch of each row.
        deep: the column's deep epoch.
        source: source of the images, if they are corrupted.
    """
    reference = grid.reference_at(deep)
    arrays = {
        "cuts": np.array(grid.cuts),
        "epochs": np.array(grid.shallow_epochs[rows], np.int64),
        "changed": grid.predictions[:, rows, columns] ^ reference,  # 0 where it agrees, so that a record is small
        "reference": reference,
        "labels": np.asarray(grid.labels),
        "cross_entropy": grid.cross_entropy[:, rows, columns],
        "flip_rate": np.array(grid.flip_rate),
    }
    return arrays | ({"source": np.array(source)} if source else {})
