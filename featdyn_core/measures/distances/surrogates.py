"""Distances between training and held-out features, class by class, and how well a classifier separates them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.measures.distances.discrepancies import energy_distance, mmd, sliced_wasserstein
from featdyn_core.measures.distances.features import classes_at, features_at
from featdyn_core.measures.distances.total_variation import classifier_two_sample
from featdyn_core.seeds import stream_seed

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Arrays = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]


def compared_at(
    trajectory: "Trajectory",
    cut: str,
    drawn: npt.NDArray[np.int64],
    end: int,
    projections: int,
    rng: np.random.Generator,
) -> Arrays:
    """Return the arrays of a comparison at one cut, with classes on the last axis (see ``records.surrogates``).

    A class with too few images in a split is a ``MeasurementError``.

    Args:
        trajectory: source of the checkpoints and of both splits.
        cut: the cut where features are read.
        drawn: epoch of each training image, (N,).
        end: the deep epoch t.
        projections: number of projections of the sliced Wasserstein distance.
        rng: draws the folds of the classifier.
    """
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


def class_accuracy(trajectory: "Trajectory", split: str, end: int, cut: str) -> Floats:
    """Accuracy of ``f_t``, which is ``g_t`` after ``h_t`` at any cut, on each class (C,)."""
    images, labels = trajectory.evaluation_set(split)
    right = classes_at(trajectory, features_at(trajectory, images, end, cut), end, cut) == labels.numpy()
    return np.array([found.mean() for found in _by_class(right, labels.numpy(), trajectory.dataset.classes)])


def _by_class(rows: npt.NDArray[Any], labels: npt.NDArray[np.integer], classes: int) -> list[npt.NDArray[Any]]:
    return [rows[labels == number] for number in range(classes)]


def _distances(pairs: Sequence[tuple[Floats, Floats]], projections: int, directions: int) -> Floats:
    """MMD², sliced Wasserstein and energy distance of each pair of samples, (distances, pairs).

    ``directions`` seeds the directions of the sliced Wasserstein distance. They are the same for every class, so that
    chance does not affect the order of the classes.
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
