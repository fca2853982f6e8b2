"""A network linearised at its initial state and trained: composite losses, and training with a half frozen (App. D)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.descent import STEPS, Descent, planted_grids
from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope
from featdyn_core.records.planting import DEPTHS

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """This kind has no options: the protocol sets ``images``, ``steps``, ``every`` and ``frozen_from``."""


@dataclass(frozen=True, eq=False)
class Linearised(Descent):
    """Descent in the linearised regime, and further training with one half frozen.

    Attributes:
        frozen: losses of further training from one recording, with the shallow part frozen and with the deep part
            frozen, (cuts, 2, F).

    Examples:
        >>> Linearised.planted(rise=0.5).grids.shape
        (3, 10, 10)
    """

    frozen: npt.NDArray[np.float64]

    @property
    def frozen_rise(self) -> float:
        """Largest rise of the loss from one step to the next while a half is frozen; at least 0."""
        return float(self.frozen_rises.max())

    @property
    def frozen_rises(self) -> npt.NDArray[np.float64]:
        """The largest such rise at each cut, (cuts,)."""
        return np.maximum(np.diff(self.frozen, axis=2).max(axis=(1, 2)), 0.0)

    @classmethod
    def planted(
        cls, rise: npt.ArrayLike = 0.0, forgotten: npt.ArrayLike = 0.0, *, gap: float = 0.0, frozen: npt.ArrayLike = 0.0
    ) -> "Linearised":
        """Return losses as in ``Descent.planted``, with a gap between them and the training loss.

        ``frozen`` is the rise of the loss in nats while a half is frozen, for all depths or for each (depths,).
        """
        grids = planted_grids(rise, forgotten)
        alone = np.tile([2.0, 1.0, 1.0], (len(DEPTHS), 2, 1))
        alone[:, :, -1] += np.broadcast_to(frozen, len(DEPTHS))[:, None]
        return cls(DEPTHS, STEPS, grids, np.diagonal(grids, axis1=1, axis2=2) + gap, alone)


def resolve(_: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    return {"": scope.counts("images", "steps", "every", "frozen_from")}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Linearise the initial network and train it.

    Args:
        trajectory: its network at epoch 0 is linearised.
        parameters: the number of first training ``images``; the number of gradient ``steps``; ``every``, the steps
            between two recordings; and ``frozen_from``, the step from which a half is frozen, for as many steps again.
    """
    from featdyn_core.measures.linearized.descent import LinearizedNetwork

    images, labels = (part[: parameters["images"]] for part in trajectory.training_set())
    start = trajectory.network(0)
    grids, losses, frozen, steps = [], [], [], np.zeros(0, np.int64)
    for cut in start.depths:
        network = LinearizedNetwork(trajectory.network(0), images, cut=cut)
        joint = network.train(labels, steps=parameters["steps"], every=parameters["every"])
        middle = joint.until(parameters["frozen_from"])
        alone = [
            network.train(labels, steps=parameters["frozen_from"], freeze=half, start=middle).losses
            for half in ("shallow", "deep")
        ]
        grids.append(joint.loss_grid(labels))
        losses.append(joint.losses)
        frozen.append(alone)
        steps = joint.steps
    return {
        "cuts": np.array(start.depths),
        "steps": steps,
        "grids": np.array(grids),
        "losses": np.array(losses),
        "frozen": np.array(frozen),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Linearised:
    """Return the view of a record."""
    return Linearised(
        tuple(arrays["cuts"].tolist()), arrays["steps"], arrays["grids"], arrays["losses"], arrays["frozen"]
    )


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
