"""Label noise and its control: labels drawn again, and renamed classes.

Labels drawn again carry no information about their images. Renamed classes carry all of it. A measurement that reacts
to the first and not to the second reacts to the loss of structure, not to the change of numbers.
"""

import numpy as np
import torch

from featdyn_core.errors import DataError


def randomize_labels(labels: torch.Tensor, fraction: float, classes: int, rng: np.random.Generator) -> torch.Tensor:
    """Return labels with a fraction drawn again, uniformly over all classes.

    Exactly ``round(fraction * N)`` positions (a half goes to the even integer) are chosen without
    replacement. A label drawn again equals the old one with probability ``1 / classes``, so about ``fraction * (1
    - 1 / classes)`` of the labels end up wrong. This is the random-label setting of Zhang et al.,
    "Understanding deep learning requires rethinking generalization" (2017), section 2.1, with a fixed instead of a
    random number of positions.

    Args:
        labels: ``(N,)`` int64, each in ``0 … classes - 1``; not changed.
        fraction: share of the positions that are drawn again, in [0, 1].
        classes: number of classes, at least 1.
        rng: decides first the positions, then their labels.

    Returns:
        ``(N,)`` int64, on the device of ``labels``.

    Raises:
        DataError: the fraction is outside [0, 1], or the labels are not as above.

    Examples:
        >>> labels = torch.zeros(100, dtype=torch.int64)
        >>> noisy = randomize_labels(labels, 0.5, 10, np.random.default_rng(0))
        >>> bool(0 < (noisy != labels).sum() <= 50)
        True
    """
    _check(labels, classes)
    if not 0.0 <= fraction <= 1.0:
        raise DataError(f"label noise fraction {fraction} is outside [0, 1]; it is a share of the labels")
    count = round(fraction * len(labels))
    positions = torch.from_numpy(rng.choice(len(labels), size=count, replace=False))
    drawn = torch.from_numpy(rng.integers(classes, size=count))
    noisy = labels.clone()
    noisy[positions.to(labels.device)] = drawn.to(labels.device)
    return noisy


def permute_labels(labels: torch.Tensor, classes: int, rng: np.random.Generator) -> torch.Tensor:
    """Return labels with renamed classes: every class gets the number of another class, the same for all its images.

    The renaming is uniform over the permutations without a fixed point (derangements), so no class keeps its number.

    Args:
        labels: ``(N,)`` int64, each in ``0 … classes - 1``; not changed.
        classes: number of classes, at least 2.
        rng: decides the renaming.

    Returns:
        ``(N,)`` int64, on the device of ``labels``.

    Raises:
        DataError: there are fewer than two classes, or the labels are not as above.

    Examples:
        >>> permute_labels(torch.tensor([0, 0, 1]), 2, np.random.default_rng(0)).tolist()
        [1, 1, 0]
    """
    _check(labels, classes)
    if classes < 2:
        raise DataError(f"{classes} class cannot be renamed; a renaming needs at least 2 classes")
    renamed = rng.permutation(classes)
    # Rejection keeps the draw uniform; a permutation has no fixed point with probability near 1/e.
    while (renamed == np.arange(classes)).any():
        renamed = rng.permutation(classes)
    return torch.from_numpy(renamed).to(labels.device)[labels]


def _check(labels: torch.Tensor, classes: int) -> None:
    """Refuse labels that are not a non-empty int64 vector over ``0 … classes - 1``.

    Raises:
        DataError: describes the labels.
    """
    if labels.ndim != 1 or labels.dtype != torch.int64 or len(labels) == 0:
        raise DataError(
            f"labels of shape {tuple(labels.shape)} and type {labels.dtype}; "
            "they must be a non-empty vector of torch.int64"
        )
    if classes < 1:
        raise DataError(f"{classes} classes; there must be at least 1")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(f"labels run from {low} to {high}; {classes} classes are numbered 0 to {classes - 1}")
