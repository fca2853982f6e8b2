"""What may stand in for the total variation of theorem 3, class by class, beside the gap that it bounds (section 7).

For a class the theorem compares the law of its held-out features at t with the *augmented* law of its training
features: the mixture of those at every u of a window that ends at t. The paper leaves computable surrogates to future
work. Measured here are the unbiased MMD² over several bandwidths, the sliced Wasserstein and the energy distance, and
the one cheap certified statement, the lower limit of total variation by a held-out classifier.

**Reading:** each training image gives one row, at an epoch u drawn at random: independent draws from the mixture.
Rows of one image at several epochs depend on each other and would bias an unbiased estimate.
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
    """What the register may say of surrogates; ``images``, ``projections`` and ``shuffles`` are the protocol's.

    Attributes:
        window: whose checkpoints training features come from, t its end.
    """

    window: str


@dataclass(frozen=True, eq=False)
class Surrogates:
    """Gaps of C classes, and distances between their training and their held-out features.

    Attributes:
        cuts: the paper's depths.
        gap: (C,) absolute difference of the accuracies of ``f_t`` on held-out and on training images, in [0, 1].
        augmented: name of each of ``DISTANCE_NAMES`` to (cuts, C), from training features at epochs drawn from the
            window.
        plain: the same, from training features at t.
        separated: (cuts, C) point estimate of the total variation that the classifier sees, in [0, 1].
        certified: (cuts, C) its lower limit, 95 %: total variation is at least this.
        missed: (cuts, C) ``ε_c``: share of training images whose features, at the epoch drawn, ``g_t`` takes for
            another class than ``f_t`` does.
        shuffles: (S, C) orders of the classes, drawn at random.
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
    """Return the parameters of its one part."""
    return {"": {**scope.counts("images", "projections", "shuffles"), "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Compare training and held-out features of every class, at every depth.

    A class with too few images of a split to tell laws apart is a ``MeasurementError``.

    Args:
        trajectory: where the checkpoints and both splits come from.
        parameters: ``epochs`` of the window, the last of them t; ``projections`` of the sliced Wasserstein distance;
            number of ``shuffles``.
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
    """Return what a record holds."""
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
