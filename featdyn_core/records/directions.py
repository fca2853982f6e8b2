"""Moves along other directions of training: rivals of the real drift, equally far and not random (section 6).

The kind ``closeness`` compares a past shallow part with random displacements. This kind moves the shallow part of
``f_t`` as far along two directions that training took: its drift mirrored at ``θ_t``, and its drift of another period.
Each move has equal distance, or equal norm and angle. Normalisation statistics are re-estimated in all networks. The
effect of re-estimation alone on ``f_t`` is measured before and behind each cut.

**Reading:** the other period is the one before the window. It is as long as the window, or begins at the first
checkpoint of the training if that is later. So the two periods never overlap. The distance of a move is always that of
the window.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import RecipeError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, cuts_of, of_statistics
from featdyn_core.records.planting import DEPTHS, LABELS, Shares, classified

if TYPE_CHECKING:
    from featdyn_core.networks.blocks import BlockNetwork
    from featdyn_core.trajectories.trajectory import Trajectory

Predictions = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Options:
    """Options of directions.

    Attributes:
        window: the window whose two ends are compared.
        deep: which end is t, ``first`` or ``last``.
        split: the split of images to measure.
        cuts: ``depths`` for the paper's depths, or ``all``.
    """

    window: str
    deep: str = "last"
    split: str = "held-out"
    cuts: str = "depths"


@dataclass(frozen=True, eq=False)
class Directions:
    """Predictions of ``f_t`` with its shallow part moved, and of ``f_t`` with re-estimated statistics.

    Attributes:
        cuts: the paper's depths.
        period: the epochs u and v of the other period, whose drift is ``θ_u − θ_v``.
        reference: predictions (N,) of ``f_t``.
        composite: predictions (cuts, N) of the composite (s, t), with re-estimated statistics of its deep part.
        mirrored: predictions (cuts, N) with the shallow part at ``2θ_t − θ_s`` and its statistics re-estimated.
        mirrored_angle: predictions (cuts, N), the same with the norm of ``θ_s`` and its angle to ``θ_t``.
        other: predictions (cuts, N) with the shallow part moved along the drift of the other period and its statistics
            re-estimated.
        other_angle: predictions (cuts, N), the same with the norm of ``θ_s`` and its angle to ``θ_t``.
        before: predictions (cuts, N) of ``f_t`` with re-estimated statistics before the cut, as in a moved network.
        behind: predictions (cuts, N) of ``f_t`` with re-estimated statistics behind the cut, as in the composite.

    Examples:
        >>> Directions.planted(0.9).gained("mirrored").round(4).tolist()
        [0.4, 0.4, 0.4]
    """

    cuts: tuple[str, ...]
    period: tuple[int, int]
    reference: Predictions
    composite: Predictions
    mirrored: Predictions
    mirrored_angle: Predictions
    other: Predictions
    other_angle: Predictions
    before: Predictions
    behind: Predictions

    def agreement(self, name: str) -> npt.NDArray[np.float64]:
        """Share of images with the class of ``f_t`` in one of the predictions, (cuts,)."""
        return (getattr(self, name) == self.reference).mean(axis=-1)

    def gained(self, name: str) -> npt.NDArray[np.float64]:
        """Agreement of the composite minus that of a moved network, such as ``mirrored``, (cuts,)."""
        return self.agreement("composite") - self.agreement(name)

    @property
    def images(self) -> int:
        """Number N of images."""
        return len(self.reference)

    @classmethod
    def planted(
        cls,
        composite: Shares,
        *,
        mirrored: Shares = 0.5,
        other: Shares = 0.5,
        before: Shares = 1.0,
        behind: Shares = 1.0,
    ) -> "Directions":
        """Return networks that agree with ``f_t`` on given shares of the images, one for all depths or (depths,).

        A network moved by equal norm and angle agrees as often as one moved by equal distance.
        """
        shares = composite, mirrored, mirrored, other, other, before, behind
        return cls(DEPTHS, (0, 1), LABELS, *(classified(np.broadcast_to(share, len(DEPTHS))) for share in shares))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part.

    Raises:
        RecipeError: training has no checkpoint before the window.
    """
    check_splits(options.split)
    epochs, late = scope.epochs(options.window), scope.end(options.window, options.deep)
    past = [epoch for epoch in scope.checkpoints if epoch < epochs[0]]
    if not past:
        raise RecipeError(f"window {options.window!r} begins at the first checkpoint: no other period is before it")
    ends = [min(past, key=lambda epoch: abs(epoch - 2 * epochs[0] + epochs[-1])), epochs[0]]
    forwards = late == epochs[0]  # the shallow part belongs to the later end, so the other drift runs forward as well
    common = {"images": scope.images, "split": options.split, **cuts_of(options.cuts)}
    shallow = epochs[-1] if forwards else epochs[0]
    return {"": {**common, "shallow": shallow, "deep": late, "period": ends[::-1] if forwards else ends}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Move the shallow part of ``deep`` by its distance from that of ``shallow``, and evaluate on a ``split``."""
    from featdyn_core.measures.composites.composite import composite, predict
    from featdyn_core.measures.composites.displacement import mirrored, moved_as_between, reestimated_before

    shallow, deep = parameters["shallow"], parameters["deep"]
    period = parameters["period"][0], parameters["period"][1]
    images, _ = trajectory.evaluation_set(parameters["split"])
    network = trajectory.network(deep)
    cuts = network.places(parameters.get("cuts", "depths"))

    def predicted(make: "Callable[[str], BlockNetwork]") -> Predictions:
        return np.array([predict(make(cut), images, device=trajectory.device) for cut in cuts])

    def settled(epoch: int) -> Predictions:
        return predicted(lambda cut: composite(trajectory, epoch, deep, cut, batchnorm="recalibrate"))

    def opposite(match: str) -> Predictions:
        return predicted(lambda cut: mirrored(trajectory, shallow, deep, cut, match=match))

    def elsewhere(match: str) -> Predictions:
        return predicted(lambda cut: moved_as_between(trajectory, shallow, deep, cut, period, match=match))

    return {
        "cuts": np.array(cuts),
        "period": np.array(period, np.int64),
        "reference": predict(network, images, device=trajectory.device),
        "composite": settled(shallow),
        "mirrored": opposite("distance"),
        "mirrored_angle": opposite("angle"),
        "other": elsewhere("distance"),
        "other_angle": elsewhere("angle"),
        "before": predicted(lambda cut: reestimated_before(trajectory, deep, cut)),
        "behind": settled(deep),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Directions:
    """Return the view of a record."""
    first, last = arrays["period"].tolist()
    predictions = {name: array for name, array in arrays.items() if name not in ("cuts", "period")}
    return Directions(tuple(arrays["cuts"].tolist()), (first, last), **predictions)


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="composites and their statistics",
    needs=of_statistics,
)
