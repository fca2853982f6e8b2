"""The control of memory and transfer: the shallow part of a stranger with one's own deep part.

A stranger is a network trained with another seed. The deep part has never seen its features, so agreement must be near
chance. Normalisation statistics of the deep part are re-estimated, so that stale statistics are not the reason for
failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, cuts_of, of_statistics
from featdyn_core.records.planting import DEPTHS, LABELS, Shares, classified

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """Options of a stranger.

    Attributes:
        window: the window with the epoch of both networks at one end.
        deep: which end, ``first`` or ``last``.
        split: the split of images to measure.
        cuts: ``depths`` for the paper's depths, or ``all``.
    """

    window: str
    deep: str
    split: str = "held-out"
    cuts: str = "depths"


@dataclass(frozen=True, eq=False)
class Stranger:
    """Composites of a stranger's shallow part with the deep part of ``f_t``, at the same epoch t.

    Attributes:
        cuts: the paper's depths.
        predictions: predicted classes (cuts, N).
        reference: predictions (N,) of ``f_t``.
        labels: true labels (N,).

    Examples:
        >>> Stranger.planted(0.1).agreement.tolist()
        [0.1, 0.1, 0.1]
    """

    cuts: tuple[str, ...]
    predictions: npt.NDArray[np.integer]
    reference: npt.NDArray[np.integer]
    labels: npt.NDArray[np.int64]

    @property
    def agreement(self) -> npt.NDArray[np.float64]:
        """Share of images with the class of ``f_t``, (cuts,)."""
        return (self.predictions == self.reference).mean(axis=-1)

    @classmethod
    def planted(cls, agreement: Shares) -> "Stranger":
        """Return a stranger that agrees on given shares of the images, one for all depths or (depths,)."""
        return cls(DEPTHS, classified(np.broadcast_to(agreement, len(DEPTHS))), LABELS, LABELS)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, "partner": scope.neighbour, **cuts_of(options.cuts)}
    return {"": {**common, "deep": scope.end(options.window, options.deep)}}


def measure(trajectory: "Trajectory", parameters: Parameters, partner: "Trajectory") -> dict[str, npt.NDArray[Any]]:
    """Evaluate the composites with the shallow part of ``partner`` at epoch ``deep``, on a ``split``."""
    from featdyn_core.measures.composites.composite import joined, predict

    deep = int(parameters["deep"])
    images, labels = trajectory.evaluation_set(parameters["split"])
    network = trajectory.network(deep)
    cuts = network.places(parameters.get("cuts", "depths"))
    reference = predict(network, images, device=trajectory.device)
    found = [
        predict(
            joined(trajectory, partner.state(deep), deep, cut, batchnorm="recalibrate"),
            images,
            device=trajectory.device,
        )
        for cut in cuts
    ]
    return {
        "cuts": np.array(cuts),
        "predictions": np.array(found),
        "reference": reference,
        "labels": labels.cpu().numpy(),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Stranger:
    """Return the view of a record."""
    cuts = tuple(arrays["cuts"].tolist())
    return Stranger(cuts, arrays["predictions"], arrays["reference"], arrays["labels"])


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="statistics",
    needs=of_statistics,
)
