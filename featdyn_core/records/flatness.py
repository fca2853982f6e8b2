"""Is the direction in which features drift flat for the classifier (App. C)?

Let ``Δh = h_t(x) − h_s(x)``, and let ``J = ∂g_t/∂h`` be the Jacobian of the deep part's logits at ``h_t(x)``. The
change ``‖J·Δh‖`` along the drift is compared with the change along random directions of equal norm. ``J`` is linear, so
the same unit directions serve every pair of epochs with one t.

**Reading:** random directions are isotropic in the feature space at the cut, or drawn from the covariance of the
features ``h_t`` over the images. Features fill few directions of their space, so a drift within these directions is not
isotropic, flat or not. Changes are changes of the logits, in eval mode. The ratio is a ratio of means over images. For
a random direction its average is 1 for every ``J``, unlike that of a median or a mean of ratios.
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
"""Names of the arrays of a record, which may lack the last two."""

DRIFTS = ("drift", "other", "shuffled")
"""Directions whose changes are stored at the length of the drift."""


@dataclass(frozen=True)
class Options:
    """Options of flatness. The protocol sets the numbers of ``images`` and of random ``directions``.

    Attributes:
        window: the window that ends at t.
        points: number of epochs s, evenly spaced over the window before its end.
        drawn: whether two more sets of ``directions`` are drawn from the features' covariance.
    """

    window: str
    points: int
    drawn: bool = False


@dataclass(frozen=True, eq=False)
class Flatness:
    """First-order changes of the logits of N images by the drift of their features from several s to one t.

    Attributes:
        cuts: the paper's depths.
        epochs: S epochs s.
        drift: ``‖J·Δh‖``, (cuts, S, N).
        other: ``‖J·Δh'‖`` along the drift of another image, at the norm of ``Δh``, (cuts, S, N).
        shuffled: ``‖J·Δh*‖``, (cuts, S, N); ``Δh*`` has the coordinates of ``Δh`` in random order, with random signs.
        moved: ``‖Δh‖``, (cuts, S, N).
        random: mean of ``‖J·u‖`` over random unit directions u, (cuts, N).
        drawn: the same over unit directions drawn from the features' covariance, (cuts, N); None if none were drawn.
        redrawn: the same over a second set of drawn directions.

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
            MeasurementError: the record has no directions drawn from the features.
        """
        found: Floats | None = getattr(self, along)
        if found is None:
            raise MeasurementError("no directions were drawn from the features; ask for flatness with drawn = true")
        return found if along in DRIFTS else self.moved * found[:, None]

    def ratio(self, along: str, over: str = "random") -> Floats:
        """Mean change along some directions, divided by that along others of equal norm (see ``changes``), (cuts, S).

        Raises:
            MeasurementError: the features do not move, or the logits do not depend on them.
        """
        others = self.changes(over).mean(axis=-1)
        if not others.all():
            raise MeasurementError(
                "there is no drift to compare: the features do not move, or the logits do not depend on them"
            )
        return self.changes(along).mean(axis=-1) / others

    @property
    def halves(self) -> tuple["Flatness", "Flatness"]:
        """Two views of half the images each: the first, third, …, and the second, fourth, ….

        In both halves the drawn directions come from the covariance over all images.
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
        """Return changes, in units of the change along directions drawn from the features.

        Args:
            epochs: S epochs s.
            drift: change along the image's own drift and another image's, for all depths or for each (depths,).
            isotropic: change along shuffled drift and isotropic directions.
            redrawn: change along the second drawn set, for all depths or for each (depths,).
            apart: change along the drift for every second image, divided by that for the other images.
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
    """Return the parameters for each split."""
    *before, deep = scope.epochs(options.window)
    common = {**scope.counts("images", "directions"), "shallow": evenly(before, options.points), "deep": deep}
    if options.drawn:
        common["drawn"] = True
    return {split: {**common, "split": split} for split in SPLITS}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Differentiate the deep part of epoch ``deep`` along the drift of the features since each of ``shallow`` epochs.

    The images come from a ``split``; ``directions`` is the number of random directions. With ``drawn``, two more sets
    of as many are drawn from the features' covariance.
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
    """Return the view of a record."""
    found = {name: arrays[name].astype(np.float64) for name in NAMES if name in arrays}
    return Flatness(tuple(arrays["cuts"].tolist()), tuple(parameters["shallow"]), **found)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read)
