"""The path of the parameters: distances between the checkpoints of a training, and the norms (section 4.2, Fig. 11).

Drift, closeness and the length of the path follow from these numbers without the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy  # measuring imports the heavy modules on first use; reading a record needs none of them

from featdyn_core.records.kind import ALL, Kind, Parameters, Resolved, Scope, turning_network
from featdyn_core.records.planting import DEPTHS

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]

WHOLE_NETWORK = "whole"
"""Name of the part that is the whole network."""


@dataclass(frozen=True)
class Options:
    """Options of a path, which covers all checkpoints.

    Attributes:
        frozen: whether the last checkpoint replaces every checkpoint.
        planted: pace of a turning network that replaces the trained one.
        window: the window at whose end the turning network stops.
    """

    frozen: bool = False
    planted: str = ""
    window: str = ""


@dataclass(frozen=True, eq=False)
class TrainingPath:
    """Distances and norms of the parameters at the checkpoints of a training.

    **Reading:** parameters are weights, biases, and the scale and shift of a normalisation, but not its running
    statistics.

    Attributes:
        parts: the shallow parts before the paper's depths, named by their cuts, then ``WHOLE_NETWORK``; on the first
            axis.
        epochs: the T ascending epochs of all checkpoints.
        distances: ``‖θ_t − θ_s‖``, (parts, T, T), symmetric.
        norms: ``‖θ_t‖``, (parts, T).

    Examples:
        >>> TrainingPath.planted(range(3), 0.1).parts
        ('depth1', 'depth2', 'depth3')
    """

    parts: tuple[str, ...]
    epochs: npt.NDArray[np.int64]
    distances: Floats
    norms: Floats

    @property
    def relative(self) -> Floats:
        """Relative drift ``‖θ_t − θ_s‖ / ‖θ_t‖``, (parts, T, T); s is on the second axis, t on the third."""
        return self.distances / self.norms[:, None, :]

    @property
    def length(self) -> Floats:
        """Length of the path from the first checkpoint to each, (parts, T), in parameter units.

        It is the length of the polygon through the checkpoints, so a sparser set of checkpoints gives a shorter path.
        """
        steps = np.diagonal(self.distances, offset=1, axis1=1, axis2=2)
        return np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))

    @classmethod
    def planted(cls, epochs: Sequence[int], drift: float, *, parts: Sequence[str] = DEPTHS) -> "TrainingPath":
        """Return a straight path at even speed, with the relative drift ``drift`` from its first epoch to its last."""
        away = drift * (epochs[-1] - np.asarray(epochs, float)) / (epochs[-1] - epochs[0])
        distances = np.abs(away[:, None] - away)
        shape = len(parts), len(epochs)
        return cls(tuple(parts), np.asarray(epochs, np.int64), np.tile(distances, (len(parts), 1, 1)), np.ones(shape))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    return {"": {"frozen": options.frozen} | turning_network(scope, options.planted, options.window)}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Measure the distances between all checkpoints.

    Args:
        trajectory: source of the checkpoints.
        parameters: whether the network is ``frozen``, so that the last checkpoint replaces every checkpoint; and
            ``planted``, the ``pace`` and ``duration`` of a turning network that replaces the trained one (see
            ``turning_network``).
    """
    from featdyn_core.trajectories.turning_network import turning

    if "planted" in parameters:
        trajectory = turning(trajectory, **parameters["planted"])
    epochs = trajectory.epochs
    network = trajectory.network(epochs[-1])
    source = trajectory.frozen_at(epochs[-1]) if parameters["frozen"] else trajectory
    states = [source.state(epoch) for epoch in epochs]
    squares = np.zeros((len(network.depths) + 1, len(epochs) * (len(epochs) - 1) // 2))
    norms = np.zeros((len(network.depths) + 1, len(epochs)))
    for name, _ in network.named_parameters():
        values = np.stack([state[name].numpy().ravel() for state in states])
        inside = [network.in_shallow_part(name, cut) for cut in network.depths] + [True]
        squares[inside] += scipy.spatial.distance.pdist(values, "sqeuclidean")
        norms[inside] += np.square(values, dtype=np.float64).sum(axis=1)
    return {
        "parts": np.array([*network.depths, WHOLE_NETWORK]),
        "epochs": np.array(epochs, np.int64),
        "distances": np.sqrt(squares).astype(np.float32),  # one entry for each pair s < t, row by row
        "norms": np.sqrt(norms),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> TrainingPath:
    """Return the path of a record."""
    epochs = arrays["epochs"]
    distances = np.zeros((len(arrays["parts"]), len(epochs), len(epochs)))
    earlier, later = np.triu_indices(len(epochs), 1)
    distances[:, earlier, later] = distances[:, later, earlier] = arrays["distances"]
    return TrainingPath(tuple(arrays["parts"].tolist()), epochs, distances, arrays["norms"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu=ALL)
