"""Is memory only closeness? A past shallow part against random ones at equal distance (sections 1, 4.2, 6).

The composite ``(s, t)`` is compared with displaced networks: ``f_t`` with its shallow part moved in a random direction,
as far as ``θ_s`` lies from ``θ_t``. One displacement has equal norm and angle (``angle``), the other equal distance
only (``distance``). Most of that distance comes from weight decay, which shrinks the weights, and batch normalisation
cancels the shrinking. Normalisation statistics are re-estimated after the cut in the composite, and before the cut in
the displaced network, so stale statistics explain neither result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, cuts_of, of_statistics
from featdyn_core.records.planting import DEPTHS, LABELS, classified
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Predictions = npt.NDArray[np.integer]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """Options of closeness. The protocol sets the number of displacements, ``draws``.

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
class Closeness:
    """Predictions of real and displaced composites of one pair of epochs.

    Attributes:
        cuts: the paper's depths.
        reference: predictions (N,) of ``f_t``.
        recalibrated: predictions (cuts, N) of the composite with re-estimated statistics of the deep part.
        angle: predictions (cuts, draws, N) of networks displaced by equal norm and angle.
        distance: predictions (cuts, draws, N) of networks displaced by equal distance.
        moved: distance of the shallow part's parameters over their norm at t, and their angle in radians, (cuts, 2).
        planted: the same for a planted network, whose real direction is harmless by construction. It is None inside
            that planted view itself.

    Examples:
        >>> Closeness.planted_gain(0.1).gained("distance").round(4).tolist()
        [0.1, 0.1, 0.1]
    """

    cuts: tuple[str, ...]
    reference: Predictions
    recalibrated: Predictions
    angle: Predictions
    distance: Predictions
    moved: Shares
    planted: "Closeness | None" = None

    def agreement(self, name: str) -> Shares:
        """Agreement with ``f_t``, (cuts,), of ``recalibrated``, ``angle`` or ``distance``."""
        found = getattr(self, name) == self.reference
        return found.reshape(len(self.cuts), -1).mean(axis=1)

    def gained(self, match: str) -> Shares:
        """What the real direction adds, (cuts,): agreement recalibrated minus that displaced by ``match``."""
        return self.agreement("recalibrated") - self.agreement(match)

    @classmethod
    def planted_gain(cls, gained: npt.ArrayLike, *, known: npt.ArrayLike = 0.5) -> "Closeness":
        """Return a comparison in which the real direction adds ``gained`` to an agreement of 0.5.

        Args:
            gained: one for all depths, or (depths,).
            known: what it adds in the network of which it is known, likewise.
        """

        def compared(difference: npt.ArrayLike, inner: "Closeness | None" = None) -> "Closeness":
            shares = 0.5 + np.broadcast_to(difference, len(DEPTHS)), np.full(len(DEPTHS), 0.5)
            here, other = map(classified, shares)
            moved = np.tile([0.5, 0.5], (len(DEPTHS), 1))
            return cls(DEPTHS, LABELS, here, other[:, None], other[:, None], moved, inner)

        return compared(gained, compared(known))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    epochs, late = scope.epochs(options.window), scope.end(options.window, options.deep)
    early = epochs[0] if late == epochs[-1] else epochs[-1]
    common = {"images": scope.images, "split": options.split, **scope.counts("draws"), **cuts_of(options.cuts)}
    return {"": {**common, "shallow": early, "deep": late}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Compare the composite of ``shallow`` and ``deep`` with ``draws`` displaced networks each, on a ``split``.

    The same code measures the planted network of ``positive`` too, with the random numbers of this seed.
    """
    from featdyn_core.measures.composites.positive import LAST, planted_drift

    shallow, deep, draws = parameters["shallow"], parameters["deep"], parameters["draws"]
    rng = numpy_generator(trajectory.seed, "measure", "closeness", shallow, deep)
    split, cuts = parameters["split"], parameters.get("cuts", "depths")
    real = _compared(trajectory, shallow, deep, draws, split, cuts, rng)
    planted = _compared(planted_drift(rng), 0, LAST, draws, split, cuts, rng)
    return real | {f"planted_{name}": array for name, array in planted.items()}


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Closeness:
    """Return the view of a record."""
    names = ("reference", "recalibrated", "angle", "distance", "moved")

    def part(prefix: str, planted: Closeness | None = None) -> Closeness:
        fields = {name: arrays[prefix + name] for name in names}
        return Closeness(tuple(arrays[f"{prefix}cuts"].tolist()), **fields, planted=planted)

    return part("", part("planted_"))


def _compared(
    trajectory: "Trajectory", shallow: int, deep: int, draws: int, split: str, which: str, rng: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    from featdyn_core.measures.composites.composite import composite, predict
    from featdyn_core.measures.composites.displacement import MATCHES, displaced, moved

    images, _ = trajectory.evaluation_set(split)
    network = trajectory.network(deep)
    cuts = network.places(which)
    found: dict[str, list[Any]] = {name: [] for name in ("recalibrated", "moved", *MATCHES)}
    for cut in cuts:
        again = composite(trajectory, shallow, deep, cut, batchnorm="recalibrate")
        found["recalibrated"].append(predict(again, images, device=trajectory.device))
        for match in MATCHES:
            networks = [displaced(trajectory, shallow, deep, cut, rng, match=match) for _ in range(draws)]
            found[match].append([predict(item, images, device=trajectory.device) for item in networks])
        found["moved"].append(moved(trajectory, shallow, deep, cut))
    return {
        "cuts": np.array(cuts),
        "reference": predict(network, images, device=trajectory.device),
        **{name: np.array(parts) for name, parts in found.items()},
    }


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="composites, displacements and their statistics",
    needs=of_statistics,
)
