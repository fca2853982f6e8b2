"""Features of several epochs before the last layer, and that layer: decision regions follow from both.

At the deepest cut the deep part is a linear map. So the class of any point follows without the network.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import MeasurementError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """Options of the last layer. The protocol sets ``images`` and the number of ``points``.

    Attributes:
        window: the window over which the epochs are evenly spaced.
        splits: the splits of images to measure.
    """

    window: str
    splits: tuple[str, ...] = SPLITS


@dataclass(frozen=True, eq=False)
class LastLayer:
    """Features of N images at U epochs, and the linear classifier at the last of these epochs, t.

    Attributes:
        epochs: ascending epochs (U,).
        points: features ``h_u(x)``, averaged over their spatial axes if they have any, (U, N, p).
        weight: weight of the classifier, (classes, p).
        bias: bias of the classifier, (classes,).
        labels: true labels (N,).

    Examples:
        >>> layer = LastLayer.planted(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), np.eye(2))
        >>> layer.classes(layer.points).tolist()
        [[0], [1]]
    """

    epochs: npt.NDArray[np.int64]
    points: Points
    weight: Points
    bias: Points
    labels: npt.NDArray[np.integer]

    @property
    def past(self) -> Points:
        """Features (U - 1, N, p) at all epochs before t."""
        return self.points[:-1]

    @property
    def last(self) -> Points:
        """Features (N, p) at t."""
        return self.points[-1]

    @property
    def count(self) -> int:
        """Number of past features over all images and epochs, (U - 1) · N."""
        return self.past.shape[0] * self.past.shape[1]

    @property
    def still(self) -> "LastLayer":
        """The view of the network frozen at t: at every epoch it has the features of t."""
        return dataclasses.replace(self, points=np.broadcast_to(self.last, self.points.shape))

    def logits(self, points: Points) -> Points:
        """Logits (..., classes) of points (..., p)."""
        return points @ self.weight.T + self.bias

    def classes(self, points: Points) -> npt.NDArray[np.int64]:
        """Classes (...) of the regions that contain the points (..., p)."""
        return np.asarray(self.logits(points).argmax(axis=-1))

    @cached_property
    def reference(self) -> npt.NDArray[np.int64]:
        """Classes (N,) of ``f_t``."""
        return self.classes(self.last)

    @cached_property
    def room(self) -> npt.NDArray[np.float64]:
        """Distances (N,) of the last features from the nearest border of their regions; infinite without a border."""
        logits = self.logits(self.last)
        apart = np.linalg.norm(self.weight[self.reference][:, None] - self.weight, axis=-1)
        ahead = np.take_along_axis(logits, self.reference[:, None], axis=-1) - logits
        return np.divide(ahead, apart, out=np.full_like(ahead, np.inf), where=apart > 0).min(axis=-1)

    def share_inside(self, points: Points) -> float:
        """Share of the points (..., N, p) that lie in the region of ``argmax f_t(x)`` of their own image x.

        A point on the boundary of its region lies inside.
        """
        images = np.broadcast_to(np.arange(len(self.reference)), points.shape[:-1])
        return self.inside(points.reshape(-1, points.shape[-1]), images.ravel()) / images.size

    def inside(self, points: Points, images: npt.NDArray[np.int64]) -> int:
        """Number of points (m, p) inside the region of their image; ``images`` (m,) gives the index of each image.

        Classes come first in memory, because the largest logit of many points is then found several times as fast.
        """
        logits = self.weight @ points.T
        logits += self.bias[:, None]
        own = logits.ravel().take(self.reference[images] * len(points) + np.arange(len(points)))
        return int(np.count_nonzero(own == logits.max(axis=0)))

    @classmethod
    def planted(cls, points: Points, weight: Points) -> "LastLayer":
        """Return features (U, N, p) at epochs 0 to U - 1, with a classifier without bias that is right at the last."""
        bias, labels = np.zeros(len(weight)), (points[-1] @ weight.T).argmax(axis=-1)
        return cls(np.arange(len(points)), points, weight, bias, labels)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters for each split."""
    check_splits(*options.splits)
    common = {"epochs": scope.evenly(options.window, scope.count("points")), **scope.counts("images")}
    return {split: {**common, "split": split} for split in options.splits}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Collect the features of a ``split`` at each of the ``epochs``, in half precision (eleven bits).

    Raises:
        MeasurementError: a feature is not finite, or too large for half precision.
    """
    from featdyn_core.measures.last_layer import read_by_the_last_layer

    images, labels = trajectory.evaluation_set(parameters["split"])
    networks = map(trajectory.network, parameters["epochs"])
    points = np.array([read_by_the_last_layer(network, images, trajectory.device) for network in networks])
    if not (np.abs(points) <= np.finfo(np.float16).max).all():
        raise MeasurementError(
            f"{trajectory.recipe.name} seed {trajectory.seed}: features are not finite, or beyond half precision"
        )
    head = trajectory.network(parameters["epochs"][-1]).head.linear
    return {
        "points": points.astype(np.float16),
        "weight": head.weight.detach().numpy(),
        "bias": head.bias.detach().numpy(),
        "labels": labels.cpu().numpy().astype(np.int16),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> LastLayer:
    """Return the view of a record, in double precision."""
    points, weight, bias = (arrays[name].astype(np.float64) for name in ("points", "weight", "bias"))
    return LastLayer(np.array(parameters["epochs"]), points, weight, bias, arrays["labels"])


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read)
