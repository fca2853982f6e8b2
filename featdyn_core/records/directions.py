"""Directions that training took elsewhere: rivals of the real drift that are as far away and not random (section 6).

``closeness`` compares a shallow half of the past with random displacements. Here that of ``f_t`` is moved as far along
two lines that training itself drew: its drift mirrored at ``θ_t``, and the drift of another period; each by equal
distance, and by equal norm and angle as well. Statistics of normalisation are re-estimated in all of them; what that
alone does to ``f_t`` is measured before and behind each cut.

**Reading:** the other period is the one before the window, as long as the window where training has so much before it,
else from its first checkpoint on. So the two never overlap; the distance is that of the window in any case.
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
    """What the register may say of directions.

    Attributes:
        window: whose two ends are compared.
        deep: which of them is t, ``first`` or ``last``.
        split: of the images.
        cuts: ``depths``, the paper's, or ``all``.
    """

    window: str
    deep: str = "last"
    split: str = "held-out"
    cuts: str = "depths"


@dataclass(frozen=True, eq=False)
class Directions:
    """Predictions of ``f_t`` with its shallow half moved, and of ``f_t`` re-estimated.

    Attributes:
        cuts: the paper's depths.
        period: the epochs u and v of the other period, whose drift is ``θ_u − θ_v``.
        reference: predictions (N,) of ``f_t``.
        composite: (cuts, N) of the composite (s, t), the statistics of its deep half re-estimated.
        mirrored: (cuts, N) of the shallow half at ``2θ_t − θ_s``, its statistics re-estimated.
        mirrored_angle: (cuts, N), the same with the norm of ``θ_s`` and its angle to ``θ_t``.
        other: (cuts, N) of the shallow half moved along the drift of the other period, its statistics re-estimated.
        other_angle: (cuts, N), the same with the norm of ``θ_s`` and its angle to ``θ_t``.
        before: (cuts, N) of ``f_t``, its statistics before the cut re-estimated, as those of what is moved are.
        behind: (cuts, N) of ``f_t``, its statistics behind the cut re-estimated, as those of the composite are.

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
        """Share of images classified as by ``f_t``, (cuts,), of one of the predictions."""
        return (getattr(self, name) == self.reference).mean(axis=-1)

    def gained(self, name: str) -> npt.NDArray[np.float64]:
        """Agreement of the composite minus that of what was moved, such as ``mirrored``, (cuts,)."""
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
        """Return what agrees with ``f_t`` on given shares of the images, one for all depths or (depths,).

        What is moved by equal norm and angle agrees as what is moved by equal distance.
        """
        shares = composite, mirrored, mirrored, other, other, before, behind
        return cls(DEPTHS, (0, 1), LABELS, *(classified(np.broadcast_to(share, len(DEPTHS))) for share in shares))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part.

    Raises:
        RecipeError: training has no checkpoint before the window.
    """
    check_splits(options.split)
    epochs, late = scope.epochs(options.window), scope.end(options.window, options.deep)
    past = [epoch for epoch in scope.checkpoints if epoch < epochs[0]]
    if not past:
        raise RecipeError(f"window {options.window!r} begins at the first checkpoint: no other period is before it")
    ends = [min(past, key=lambda epoch: abs(epoch - 2 * epochs[0] + epochs[-1])), epochs[0]]
    forwards = late == epochs[0]  # the shallow half is of the later end, so that the other drift runs on as well
    common = {"images": scope.images, "split": options.split, **cuts_of(options.cuts)}
    shallow = epochs[-1] if forwards else epochs[0]
    return {"": {**common, "shallow": shallow, "deep": late, "period": ends[::-1] if forwards else ends}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Move the shallow half of ``deep`` as far as it is from that of ``shallow``, and evaluate on a ``split``."""
    from featdyn_core.measures.composites.composite import composite, predict
    from featdyn_core.measures.composites.displacement import mirrored, moved_as_between, reestimated

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
        "before": predicted(lambda cut: reestimated(trajectory, deep, cut)),
        "behind": settled(deep),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Directions:
    """Return what a record holds."""
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
