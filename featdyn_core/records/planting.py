"""Shared code of planted records: their size, their depths, and exact shares of images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IMAGES = 1000
CLASSES = 10
DEPTHS = ("depth1", "depth2", "depth3")

Shares = npt.ArrayLike
"""Shares of the images, in [0, 1]."""

LABELS = np.arange(IMAGES) % CLASSES
"""Labels (N,) of the planted images."""


def classified(agreement: Shares) -> npt.NDArray[np.int64]:
    """Return predictions (..., N) that equal the label on the first images, up to the given shares (...)."""
    right = np.arange(IMAGES) < np.round(np.asarray(agreement, float) * IMAGES)[..., None]
    return np.where(right, LABELS, (LABELS + 1) % CLASSES)


def composed(
    missed: Shares, astray: Shares = 0, wrong: float = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return predictions (..., N) of composites and (N,) of ``f_t``; shares are clipped to the possible range.

    A composite with a larger share misses all the images that a composite with a smaller share misses.

    Args:
        missed: shares (...) of the images that ``f_t`` gets right and a composite wrong.
        astray: shares (...), up to ``wrong``, that both get wrong in different ways.
        wrong: share of the images that ``f_t`` gets wrong.
    """
    reference, place = classified(1 - wrong), np.arange(IMAGES)
    lost, other = (
        np.round(np.clip(np.asarray(share, float), 0, most) * IMAGES)[..., None]
        for share, most in ((missed, 1), (astray, wrong))
    )
    kept = np.where(place >= IMAGES - other, (LABELS + 2) % CLASSES, reference)
    return np.where(place < lost, (LABELS + 1) % CLASSES, kept), reference


def fading(missed: Shares, epochs: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return missed shares (depths, S) that fall evenly over ascending epochs, from the given ones to 0 at the last.

    Args:
        missed: shares at the first epoch, one for all depths or one for each, (depths,).
        epochs: S epochs.
    """
    left = (epochs[-1] - np.asarray(epochs, float)) / (epochs[-1] - epochs[0])
    return np.broadcast_to(missed, len(DEPTHS))[:, None] * left
