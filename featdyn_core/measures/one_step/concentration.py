"""Concentration of the changes of a feature: the spectrum of their covariance, and shares of the variance.

The covariance ``S`` of ``n`` changes in ``p`` features is taken about the sample mean, or about a known ``centre``,
which leaves all ``n`` degrees of freedom. The error of a wrong centre counts as variance along one direction (see
``protocol.full_batch_change``). Everything comes from the Gram matrix on the smaller side, so no ``p × p`` matrix is
formed if ``n < p``. So the kept form of changes, a ``ChangeGram`` or ``ChangeSpectra``, serves as well as the changes
about their mean.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.gram import (
    ChangeGram,
    FloatArray,
    about_sample_mean,
    beyond_floats,
    change_matrix,
    differences,
)
from featdyn_core.measures.one_step.spectra import ChangeSpectra

Kept = ChangeGram | ChangeSpectra
"""The kept form of changes; both types have ``updates``, ``features`` and ``halves``."""

Changes = ArrayLike | Kept
"""(n, p) changes, one repetition a row, or the kept form of the changes."""

SQUARED = (1e-140, 1e140)
"""Sizes of changes whose squares float64 can hold, also along directions with a small share."""


class Scatter(NamedTuple):
    """Deviations of the changes from a centre, not all zero, in the form that traces and eigenvalues need.

    Attributes:
        gram: their Gram matrix in units of ``scale²``, on the smaller side or over the rows.
        scale: a size of the deviations, so that the squares of tiny ones do not underflow.
        dof: degrees of freedom ``ν``.
        features: ``p``.
    """

    gram: FloatArray
    scale: float
    dof: int
    features: int

    @property
    def participation(self) -> float:
        """The participation ratio ``tr(G)² / tr(G²)``."""
        return float(np.trace(self.gram)) ** 2 / float(np.vdot(self.gram, self.gram))

    def eigenvalues(self, scale: float) -> FloatArray:
        """Return the eigenvalues of the covariance that are not 0 by rank, largest first, at this scale."""
        eigenvalues = np.linalg.eigvalsh(self.gram)[::-1][: min(self.dof, self.features)]
        return np.maximum(eigenvalues, 0) / self.dof * scale**2


def spectrum(changes: Changes, *, centre: ArrayLike | None = None) -> FloatArray:
    """Return the eigenvalues of the sample covariance of (n, p) changes, largest first.

    The errors of ``scatter`` are a ``MeasurementError``.

    Args:
        changes: (n, p) feature changes, one repetition a row, or the kept form of the changes.
        centre: (p,) known mean of the changes; by default the sample mean. The kept form of changes is about the sample
            mean already.

    Returns:
        (min(ν, p),) eigenvalues ≥ 0 in squared units of the changes. ``ν`` is ``n − 1``, or ``n`` with a known centre.
        The other ``p − min(ν, p)`` eigenvalues of the covariance are zero by rank and are left out.

    Raises:
        MeasurementError: the squares of the changes leave the range of float64.

    Examples:
        >>> spectrum([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]).tolist()
        [1.0, 0.0]
    """
    found = scatter(changes, centre)
    if not SQUARED[0] <= found.scale <= SQUARED[1]:
        raise MeasurementError(beyond_floats(found.scale, "squares"))
    return found.eigenvalues(found.scale)


def participation_ratio(changes: Changes, *, centre: ArrayLike | None = None) -> float:
    """Return ``tr(S)² / tr(S²)`` of (n, p) changes: the effective number of directions that share the variance.

    It lies between 1 (one direction) and ``min(ν, p)``; ``centre`` and the errors are those of ``spectrum``.

    Examples:
        >>> participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        2.0
    """
    return scatter(changes, centre).participation


def top_share(changes: Changes, k: int, *, centre: ArrayLike | None = None) -> float:
    """Return the share of the variance of (n, p) changes in their ``k`` leading directions, in (0, 1].

    Raises:
        MeasurementError: ``k`` is outside ``1 … p``, or ``scatter`` refuses the changes.

    Examples:
        >>> top_share([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], k=1)
        0.5
    """
    p = changes.features if isinstance(changes, Kept) else change_matrix(changes).shape[1]
    if not 1 <= k <= p:
        raise MeasurementError(f"the top {k} directions of {p} features do not exist; give k from 1 to {p}")
    found = scatter(changes, centre)
    eigenvalues = found.eigenvalues(min(max(found.scale, SQUARED[0]), SQUARED[1]))  # a share has no unit
    return float(eigenvalues[:k].sum() / eigenvalues.sum())


def known_centre(centre: ArrayLike, p: int) -> FloatArray:
    """Return a known centre as a float64 (p,) vector.

    Raises:
        MeasurementError: it has another shape, or is not finite.
    """
    vector = np.asarray(centre, dtype=np.float64)
    if vector.shape != (p,) or not np.isfinite(vector).all():
        raise MeasurementError(f"centre of shape {vector.shape} must be {p} finite numbers, one per feature")
    return vector


def scatter(changes: Changes, centre: ArrayLike | None) -> Scatter:
    """Return the deviations of the changes from the centre.

    A ``MeasurementError`` is raised, too, if there are fewer than 3 rows or no features, if the changes are not a
    finite matrix, if rows are too far apart for a float64, or if kept changes are given a centre.

    Raises:
        MeasurementError: no row is off the centre.
    """
    if isinstance(changes, Kept):
        refuse_centre(centre)
        # In the axes of its eigenvectors a Gram matrix is diagonal.
        products = changes.products if isinstance(changes, ChangeGram) else np.diag(changes.variance)
        size = float(np.trace(products))
        if not size:
            raise MeasurementError(_without_variance(changes.updates, "equal"))
        return Scatter(products / size, size**0.5, changes.updates - 1, changes.features)
    rows = change_matrix(changes)
    about = about_sample_mean(rows) if centre is None else differences(rows, known_centre(centre, rows.shape[1]))
    scale = float(np.abs(about).max())
    if not scale:
        raise MeasurementError(_without_variance(len(rows), "equal" if centre is None else "equal to the centre"))
    return Scatter(smaller_gram(about / scale), scale, len(rows) - (centre is None), rows.shape[1])


def refuse_centre(centre: ArrayLike | None) -> None:
    """Refuse a centre for kept changes.

    Raises:
        MeasurementError: there is one.
    """
    if centre is not None:
        raise MeasurementError(
            "kept changes are about the sample mean already; for a known centre, give the changes themselves"
        )


def smaller_gram(rows: FloatArray) -> FloatArray:
    """Return the Gram matrix on the smaller side: same non-zero eigenvalues, same traces."""
    return rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows


def _without_variance(count: int, where: str) -> str:
    return f"all {count} changes are {where}, without variance; is the layer frozen, or the rate 0?"
