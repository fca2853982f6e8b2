"""The origin of a training: whether its first checkpoint is the network that its seed draws.

Claims count trainings with different seeds as replicates. No other kind of record shows that the checkpoints of one
seed were passed off as those of another.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import RecipeError
from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """An origin has no options: it compares the whole network."""


@dataclass(frozen=True)
class Origin:
    """The first checkpoint of a training.

    Attributes:
        distance: distance of the first checkpoint's parameters from those that the seed draws, over the norm of the
            latter; any value but 0 is a fault.

    Examples:
        >>> Origin(distance=0.0)
        Origin(distance=0.0)
    """

    distance: float


def resolve(_: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part.

    Raises:
        RecipeError: the training is a branch, and draws no network.
    """
    if scope.recipe.branch:
        raise RecipeError(
            f"{scope.recipe.name} is a branch: it begins with its parent's checkpoint, and draws no network"
        )
    return {"": {}}


def measure(trajectory: "Trajectory", _: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Draw the network of the seed again, and compare the first checkpoint with it.

    An adopted training draws no network. One digest over all its checkpoints is compared with the digest adopted under
    this seed. If they differ, the distance is 1.
    """
    import torch

    if trajectory.recipe.adopted:
        from featdyn_core.trajectories.checkpoints import tensor_bytes, together

        handed_out = (hashlib.sha256(tensor_bytes(trajectory.state(epoch))).hexdigest() for epoch in trajectory.epochs)
        same = together(handed_out) == trajectory.recipe.adopted.checkpoints[str(trajectory.seed)]
        return {"distance": np.array(0.0 if same else 1.0)}

    from featdyn_core.training.branching import initial_state

    first, drawn = trajectory.network(trajectory.epochs[0]), trajectory.network(trajectory.epochs[0])
    drawn.load_state_dict(initial_state(trajectory.recipe, trajectory.seed, trajectory.dataset, None))
    here, there = (
        torch.cat([value.detach().double().flatten() for value in one.parameters()]) for one in (first, drawn)
    )
    return {"distance": np.array(float((here - there).norm() / there.norm()))}


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Origin:
    """Return the view of a record."""
    return Origin(float(arrays["distance"]))


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
