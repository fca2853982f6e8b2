"""Churn: what the whole networks ``f_s`` of a window predict, beside ``f_t`` (the baseline of every composite).

Were ``f_s`` itself to agree with ``f_t`` as often as the composite ``(s, t)`` does, the composite would only say that
predictions change little. This is a kind of its own and no cut of a column: a sweep that varies the policy or the cuts
of all columns leaves the baseline what it is, since a whole network is cut nowhere.
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
    """What the register may say of churn: what it says of the column whose baseline it is, but for policy and cuts.

    Attributes:
        window: whose checkpoints are the epochs s.
        deep: the epoch t, as of a column: ``first`` or ``last`` of the window, or ``each``.
        splits: of the images, a column for each.
        frozen: whether every network is that of t.
        every: of how many epochs one is taken, from the last on.
        corruption: of held-out images, as of a column.
        planted: pace of a turning network in place of the trained one.
    """

    window: str
    deep: str
    splits: tuple[str, ...] = SPLITS
    frozen: bool = False
    every: int = 1
    corruption: str = ""
    planted: str = ""


_NO_CUT = "whole"
"""What a record holds in the place of a cut; some hold the cut that the engine was given."""


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of each split or corruption, and of several epochs t of each."""
    return column.resolve(column.Options(**vars(options)), scope)


def measure(
    trajectory: "Trajectory", several: Sequence[Parameters], *, progress: "Progress | None" = None
) -> list[dict[str, npt.NDArray[Any]]]:
    """Evaluate the networks of several columns, each once for all of them.

    A whole network is the composite of an epoch with itself, and comes from the engine that evaluates the others.

    Args:
        trajectory: where the checkpoints come from.
        several: parameters as those of columns that differ in their epochs only, of policy ``carry``.
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
    """Return the networks as a column of the one cut ``WHOLE_NETWORK``, behind which nothing follows."""
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
