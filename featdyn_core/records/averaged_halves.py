"""Averages of shallow parts under the deep part of ``f_t``, against past ones at equal distance (paper's reviews).

The kind ``averages`` averages every layer. This kind averages only the shallow part over a window, at each depth. It
compares the average with a composite that is as far from ``θ_t`` (see ``equally_far``). If memory were only a basin,
any mixture of the checkpoints in it would serve the deep part as well as a past one does. Normalisation statistics are
re-estimated in both networks. They are also re-estimated in ``f_t`` itself, which shows what re-estimation alone costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, cuts_of, of_statistics
from featdyn_core.records.planting import DEPTHS, LABELS, Shares, classified

if TYPE_CHECKING:
    from featdyn_core.networks.blocks import BlockNetwork
    from featdyn_core.trajectories.trajectory import Trajectory

Predictions = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """Options of averaged halves.

    Attributes:
        window: the window whose checkpoints are averaged; t is the last.
        split: the split of images to measure.
        cuts: ``depths`` for the paper's depths, or ``all``.
    """

    window: str
    split: str = "held-out"
    cuts: str = "depths"


@dataclass(frozen=True, eq=False)
class AveragedHalves:
    """Predictions of ``f_t`` with an averaged shallow part, and of a composite that is as far from ``f_t``.

    Attributes:
        cuts: the paper's depths.
        reference: predictions (N,) of ``f_t``.
        average: predictions (cuts, N) with the mean of the window's shallow parts.
        composite: predictions (cuts, N) with the shallow part of a past epoch.
        again: predictions (N,) of ``f_t`` with all its statistics re-estimated.
        epochs: that past epoch, (cuts,); a fraction where it lies between two checkpoints.
        distances: distances of average and composite from the shallow part at t, over its norm, (cuts, 2).
        calibrated: share of the re-estimation images that training shows too; a value below 1 is a fault.

    Examples:
        >>> AveragedHalves.planted(0.1).difference.round(4).tolist()
        [0.1, 0.1, 0.1]
    """

    cuts: tuple[str, ...]
    reference: Predictions
    average: Predictions
    composite: Predictions
    again: Predictions
    epochs: Floats
    distances: Floats
    calibrated: float

    def agreement(self, name: str) -> Floats:
        """Share of images with the class of ``f_t``, for ``average`` (cuts,), ``composite`` (cuts,) or ``again`` ()."""
        return (getattr(self, name) == self.reference).mean(axis=-1)

    @property
    def difference(self) -> Floats:
        """Agreement of the average minus that of the composite, (cuts,)."""
        return self.agreement("average") - self.agreement("composite")

    @property
    def images(self) -> int:
        """Number N of images."""
        return len(self.reference)

    @classmethod
    def planted(
        cls, difference: Shares, *, composite: Shares = 0.9, again: float = 0.99, calibrated: float = 1.0
    ) -> "AveragedHalves":
        """Return averages that agree more often than composites.

        Args:
            difference: agreement of averages minus that of composites, one for all depths or (depths,).
            composite: agreement of the composites, one for all depths or (depths,).
            again: agreement of the re-estimated ``f_t``.
            calibrated: share of the re-estimation images that training shows too.
        """
        past = np.broadcast_to(np.asarray(composite, float), len(DEPTHS))
        parts = classified(past + np.asarray(difference, float)), classified(past), classified(again)
        return cls(DEPTHS, LABELS, *parts, np.zeros(len(DEPTHS)), np.full((len(DEPTHS), 2), 0.1), calibrated)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, **cuts_of(options.cuts)}
    return {"": {**common, "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Average the shallow parts of the ``epochs`` at each cut, and evaluate them on a ``split``."""
    from featdyn_core.measures.composites.averaging import equally_far
    from featdyn_core.measures.composites.composite import predict
    from featdyn_core.measures.composites.statistics import reestimated, share_shown_in_training, statistics_images

    epochs = list(parameters["epochs"])
    images, _ = trajectory.evaluation_set(parameters["split"])
    network = trajectory.network(epochs[-1])
    cuts = network.places(parameters.get("cuts", "depths"))

    def predicted(one: "BlockNetwork") -> Predictions:
        return predict(one, images, device=trajectory.device)

    found = [equally_far(trajectory, epochs, cut) for cut in cuts]
    return {
        "cuts": np.array(cuts),
        "reference": predicted(network),
        "average": np.array([predicted(each.average) for each in found]),
        "composite": np.array([predicted(each.past) for each in found]),
        "again": predicted(reestimated(trajectory.network(epochs[-1]), trajectory)),
        "epochs": np.array([each.epoch for each in found]),
        "distances": np.array([each.distances for each in found]),
        "calibrated": np.array(share_shown_in_training(trajectory, statistics_images(trajectory))),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> AveragedHalves:
    """Return the view of a record."""
    names = ("reference", "average", "composite", "again", "epochs", "distances")
    fields = {name: arrays[name] for name in names}
    return AveragedHalves(tuple(arrays["cuts"].tolist()), **fields, calibrated=float(arrays["calibrated"]))


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="averages and their statistics",
    needs=of_statistics,
)
