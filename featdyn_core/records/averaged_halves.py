"""Averages of shallow halves under the deep half of ``f_t``, against the past at equal distance (reviews of the paper).

``averages`` mixes every layer. Here the shallow half alone is averaged over a window, at each depth, and compared with
a composite that is as far from ``θ_t`` (see ``equally_far``): were a basin all there is to memory, any mixture of its
checkpoints would serve the deep half as well as the past does. Statistics of normalisation are re-estimated in both,
and in ``f_t`` itself, which shows what that alone takes.
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
    """What the register may say of averaged halves.

    Attributes:
        window: whose checkpoints are averaged, t the last.
        split: of the images.
        cuts: ``depths``, the paper's, or ``all``.
    """

    window: str
    split: str = "held-out"
    cuts: str = "depths"


@dataclass(frozen=True, eq=False)
class AveragedHalves:
    """Predictions of ``f_t`` with an averaged shallow half, and of the composite that is as far away.

    Attributes:
        cuts: the paper's depths.
        reference: predictions (N,) of ``f_t``.
        average: (cuts, N) with the mean of the window's shallow halves.
        composite: (cuts, N) with that of a past epoch.
        again: (N,) of ``f_t``, all its statistics re-estimated.
        epochs: (cuts,) that past epoch, a fraction where it is between two checkpoints.
        distances: (cuts, 2) of average and composite from the shallow half at t, over its norm.
        calibrated: share of the images that statistics are re-estimated on that training shows; below 1 is a fault.

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
        """Share of images classified as by ``f_t``, of ``average`` (cuts,), ``composite`` (cuts,) or ``again`` ()."""
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
        """Return averages that agree more often than composites do, by one difference for all depths or (depths,).

        Args:
            difference: of the agreements.
            composite: agreement of the composites, likewise.
            again: agreement of ``f_t`` re-estimated.
            calibrated: share of the calibration images that training shows.
        """
        past = np.broadcast_to(np.asarray(composite, float), len(DEPTHS))
        parts = classified(past + np.asarray(difference, float)), classified(past), classified(again)
        return cls(DEPTHS, LABELS, *parts, np.zeros(len(DEPTHS)), np.full((len(DEPTHS), 2), 0.1), calibrated)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, **cuts_of(options.cuts)}
    return {"": {**common, "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Average the shallow halves of the ``epochs`` at each cut, and evaluate on a ``split``."""
    from featdyn_core.measures.composites.averaging import equally_far, wholly_reestimated
    from featdyn_core.measures.composites.calibration import share_shown_in_training
    from featdyn_core.measures.composites.composite import calibration_images, predict

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
        "again": predicted(wholly_reestimated(trajectory.network(epochs[-1]), trajectory)),
        "epochs": np.array([each.epoch for each in found]),
        "distances": np.array([each.distances for each in found]),
        "calibrated": np.array(share_shown_in_training(trajectory, calibration_images(trajectory))),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> AveragedHalves:
    """Return what a record holds."""
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
