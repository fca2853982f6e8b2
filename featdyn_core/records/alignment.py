"""Does the noise of single updates point where features go next?

With a few leading axes ``A`` of the changes of ``h_t(x)`` by single updates, and the drift ``δ = h_t'(x) − h_t(x)`` to
the next checkpoint t', the share ``‖Aᵀδ‖² / ‖δ‖²`` is compared with what random axes hold of the same drift: as many
orthonormalised draws from the normal law with the covariance of ``h_t`` over images.

**Reading:** t' is the checkpoint after t, so the last checkpoint of a training is no t. In a window that ends with it,
the last t is the one before.
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
    """What the register may say of alignment; ``updates``, ``samples``, ``axes`` and ``draws`` are the protocol's.

    Attributes:
        window: over which epochs are evenly spaced.
        points: number of epochs.
        split: of the images.
    """

    window: str
    points: int = 2
    split: str = "held-out"


@dataclass(frozen=True, eq=False)
class Alignment:
    """Shares of squared drifts of M images at E epochs, each in [0, 1].

    Attributes:
        epochs: E epochs t.
        drift: of an image's drift along the axes of its noise, (E, M).
        other: of another image's drift along them, (E, M).
        random: of an image's drift along random axes, mean over draws, (E, M).
        redrawn: the same along other draws of random axes, (E, M).
        drawn: along the axes of an image's noise, mean over drifts drawn from the covariance of the features, (E, M).
        drawn_random: along random axes, mean over these drifts, (E,).

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
        """Return the mean share over images, over that along random axes, (E,).

        A ``RecipeError`` says that there is no such share.

        Args:
            of: ``drift``; ``other``, another image's drift; ``redrawn``, random axes in place of the noise's, which is
                1 but for the draws; or ``drawn``, drifts drawn from the covariance, which is 1 only if the noise shares
                that covariance.

        Raises:
            MeasurementError: random axes hold nothing.
        """
        check_choice("of", of, RATIOS)
        random = self.drawn_random if of == "drawn" else self.random.mean(axis=-1)
        if not random.all():
            raise MeasurementError("random axes hold nothing of the drift: there is no ratio")
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
        """Return shares as given; ``drift`` is (E, M), the others broadcast to that."""
        shape = np.shape(drift)
        own, others, at_random, again, by_law = (
            np.broadcast_to(np.asarray(one, float), shape) for one in (drift, other, random, redrawn, drawn)
        )
        return cls(tuple(epochs), own, others, at_random, again, by_law, at_random.mean(axis=-1))


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part.

    Raises:
        RecipeError: the window has no checkpoint that another follows, or what ``Scope`` refuses.
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
    """Return what a record holds."""
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
