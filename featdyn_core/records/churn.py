"""Churn: predictions of the whole networks ``f_s`` of a window and of ``f_t`` (the baseline of every composite).

If ``f_s`` itself agreed with ``f_t`` as often as the composite ``(s, t)`` does, the composite would only show that
predictions change little. Churn is a kind of its own, and not one more cut of a column. A whole network is not cut, so
a sweep that varies the policy or the cuts of all columns leaves this baseline as it is.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.records import column
from featdyn_core.records.grids import looked_at, stored
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope
from featdyn_core.records.path import WHOLE_NETWORK

if TYPE_CHECKING:
    from featdyn_core.measures.composites.engine import Progress
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """Options of churn: those of the column whose baseline it is, without policy and cuts.

    Attributes:
        window: the window whose checkpoints are the epochs s.
        deep: the epoch t, as for a column: ``first`` or ``last`` of the window, or ``each``.
        splits: the splits of images, one column for each.
        frozen: whether every network is the network at t.
        every: take one epoch in so many, counted back from the last.
        corruption: corruption of held-out images, as for a column.
        planted: pace of a turning network that replaces the trained one.
    """

    window: str
    deep: str
    splits: tuple[str, ...] = SPLITS
    frozen: bool = False
    every: int = 1
    corruption: str = ""
    planted: str = ""


_NO_CUT = "whole"
"""Name that a record holds in place of a cut; some records hold the cut that the engine was given."""


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters for each split or corruption, and for each epoch t."""
    return column.resolve(column.Options(**vars(options)), scope)


def measure(
    trajectory: "Trajectory", several: Sequence[Parameters], *, progress: "Progress | None" = None
) -> list[dict[str, npt.NDArray[Any]]]:
    """Evaluate the networks of several columns, each network once for all columns.

    A whole network is the composite of an epoch with itself, so the same engine evaluates it.

    Args:
        trajectory: source of the checkpoints.
        several: parameters of columns that differ in their epochs only, with the policy ``carry``.
        progress: called with (done, total) networks.
    """
    from featdyn_core.measures.composites.grid import composite_grid

    trajectory, images, labels, source = looked_at(trajectory, several[0])
    epochs = sorted({epoch for parameters in several for epoch in (*parameters["shallow"], int(parameters["deep"]))})
    grid = composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=trajectory.network(epochs[-1]).depths[0],  # any cut: nothing is composed
        shallow_epochs=epochs,
        deep_epochs=epochs,
        precision=several[0]["precision"],
        pairs=np.eye(len(epochs), dtype=bool),
        progress=progress,
    )

    def one(parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
        rows = np.flatnonzero(np.isin(epochs, parameters["shallow"]))
        return stored(grid, rows, rows, parameters["deep"], source) | {"cuts": np.array([_NO_CUT])}

    return [one(parameters) for parameters in several]


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> column.Column:
    """Return the networks as a column with the single cut ``WHOLE_NETWORK``, after which no layer follows."""
    return dataclasses.replace(column.read(arrays, parameters), cuts=(WHOLE_NETWORK,))


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    grid=True,
    covers=column.covers,
    joined=column.joined,
    together=column.together,
    part=column.part,
    remarks=column.remarks,
)
