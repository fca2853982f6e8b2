"""Spectra of changes: their kept form for many images, with a few numbers an update instead of one a pair of updates.

Every one-step statistic is a function of the eigenvalues of two Gram matrices. One belongs to the changes about their
mean, the other to the directions that the sign test uses.
"""

from dataclasses import dataclass

import numpy as np

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.gram import MIN_ROWS, ChangeGram, FloatArray, cosines_of_differences


@dataclass(frozen=True, eq=False)
class ChangeSpectra:
    """Eigenvalues of the Gram matrices of ``K`` changes, largest first, which all one-step statistics need.

    Attributes:
        updates: ``K``.
        features: ``p``, the length of a change.
        variance: (min(K − 1, p),) eigenvalues of the Gram matrix about the mean, in squared units of the changes.
        directions: (K // 2,) eigenvalues of the Gram matrix of directions (see ``isotropy.sign_test``), whose sum is
            their number; empty if a direction is undefined, or if they are not kept.
        halves: spectra of the first K // 2 changes and of the next K // 2, without directions; empty if a half has
            fewer than 3 changes, or if they are not kept.

    Raises:
        MeasurementError: the eigenvalues of the variance have another number, are not finite, or are below 0.
    """

    updates: int
    features: int
    variance: FloatArray
    directions: FloatArray
    halves: tuple["ChangeSpectra", ...] = ()

    def __post_init__(self) -> None:
        expected = min(self.updates - 1, self.features)
        if self.variance.shape != (expected,):
            raise MeasurementError(
                f"{self.updates} changes of {self.features} features have {expected} eigenvalues; found an array of"
                f" shape {self.variance.shape}"
            )
        if not (np.isfinite(self.variance).all() and (self.variance >= 0).all()):
            raise MeasurementError(
                "eigenvalues of a variance hold NaN, infinity or numbers below 0; correct the updates"
            )

    @classmethod
    def of(cls, gram: ChangeGram) -> "ChangeSpectra":
        """Return the spectra of changes, from their Gram matrix."""
        parts = gram.halves if gram.updates // 2 >= MIN_ROWS else ()
        halves = tuple(cls(part.updates, part.features, _eigenvalues(part), np.empty(0)) for part in parts)
        return cls(gram.updates, gram.features, _eigenvalues(gram), _eigenvalues_of_directions(gram), halves)


def _eigenvalues(gram: ChangeGram) -> FloatArray:
    found = np.linalg.eigvalsh(gram.products)[::-1][: min(gram.updates - 1, gram.features)]
    return np.maximum(found, 0)


def _eigenvalues_of_directions(gram: ChangeGram) -> FloatArray:
    """Return the eigenvalues of the directions; none if one is undefined, as an update may leave an image unchanged."""
    try:
        cosines = cosines_of_differences(gram.products)
    except MeasurementError:
        return np.empty(0)
    return np.maximum(np.linalg.eigvalsh(cosines)[::-1], 0)
