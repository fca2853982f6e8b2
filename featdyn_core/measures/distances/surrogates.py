"""What may stand in for the total variation of theorem 3, class by class, beside the gap that it bounds (section 7).

For a class the theorem compares the law of its held-out features at t with the *augmented* law of its training
features: the mixture of those at every u of a window that ends at t. The paper leaves computable surrogates to future
work. Measured here are the unbiased MMD² over several bandwidths, the sliced Wasserstein and the energy distance, and
the one cheap certified statement, the lower limit of total variation by a held-out classifier.

**Reading:** each training image gives one row, at an epoch u drawn at random: independent draws from the mixture.
Rows of one image at several epochs depend on each other and would bias an unbiased estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.measures.distances.discrepancies import energy_distance, mmd, sliced_wasserstein
from featdyn_core.measures.distances.total_variation import classifier_two_sample
from featdyn_core.seeds import numpy_generator, stream_seed

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Arrays = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]

DISTANCES = ("MMD²", "sliced Wasserstein", "energy distance")


@dataclass(frozen=True, eq=False)
class Surrogates:
    """Gaps of C classes, and distances between their training and their held-out features.

    Attributes:
        cuts: the paper's depths.
        gap: (C,) absolute difference of the accuracies of ``f_t`` on held-out and on training images, in [0, 1].
        augmented: name of each of ``DISTANCES`` to (cuts, C), from training features at epochs drawn from the window.
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


def measure_surrogates(trajectory: "Trajectory", parameters: Mapping[str, Any]) -> Arrays:
    """Compare training and held-out features of every class, at every depth.

    Args:
        trajectory: where the checkpoints and both splits come from.
        parameters: ``epochs`` of the window, the last of them t; ``projections`` of the sliced Wasserstein distance;
            number of ``shuffles``.

    Raises:
        MeasurementError: a class with too few images of a split to tell laws apart.
    """
    epochs, classes = list(parameters["epochs"]), trajectory.dataset.classes
    cuts = trajectory.network(epochs[-1]).depths
    rng = numpy_generator(trajectory.seed, "measure", "surrogates", epochs[-1])
    drawn = rng.choice(epochs, len(trajectory.evaluation_set("training")[0]))
    found = [_at_cut(trajectory, cut, drawn, epochs[-1], parameters["projections"], rng) for cut in cuts]
    return {
        "cuts": np.array(cuts),
        "accuracy": np.array([_accuracy(trajectory, split, epochs[-1], cuts[-1]) for split in SPLITS]),
        "shuffles": rng.permuted(np.tile(np.arange(classes, dtype=np.uint16), (parameters["shuffles"], 1)), axis=1),
        **{name: np.array([part[name] for part in found]) for name in found[0]},
    }


def read_surrogates(arrays: Mapping[str, npt.NDArray[Any]], _: Mapping[str, Any]) -> Surrogates:
    """Return what a record holds."""
    held_out, training = arrays["accuracy"]

    def by_name(sample: str) -> dict[str, Floats]:
        return dict(zip(DISTANCES, np.moveaxis(arrays[sample], 1, 0), strict=True))

    return Surrogates(
        cuts=tuple(arrays["cuts"].tolist()),
        gap=np.abs(held_out - training),
        augmented=by_name("augmented"),
        plain=by_name("plain"),
        **{name: arrays[name] for name in ("separated", "certified", "missed", "shuffles")},
    )


def _at_cut(
    trajectory: "Trajectory",
    cut: str,
    drawn: npt.NDArray[np.int64],
    end: int,
    projections: int,
    rng: np.random.Generator,
) -> Arrays:
    """Return what is compared at one cut, each with the classes last."""
    from featdyn_core.measures.distances.features import classes_at, features_at  # they import torch

    (held_out, labels), (training, known) = map(trajectory.evaluation_set, SPLITS)
    classes = trajectory.dataset.classes
    augmented, plain = (features_at(trajectory, training, epochs, cut) for epochs in (drawn, end))
    there = _by_class(features_at(trajectory, held_out, end, cut).flatten(1).numpy(), labels.numpy(), classes)
    missed = classes_at(trajectory, augmented, end, cut) != classes_at(trajectory, plain, end, cut)
    pairs, at_end = (
        list(zip(_by_class(rows.flatten(1).numpy(), known.numpy(), classes), there, strict=True))
        for rows in (augmented, plain)
    )
    tests = [classifier_two_sample(x, y, rng=rng) for x, y in pairs]
    directions = stream_seed(trajectory.seed, "measure", "directions", cut)
    return {
        "augmented": _distances(pairs, projections, directions),
        "plain": _distances(at_end, projections, directions),
        "separated": np.array([test.tv_estimate for test in tests]),
        "certified": np.array([test.tv_lower_bound for test in tests]),
        "missed": np.array([found.mean() for found in _by_class(missed, known.numpy(), classes)]),
    }


def _accuracy(trajectory: "Trajectory", split: str, end: int, cut: str) -> Floats:
    """Accuracy of ``f_t``, which is ``g_t`` after ``h_t`` at any cut, on each class (C,)."""
    from featdyn_core.measures.distances.features import classes_at, features_at  # they import torch

    images, labels = trajectory.evaluation_set(split)
    right = classes_at(trajectory, features_at(trajectory, images, end, cut), end, cut) == labels.numpy()
    return np.array([found.mean() for found in _by_class(right, labels.numpy(), trajectory.dataset.classes)])


def _by_class(rows: npt.NDArray[Any], labels: npt.NDArray[np.integer], classes: int) -> list[npt.NDArray[Any]]:
    return [rows[labels == number] for number in range(classes)]


def _distances(pairs: Sequence[tuple[Floats, Floats]], projections: int, directions: int) -> Floats:
    """Each of ``DISTANCES`` of each pair of samples, (distances, pairs).

    ``directions`` seeds those of the sliced Wasserstein distance: the same for every class, so that chance does not
    order them.
    """
    return np.array(
        [
            [mmd(x, y).statistic for x, y in pairs],
            [
                sliced_wasserstein(x, y, projections=projections, rng=np.random.default_rng(directions))
                for x, y in pairs
            ],
            [energy_distance(x, y) for x, y in pairs],
        ]
    )
