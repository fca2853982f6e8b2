"""Full-batch descent of a perceptron, linearised or itself: losses of composites on the training images (App. D).

Both begin with the same state, take the same steps of the same size on the same images and are recorded alike, so that
what differs between them is the linearisation. With the shallow half frozen from the start every composite (s, t) is
``f_t``, and nothing can be forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope, check_choice
from featdyn_core.records.planting import DEPTHS

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]

REGIMES = ("real", "linearised")

STEPS = np.arange(0, 100, 10)
"""Of planted records."""


@dataclass(frozen=True)
class Options:
    """What the register may say of a descent; ``images``, ``steps`` and ``every`` are the protocol's.

    Attributes:
        regime: ``real`` or ``linearised``.
        frozen: whether the shallow half stands still from the start.
    """

    regime: str
    frozen: bool = False


@dataclass(frozen=True, eq=False)
class Descent:
    """Full-batch gradient descent in float64; one row for each of the paper's depths.

    Attributes:
        cuts: the paper's depths.
        steps: (R,) gradient steps at each record, from 0.
        grids: (cuts, R, R) loss of the composites, shallow record × deep record, in nats.
        losses: (cuts, R) training loss.

    Examples:
        >>> Descent.planted(rise=0.5).grids.shape
        (3, 10, 10)
    """

    cuts: tuple[str, ...]
    steps: npt.NDArray[np.int64]
    grids: Floats
    losses: Floats

    @property
    def additivity_gap(self) -> float:
        """Largest difference between the losses of the composites (t, t) and the training loss, in nats.

        Of a linearised network composites are outer sums, and that they add up is what linear means.
        """
        return float(np.abs(np.diagonal(self.grids, axis1=1, axis2=2) - self.losses).max())

    @property
    def trained(self) -> Floats:
        """The grids without step 0, (cuts, R - 1, R - 1): no half of theirs is the untrained network's."""
        rows = self.steps > 0
        return self.grids[:, rows][:, :, rows]

    @classmethod
    def planted(cls, rise: npt.ArrayLike = 0.0, forgotten: npt.ArrayLike = 0.0) -> "Descent":
        """Return losses of additive composites that fall from 2 to 1 nats as the deep half trains on.

        Args:
            rise: of the loss in nats at the last record over the one before, for all depths or for each (depths,).
            forgotten: how many nats more the first shallow half after step 0 costs under the last deep half than the
                last one does, for all depths or for each (depths,); those between lie on a line.
        """
        return cls(DEPTHS, STEPS, found := planted_grids(rise, forgotten), np.diagonal(found, axis1=1, axis2=2))


def planted_grids(rise: npt.ArrayLike, forgotten: npt.ArrayLike) -> Floats:
    """Return grids (depths, R, R) of losses as of ``Descent.planted``."""
    rises, costs = (np.broadcast_to(value, len(DEPTHS))[:, None] for value in (rise, forgotten))
    deep = np.tile(np.linspace(2, 1, len(STEPS)), (len(DEPTHS), 1))
    deep[:, -1:] = np.where(rises > 0, deep[:, -2:-1] + rises, deep[:, -1:])
    shallow = costs * np.linspace(1, 0, len(STEPS) - 1)
    return np.pad(shallow, ((0, 0), (1, 0)), mode="edge")[..., None] + deep[:, None]


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part."""
    check_choice("regime", options.regime, REGIMES)
    counts = scope.counts("images", "steps", "every")
    return {"": {**counts, "regime": options.regime, "frozen": options.frozen}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Train the initial network anew.

    Args:
        trajectory: its epoch 0 is trained.
        parameters: first training ``images``, gradient ``steps``, a record ``every`` so many, the ``regime``, and
            whether the shallow half is ``frozen``. The step size is the largest that is known to be stable in the
            linearised regime (see ``LinearizedNetwork.stable_learning_rate``), in both.
    """
    from featdyn_core.measures.linearized.descent import LinearizedNetwork
    from featdyn_core.measures.linearized.kernel import Half
    from featdyn_core.measures.linearized.real import real_descent

    images, labels = (part[: parameters["images"]] for part in trajectory.training_set())
    length = {name: parameters[name] for name in ("steps", "every")}
    half: Half | None = "shallow" if parameters["frozen"] else None
    start, rows = trajectory.network(0), []
    for cut in start.depths:
        network = LinearizedNetwork(start, images, cut=cut)
        rate = network.stable_learning_rate
        if parameters["regime"] == "real":
            found = real_descent(start, images, labels, cut=cut, learning_rate=rate, freeze=half, **length)
            rows.append((found.steps, found.grid, found.losses, rate))
        else:
            linear = network.train(labels, learning_rate=rate, freeze=half, **length)
            rows.append((linear.steps, linear.loss_grid(labels), linear.losses, rate))
    steps, grids, losses, rates = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "cuts": np.array(start.depths),
        "steps": steps[0],
        "grids": grids,
        "losses": losses,
        "learning_rates": rates,
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Descent:
    """Return what a record holds."""
    return Descent(tuple(arrays["cuts"].tolist()), arrays["steps"], arrays["grids"], arrays["losses"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
