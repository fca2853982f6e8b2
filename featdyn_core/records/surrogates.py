"""Surrogates for the total variation of theorem 3, class by class, and the gap that it bounds (section 7).

For each class, the theorem compares two laws. One is the law of the held-out features at t. The other is the
*augmented* law of the training features: their mixture over the epochs u of a window that ends at t. The paper leaves
computable surrogates to future work. This kind measures the unbiased MMD² over several bandwidths, the sliced
Wasserstein distance and the energy distance. It also measures a cheap certified number, a lower limit of the total
variation from a held-out classifier.

**Reading:** each training image gives one row, at an epoch u drawn at random, so rows are independent draws from the
mixture. Rows of one image at several epochs depend on each other, and would bias an unbiased estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]

DISTANCE_NAMES = ("MMD²", "sliced Wasserstein", "energy distance")


@dataclass(frozen=True)
class Options:
    """Options of surrogates. The protocol sets ``images``, ``projections`` and ``shuffles``.

    Attributes:
        window: the window whose checkpoints give the training features; t is its end.
    """

    window: str


@dataclass(frozen=True, eq=False)
class Surrogates:
    """Gaps of C classes, and distances between their training and their held-out features.

    Attributes:
        cuts: the paper's depths.
        gap: absolute difference of the accuracies of ``f_t`` on held-out and on training images, in [0, 1], (C,).
        augmented: distances (cuts, C) for each name in ``DISTANCE_NAMES``, with training features at epochs drawn from
            the window.
        plain: the same, with training features at t.
        separated: point estimate of the total variation that the classifier sees, in [0, 1], (cuts, C).
        certified: lower limit of the total variation with 95 % confidence, (cuts, C).
        missed: ``ε_c``, (cuts, C): share of training images for which ``g_t``, on the features at the drawn epoch,
            predicts another class than ``f_t``.
        shuffles: random orders of the classes, (S, C).
    """

    cuts: tuple[str, ...]
    gap: Floats
    augmented: dict[str, Floats]
    plain: dict[str, Floats]
    separated: Floats
    certified: Floats
    missed: Floats
    shuffles: npt.NDArray[np.integer]


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    return {"": {**scope.counts("images", "projections", "shuffles"), "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Compare training and held-out features of every class, at every depth.

    A class with too few images in a split is a ``MeasurementError``.

    Args:
        trajectory: source of the checkpoints and of both splits.
        parameters: ``epochs`` of the window, of which t is the last; the number of ``projections`` of the sliced
            Wasserstein distance; the number of ``shuffles``.
    """
    from featdyn_core.measures.distances.surrogates import class_accuracy, compared_at

    epochs, classes = list(parameters["epochs"]), trajectory.dataset.classes
    cuts = trajectory.network(epochs[-1]).depths
    rng = numpy_generator(trajectory.seed, "measure", "surrogates", epochs[-1])
    drawn = rng.choice(epochs, len(trajectory.evaluation_set("training")[0]))
    found = [compared_at(trajectory, cut, drawn, epochs[-1], parameters["projections"], rng) for cut in cuts]
    return {
        "cuts": np.array(cuts),
        "accuracy": np.array([class_accuracy(trajectory, split, epochs[-1], cuts[-1]) for split in SPLITS]),
        "shuffles": rng.permuted(np.tile(np.arange(classes, dtype=np.uint16), (parameters["shuffles"], 1)), axis=1),
        **{name: np.array([part[name] for part in found]) for name in found[0]},
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], _: Parameters) -> Surrogates:
    """Return the view of a record."""
    held_out, training = arrays["accuracy"]

    def by_name(sample: str) -> dict[str, Floats]:
        return dict(zip(DISTANCE_NAMES, np.moveaxis(arrays[sample], 1, 0), strict=True))

    return Surrogates(
        cuts=tuple(arrays["cuts"].tolist()),
        gap=np.abs(held_out - training),
        augmented=by_name("augmented"),
        plain=by_name("plain"),
        **{name: arrays[name] for name in ("separated", "certified", "missed", "shuffles")},
    )


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu="distances")
