"""Losses of composites over a square grid of epochs, on training images, to examine monotonicity (section 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope

if TYPE_CHECKING:
    from featdyn_core.measures.composites.engine import Progress
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """Options of losses, which are measured on the protocol's ``grid_images`` training images.

    Attributes:
        window: the window over which the protocol's ``grid_points`` epochs are evenly spaced.
    """

    window: str


@dataclass(frozen=True, eq=False)
class LossGrid:
    """Cross-entropy of the composite of every pair of epochs.

    Attributes:
        cuts: the paper's depths, on the first axis.
        epochs: T ascending epochs; the second axis is for the shallow part, the third for the deep part.
        losses: losses in nats against the labels that the network was trained with, (cuts, T, T).

    Examples:
        >>> LossGrid(("depth1",), np.array([0, 10]), np.array([[[2.0, 1.0], [2.5, 0.5]]])).losses.shape
        (1, 2, 2)
    """

    cuts: tuple[str, ...]
    epochs: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    epochs = scope.evenly(options.window, scope.count("grid_points"))
    return {"": {"epochs": epochs, "images": scope.count("grid_images")}}


def measure(
    trajectory: "Trajectory", parameters: Parameters, *, progress: "Progress | None" = None
) -> dict[str, npt.NDArray[Any]]:
    """Evaluate the grid over ``epochs`` on the first ``images`` training images; ``progress`` as for a column."""
    from featdyn_core.measures.composites.grid import composite_grid

    images, labels = (part[: parameters["images"]] for part in trajectory.training_set())
    epochs = list(parameters["epochs"])
    cuts = trajectory.network(epochs[-1]).depths
    grid = composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=cuts,
        shallow_epochs=epochs,
        deep_epochs=epochs,
        progress=progress,
    )
    return {"cuts": np.array(cuts), "epochs": np.array(epochs, np.int64), "losses": grid.cross_entropy}


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> LossGrid:
    """Return the grid of a record."""
    return LossGrid(tuple(arrays["cuts"].tolist()), arrays["epochs"], arrays["losses"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, grid=True)
