"""Is the direction in which features drift flat for the classifier (App. C)?

With ``Δh = h_t(x) − h_s(x)`` and the Jacobian ``J = ∂g_t/∂h`` of the deep part's logits at ``h_t(x)``, the change
``‖J·Δh‖`` along the drift is compared with that along random directions of equal norm. ``J`` is linear, so that unit
directions serve every pair of epochs with one t.

**Reading:** random directions are isotropic in the feature space at the cut, or drawn from the covariance of the
features ``h_t`` over the images: features fill few directions of their space, and a drift that stays among them is no
isotropic direction, flat or not. Changes are those of the logits, in eval mode. The ratio is that of the means over
images, which is 1 on average for a random direction whatever ``J``; a median or a mean of ratios is not.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import MeasurementError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, evenly
from featdyn_core.records.planting import DEPTHS, IMAGES

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]

NAMES = ("drift", "other", "shuffled", "moved", "random", "drawn", "redrawn")
"""Of the arrays of a record, the last two of which it may lack."""

DRIFTS = ("drift", "other", "shuffled")
"""Directions that have a length of their own, that of the drift."""


@dataclass(frozen=True)
class Options:
    """What the register may say of flatness; ``images`` and random ``directions`` are the protocol's.

    Attributes:
        window: whose end is t.
        points: number of epochs s, evenly spaced over the window before its end.
        drawn: whether directions are drawn from the features' covariance too: two sets of ``directions``.
    """

    window: str
    points: int
    drawn: bool = False


@dataclass(frozen=True, eq=False)
class Flatness:
    """Changes of the logits, to first order, of N images by the drift of features from several s to one t.

    Attributes:
        cuts: the paper's depths.
        epochs: S epochs s.
        drift: ``‖J·Δh‖``, (cuts, S, N).
        other: ``‖J·Δh'‖`` along the drift of another image, at the norm of ``Δh``, (cuts, S, N).
        shuffled: ``‖J·Δh*‖``, (cuts, S, N), ``Δh*`` having the coordinates of ``Δh`` in random order and signs.
        moved: ``‖Δh‖``, (cuts, S, N).
        random: mean of ``‖J·u‖`` over random unit directions u, (cuts, N).
        drawn: the same over unit directions drawn from the features' covariance, (cuts, N); None if not asked for.
        redrawn: the same over another set of them.

    Examples:
        >>> Flatness.planted([0, 10], 0.5).changes("drift").shape
        (3, 2, 1000)
    """

    cuts: tuple[str, ...]
    epochs: tuple[int, ...]
    drift: Floats
    other: Floats
    shuffled: Floats
    moved: Floats
    random: Floats
    drawn: Floats | None = None
    redrawn: Floats | None = None

    def changes(self, along: str) -> Floats:
        """Changes of the logits along directions as long as ``Δh``, (cuts, S, N).

        Args:
            along: ``drift``, ``other``, ``shuffled``, or ``random``, ``drawn``, ``redrawn``.

        Raises:
            MeasurementError: no directions were drawn from the features.
        """
        found: Floats | None = getattr(self, along)
        if found is None:
            raise MeasurementError("no directions were drawn from the features; ask for flatness with drawn = true")
        return found if along in DRIFTS else self.moved * found[:, None]

    def ratio(self, along: str, over: str = "random") -> Floats:
        """Mean change along some directions over that along others of equal norm (see ``changes``), (cuts, S).

        Raises:
            MeasurementError: features stand still, or the logits do not depend on them.
        """
        others = self.changes(over).mean(axis=-1)
        if not others.all():
            raise MeasurementError("there is no drift to compare: features stand still, or nothing depends on them")
        return self.changes(along).mean(axis=-1) / others

    @property
    def halves(self) -> tuple["Flatness", "Flatness"]:
        """What was measured of every other image, from the first and from the second on.

        Draws are from the covariance over all images in both.
        """
        numbers = {name: value for name in NAMES if (value := getattr(self, name)) is not None}
        first, second = (
            dataclasses.replace(self, **{name: value[..., start::2] for name, value in numbers.items()})
            for start in range(2)
        )
        return first, second

    @classmethod
    def planted(
        cls,
        epochs: Sequence[int],
        drift: npt.ArrayLike,
        *,
        isotropic: float = 1.0,
        redrawn: npt.ArrayLike = 1.0,
        apart: float = 1.0,
    ) -> "Flatness":
        """Return changes in those along directions drawn from the features.

        Args:
            epochs: S epochs s.
            drift: change along the drift, its own or another image's, for all or for each depth (depths,).
            isotropic: change along shuffled drift and isotropic directions.
            redrawn: change along the second set drawn, for all or for each depth (depths,).
            apart: how many times as large the change along the drift is for every second image as for the first.
        """
        pairs, images = (len(DEPTHS), len(epochs), IMAGES), (len(DEPTHS), IMAGES)
        one, again = (np.broadcast_to(value, len(DEPTHS))[:, None] for value in (drift, redrawn))
        along = one[..., None] * np.where(np.arange(IMAGES) % 2, apart, 1.0)
        return cls(
            DEPTHS,
            tuple(epochs),
            drift=np.broadcast_to(along, pairs),
            other=np.broadcast_to(along, pairs),
            shuffled=np.full(pairs, isotropic),
            moved=np.ones(pairs),
            random=np.full(images, isotropic),
            drawn=np.ones(images),
            redrawn=np.broadcast_to(again, images),
        )


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of each split."""
    *before, deep = scope.epochs(options.window)
    common = {**scope.counts("images", "directions"), "shallow": evenly(before, options.points), "deep": deep}
    if options.drawn:
        common["drawn"] = True
    return {split: {**common, "split": split} for split in SPLITS}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Differentiate the deep part of epoch ``deep`` along the drift of the features since each of ``shallow`` epochs.

    Images are those of a ``split``, and random ``directions`` so many; with ``drawn``, two sets of as many are drawn
    from the features' covariance.
    """
    from featdyn_core.measures.drift.directional import changes_along, changes_among_features

    options = {name: parameters[name] for name in ("deep", "split", "directions")}
    found = changes_along(trajectory, shallow=parameters["shallow"], **options)
    if "drawn" in parameters:
        found |= changes_among_features(trajectory, **options)
    return {name: array.astype(np.float32) for name, array in found.items()} | {
        "cuts": np.array(trajectory.network(parameters["deep"]).depths)
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Flatness:
    """Return what a record holds."""
    found = {name: arrays[name].astype(np.float64) for name in NAMES if name in arrays}
    return Flatness(tuple(arrays["cuts"].tolist()), tuple(parameters["shallow"]), **found)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read)
