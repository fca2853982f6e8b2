"""A certified lower bound of the total variation between two samples' laws, by a held-out classifier.

Theorem 3 of the paper (App. G) bounds a class's generalization gap by a total variation distance from above,
which no sample of features gives. A classifier bounds it from below: on any decision region, the two laws differ by no
more than their total variation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.distances.discrepancies import IntArray, checked_samples, group_index


@dataclass(frozen=True)
class ClassifierResult:
    """The outcome of ``classifier_two_sample``.

    Attributes:
        balanced_accuracy: mean of the two held-out recalls, in [0, 1]; 1/2 is chance.
        tv_estimate: ``max(0, 2·balanced_accuracy − 1)``, the point estimate of what the classifier separates.
        tv_lower_bound: total variation is at least this, with probability ``confidence``; in [0, 1].
        confidence: confidence of the bound.
        held_out: numbers of scored rows of x and of y.
    """

    balanced_accuracy: float
    tv_estimate: float
    tv_lower_bound: float
    confidence: float
    held_out: tuple[int, int]


def classifier_two_sample(
    x: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> ClassifierResult:
    """Tell two samples apart with a held-out classifier, and certify a lower bound of total variation.

    Logistic regression learns a decision region ``A`` from half of the groups. The other half gives ``TV ≥ P_x(A) −
    P_y(A) = 2·(balanced accuracy) − 1``. The certified bound takes the Clopper-Pearson lower limits of both recalls, at
    ``(1 − confidence) / 2`` each.

    Args:
        x: (n, p) features.
        y: (m, p) features.
        groups: (n + m,) labels of the rows of x, then of y. Rows of one image depend on each other, so the rows of a
            label are either all for learning or all held out. One row for each label and sample, drawn at random, is
            scored, because the limits need independent rows. A label may occur in both samples. Without groups every
            row is a group of its own.
        rng: draws the split and the scored rows.
        confidence: confidence of the bound, in (0, 1).

    Raises:
        MeasurementError: the samples do not match or are not finite, the confidence is outside (0, 1), or a sample has
            too few groups to learn from some and score others.

    References:
        Lopez-Paz and Oquab (2017), ICLR; Clopper and Pearson (1934), Biometrika 26:404.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(50, 2))
        >>> classifier_two_sample(x, x + 9, rng=np.random.default_rng(0)).tv_estimate
        1.0
    """
    # Imported here: scikit-learn is slow to import, and nothing else in the measurements needs it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = checked_samples(x, y)
    if not 0 < confidence < 1:
        raise MeasurementError(f"confidence {confidence} is outside (0, 1); 0.95 is usual")
    rows = np.concatenate([x, y])
    is_x = np.arange(len(rows)) < len(x)
    index = np.arange(len(rows)) if groups is None else group_index(groups, len(rows))
    held_out = _held_out_groups(index, is_x, rng)[index]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    classifier.fit(rows[~held_out], is_x[~held_out])
    recalls, limits, counts = [], [], []
    for sample in (True, False):
        scored = _one_row_a_group(np.flatnonzero(held_out & (is_x == sample)), index, rng)
        hits = int((classifier.predict(rows[scored]) == sample).sum())
        recalls.append(hits / len(scored))
        limits.append(_clopper_pearson_lower(hits, len(scored), (1 - confidence) / 2))
        counts.append(len(scored))
    return ClassifierResult(
        balanced_accuracy=sum(recalls) / 2,
        tv_estimate=max(0.0, sum(recalls) - 1),
        tv_lower_bound=max(0.0, sum(limits) - 1),
        confidence=confidence,
        held_out=(counts[0], counts[1]),
    )


def _held_out_groups(index: IntArray, is_x: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return whether each group is held out, (G,): half of the groups in x only, in y only, and in both.

    Raises:
        MeasurementError: a sample has too few groups to learn from and to score.
    """
    count = index.max() + 1
    in_x = np.bincount(index[is_x], minlength=count) > 0
    in_y = np.bincount(index[~is_x], minlength=count) > 0
    held_out = np.zeros(count, dtype=bool)
    for kind in (in_x & ~in_y, in_y & ~in_x, in_x & in_y):
        members = rng.permutation(np.flatnonzero(kind))
        held_out[members[: len(members) // 2]] = True
    for name, present in (("x", in_x), ("y", in_y)):
        if not (held_out & present).any() or not (~held_out & present).any():
            raise MeasurementError(f"{name} has {present.sum()} groups, too few to learn from and to score")
    return held_out


def _one_row_a_group(candidates: IntArray, index: IntArray, rng: np.random.Generator) -> IntArray:
    """Return one row of each group among the candidate rows, drawn uniformly within the group."""
    shuffled = rng.permutation(candidates)
    return shuffled[np.unique(index[shuffled], return_index=True)[1]]


def _clopper_pearson_lower(hits: int, trials: int, level: float) -> float:
    """Return the lower limit of a success probability that is too high with probability at most level."""
    return float(stats.beta.ppf(level, hits, trials - hits + 1)) if hits else 0.0
