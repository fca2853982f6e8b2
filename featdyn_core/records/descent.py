"""Full-batch descent of a perceptron, linearised or real: losses of composites on the training images (App. D).

Both regimes begin with the same state, take steps of the same size on the same images, and are recorded alike. So they
differ in the linearisation only. If the shallow part is frozen from the start, every composite (s, t) is ``f_t``, and
nothing can be forgotten.
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
    """Options of a descent. The protocol sets ``images``, ``steps`` and ``every``.

    Attributes:
        regime: ``real`` or ``linearised``.
        frozen: whether the shallow part is frozen from the start.
    """

    regime: str
    frozen: bool = False


@dataclass(frozen=True, eq=False)
class Descent:
    """Losses of full-batch gradient descent in float64, one row for each of the paper's depths.

    Attributes:
        cuts: the paper's depths.
        steps: number of gradient steps before each of the R recordings, from 0, (R,).
        grids: loss of the composites in nats, (cuts, R, R); shallow recording × deep recording.
        losses: training loss in nats, (cuts, R).

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

        Composites of a linearised network are sums of two halves, so this difference tests its linearity.
        """
        return float(np.abs(np.diagonal(self.grids, axis1=1, axis2=2) - self.losses).max())

    @property
    def trained(self) -> Floats:
        """The grids without step 0, (cuts, R - 1, R - 1), so that no half comes from the untrained network."""
        rows = self.steps > 0
        return self.grids[:, rows][:, :, rows]

    @classmethod
    def planted(cls, rise: npt.ArrayLike = 0.0, forgotten: npt.ArrayLike = 0.0) -> "Descent":
        """Return losses of additive composites that fall from 2 to 1 nats as the deep part trains on.

        Args:
            rise: rise of the loss in nats from the last recording but one to the last, for all depths or for each
                (depths,).
            forgotten: loss in nats of the first shallow part after step 0 minus that of the last one, both with the
                last deep part, for all depths or for each (depths,). The losses between them lie on a line.
        """
        return cls(DEPTHS, STEPS, found := planted_grids(rise, forgotten), np.diagonal(found, axis1=1, axis2=2))


def planted_grids(rise: npt.ArrayLike, forgotten: npt.ArrayLike) -> Floats:
    """Return grids (depths, R, R) of losses as in ``Descent.planted``."""
    rises, costs = (np.broadcast_to(value, len(DEPTHS))[:, None] for value in (rise, forgotten))
    deep = np.tile(np.linspace(2, 1, len(STEPS)), (len(DEPTHS), 1))
    deep[:, -1:] = np.where(rises > 0, deep[:, -2:-1] + rises, deep[:, -1:])
    shallow = costs * np.linspace(1, 0, len(STEPS) - 1)
    return np.pad(shallow, ((0, 0), (1, 0)), mode="edge")[..., None] + deep[:, None]


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_choice("regime", options.regime, REGIMES)
    counts = scope.counts("images", "steps", "every")
    return {"": {**counts, "regime": options.regime, "frozen": options.frozen}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Train the initial network again.

    Args:
        trajectory: its network at epoch 0 is trained.
        parameters: the number of first training ``images``; the number of gradient ``steps``; ``every``, the steps
            between two recordings; the ``regime``; and whether the shallow part is ``frozen``. In both regimes the step
            size is the largest one known to be stable in the linearised regime (see
            ``LinearizedNetwork.stable_learning_rate``).
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
    """Return the view of a record."""
    return Descent(tuple(arrays["cuts"].tolist()), arrays["steps"], arrays["grids"], arrays["losses"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
