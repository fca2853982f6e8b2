"""Is the direction in which features drift flat for the classifier (App. C)?

With ``Δh = h_t(x) − h_s(x)`` and the Jacobian ``J = ∂g_t/∂h`` of the deep part's logits at ``h_t(x)``, the change
``‖J·Δh‖`` along the drift is compared with that along random directions of equal norm. ``J`` is linear, so that unit
directions serve every pair of epochs with one t.

**Reading:** random directions are isotropic in the feature space at the cut, and changes are those of the logits, in
eval mode. The ratio is that of the means over images, which is 1 on average for a random direction whatever ``J``; a
median or a mean of ratios is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import MeasurementError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, evenly

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """What the register may say of flatness; ``images`` and random ``directions`` are the protocol's.

    Attributes:
        window: whose end is t.
        points: number of epochs s, evenly spaced over the window before its end.
    """

    window: str
    points: int


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
    """

    cuts: tuple[str, ...]
    epochs: tuple[int, ...]
    drift: Floats
    other: Floats
    shuffled: Floats
    moved: Floats
    random: Floats

    def ratio(self, along: str) -> Floats:
        """Mean change along ``drift``, ``other`` or ``shuffled`` over that along random directions, (cuts, S).

        Raises:
            MeasurementError: features stand still, or the logits do not depend on them.
        """
        random = (self.moved * self.random[:, None]).mean(axis=-1)
        if not random.all():
            raise MeasurementError("there is no drift to compare: features stand still, or nothing depends on them")
        return getattr(self, along).mean(axis=-1) / random


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of each split."""
    *before, deep = scope.epochs(options.window)
    common = {**scope.counts("images", "directions"), "shallow": evenly(before, options.points), "deep": deep}
    return {split: {**common, "split": split} for split in SPLITS}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Differentiate the deep part of epoch ``deep`` along the drift of the features since each of ``shallow`` epochs.

    Images are those of a ``split``, and random ``directions`` so many.
    """
    from featdyn_core.measures.drift.directional import changes_along

    found = changes_along(trajectory, **{name: parameters[name] for name in ("shallow", "deep", "split", "directions")})
    return {name: array.astype(np.float32) for name, array in found.items()} | {
        "cuts": np.array(trajectory.network(parameters["deep"]).depths)
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Flatness:
    """Return what a record holds."""
    names = ("drift", "other", "shuffled", "moved", "random")
    found = {name: arrays[name].astype(np.float64) for name in names}
    return Flatness(tuple(arrays["cuts"].tolist()), tuple(parameters["shallow"]), **found)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read)
