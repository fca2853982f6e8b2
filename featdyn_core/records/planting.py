"""What planted records have in common: their size, their depths, and shares of images that come out exactly."""

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
    """Return predictions (..., N) that are the label on given shares (...) of the images, the first ones."""
    right = np.arange(IMAGES) < np.round(np.asarray(agreement, float) * IMAGES)[..., None]
    return np.where(right, LABELS, (LABELS + 1) % CLASSES)
