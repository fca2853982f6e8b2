"""Does the noise of single updates point where the features move next?

Let ``A`` be a few leading axes of the changes of ``h_t(x)`` by single updates. Let ``δ = h_t'(x) − h_t(x)`` be the
drift to the next checkpoint t'. The share ``‖Aᵀδ‖² / ‖δ‖²`` is compared with the share that random axes hold of the
same drift. There are as many random axes: orthonormalised draws from the normal law with the covariance of ``h_t`` over
images.

**Reading:** t' is the checkpoint after t, so t is never the last checkpoint of a training. In a window that ends with
that checkpoint, the last t is the checkpoint before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_choice, check_splits, evenly, of_steps
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]

RATIOS = ("drift", "other", "redrawn", "drawn")


@dataclass(frozen=True)
class Options:
    """Options of alignment. The protocol sets ``updates``, ``samples``, ``axes`` and ``draws``.

    Attributes:
        window: the window over which the epochs are evenly spaced.
        points: number of epochs.
        split: the split of images to measure.
    """

    window: str
    points: int = 2
    split: str = "held-out"


@dataclass(frozen=True, eq=False)
class Alignment:
    """Shares of the squared drifts of M images at E epochs, each in [0, 1].

    Attributes:
        epochs: E epochs t.
        drift: share of an image's drift along the axes of its own noise, (E, M).
        other: share of another image's drift along these axes, (E, M).
        random: share of an image's drift along random axes, mean over draws, (E, M).
        redrawn: the same along a second set of random axes, (E, M).
        drawn: share along the axes of an image's noise, mean over drifts drawn from the features' covariance, (E, M).
        drawn_random: share along random axes, mean over these drifts, (E,).

    Examples:
        >>> Alignment.planted([0, 10], [[0.4, 0.4], [0.6, 0.6]]).ratio().round(4).tolist()
        [2.0, 3.0]
    """

    epochs: tuple[int, ...]
    drift: Floats
    other: Floats
    random: Floats
    redrawn: Floats
    drawn: Floats
    drawn_random: Floats

    def ratio(self, of: str = "drift") -> Floats:
        """Return the mean share over images, divided by the mean share along random axes, (E,).

        An unknown name is a ``RecipeError``.

        Args:
            of: ``drift``; ``other`` for another image's drift; ``redrawn`` for random axes in place of the axes of the
                noise, a ratio that differs from 1 by chance only; or ``drawn`` for drifts drawn from the covariance, a
                ratio that is 1 only if the noise has that covariance.

        Raises:
            MeasurementError: random axes hold none of the drift.
        """
        check_choice("of", of, RATIOS)
        random = self.drawn_random if of == "drawn" else self.random.mean(axis=-1)
        if not random.all():
            raise MeasurementError("random axes hold none of the drift, so the ratio is undefined")
        return np.asarray(getattr(self, of).mean(axis=-1) / random)

    @classmethod
    def planted(
        cls,
        epochs: Sequence[int],
        drift: npt.ArrayLike,
        *,
        random: npt.ArrayLike = 0.2,
        other: npt.ArrayLike = 0.2,
        redrawn: npt.ArrayLike = 0.2,
        drawn: npt.ArrayLike = 0.2,
    ) -> "Alignment":
        """Return the given shares; ``drift`` is (E, M), and the others broadcast to that shape."""
        shape = np.shape(drift)
        own, others, at_random, again, by_law = (
            np.broadcast_to(np.asarray(one, float), shape) for one in (drift, other, random, redrawn, drawn)
        )
        return cls(tuple(epochs), own, others, at_random, again, by_law, at_random.mean(axis=-1))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part.

    Raises:
        RecipeError: no checkpoint follows one of the window, or ``Scope`` refuses the options.
    """
    check_splits(options.split)
    followed = [epoch for epoch in scope.epochs(options.window) if epoch < scope.checkpoints[-1]]
    if not followed:
        raise RecipeError(f"no checkpoint of {scope.recipe.name} follows one of the window {options.window!r}")
    epochs = evenly(followed, options.points)
    later = [min(other for other in scope.checkpoints if other > epoch) for epoch in epochs]
    counts = scope.counts("updates", "samples", "axes", "draws")
    return {"": {**counts, "epochs": epochs, "later": later, "split": options.split, "images": scope.images}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Repeat single updates at each of ``epochs`` and follow the features of the first ``samples`` to ``later`` ones.

    The covariance is over all images of the ``split``; each of ``axes``, ``updates`` and ``draws`` is a number.
    """
    from featdyn_core.measures.one_step.alignment import noise_and_drift

    rng = numpy_generator(trajectory.seed, "measure", "alignment")
    options = {name: parameters[name] for name in ("split", "samples", "updates", "axes", "draws")}
    found = [
        noise_and_drift(trajectory, epoch=epoch, later=later, rng=rng, **options)
        for epoch, later in zip(parameters["epochs"], parameters["later"], strict=True)
    ]
    return {name: np.array([one[name] for one in found], np.float32) for name in found[0]}


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Alignment:
    """Return the view of a record."""
    return Alignment(tuple(parameters["epochs"]), **{name: array.astype(np.float64) for name, array in arrays.items()})


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="axes and shares",
    needs=of_steps,
)
