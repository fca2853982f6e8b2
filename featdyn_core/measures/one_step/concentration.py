"""How concentrated the changes of a feature are: the spectrum of their covariance, and what it shares out.

The covariance ``S`` of ``n`` changes in ``p`` features is taken about the sample mean, or about a known
``centre``, which leaves all ``n`` degrees of freedom; what a wrong centre is off by counts as variance along
one direction (see ``protocol.full_batch_change``). Everything comes from the Gram matrix on the smaller side, so
no ``p × p`` matrix is formed where ``n < p``. What is kept of changes, a ``ChangeGram`` or their ``ChangeSpectra``,
therefore serves as well as the changes about their mean.
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
"""What is kept of changes; both know how many ``updates`` and ``features`` there are, and have ``halves``."""

Changes = ArrayLike | Kept
"""(n, p) changes, one repetition a row, or what is kept of them."""

SQUARED = (1e-140, 1e140)
"""Sizes of changes whose squares, and what is left of them along directions that share little, float64 can hold."""


class Scatter(NamedTuple):
    """Deviations of the changes from a centre, not all zero, as far as traces and eigenvalues need them.

    Attributes:
        gram: their Gram matrix in units of ``scale²``, on the smaller side or over the rows.
        scale: a size of the deviations, so that tiny ones do not underflow when squared.
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
        """Return those of the covariance that are not 0 by rank, largest first, of deviations of this size."""
        eigenvalues = np.linalg.eigvalsh(self.gram)[::-1][: min(self.dof, self.features)]
        return np.maximum(eigenvalues, 0) / self.dof * scale**2


def spectrum(changes: Changes, *, centre: ArrayLike | None = None) -> FloatArray:
    """Return the eigenvalues of the sample covariance of (n, p) changes, largest first.

    Changes that ``scatter`` refuses are a ``MeasurementError``.

    Args:
        changes: (n, p) feature changes, one repetition a row, or what is kept of them.
        centre: (p,) known mean of the changes; without it the sample mean is taken off. What is
            kept of changes is about the sample mean already.

    Returns:
        (min(ν, p),) eigenvalues ≥ 0 in squared units of the changes, ``ν`` being ``n − 1``, or ``n`` with a
        known centre. The ``p − min(ν, p)`` others of the covariance are zero by rank and are left out.

    Raises:
        MeasurementError: changes so small or large that their squares leave the range of float64.

    Examples:
        >>> spectrum([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]).tolist()
        [1.0, 0.0]
    """
    found = scatter(changes, centre)
    if not SQUARED[0] <= found.scale <= SQUARED[1]:
        raise MeasurementError(beyond_floats(found.scale, "squares"))
    return found.eigenvalues(found.scale)


def participation_ratio(changes: Changes, *, centre: ArrayLike | None = None) -> float:
    """Return ``tr(S)² / tr(S²)`` of (n, p) changes: about how many directions share the variance.

    It lies between 1 (one direction) and ``min(ν, p)``; ``centre`` and the errors are those of ``spectrum``.

    Examples:
        >>> participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        2.0
    """
    return scatter(changes, centre).participation


def top_share(changes: Changes, k: int, *, centre: ArrayLike | None = None) -> float:
    """Return the share of the variance of (n, p) changes in their ``k`` leading directions, in (0, 1].

    Raises:
        MeasurementError: ``k`` outside ``1 … p``, and as ``scatter``.

    Examples:
        >>> top_share([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], k=1)
        0.5
    """
    p = changes.features if isinstance(changes, Kept) else change_matrix(changes).shape[1]
    if not 1 <= k <= p:
        raise MeasurementError(f"the top {k} directions of {p} features do not exist; take k from 1 to {p}")
    found = scatter(changes, centre)
    eigenvalues = found.eigenvalues(min(max(found.scale, SQUARED[0]), SQUARED[1]))  # a share has no unit
    return float(eigenvalues[:k].sum() / eigenvalues.sum())


def known_centre(centre: ArrayLike, p: int) -> FloatArray:
    """Return a known centre as a float64 (p,) vector.

    Raises:
        MeasurementError: another shape, or not finite.
    """
    vector = np.asarray(centre, dtype=np.float64)
    if vector.shape != (p,) or not np.isfinite(vector).all():
        raise MeasurementError(f"centre of shape {vector.shape} must be {p} finite numbers, one a feature")
    return vector


def scatter(changes: Changes, centre: ArrayLike | None) -> Scatter:
    """Return the deviations of the changes from the centre.

    A ``MeasurementError`` says, too, that there are fewer than 3 rows or no features; that it is not a matrix, or not
    finite; that rows are too far apart for a float64; or that what is kept of changes has a centre.

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
    """Refuse a centre for what is kept of changes.

    Raises:
        MeasurementError: there is one.
    """
    if centre is not None:
        raise MeasurementError("what is kept of changes is about the sample mean; give the changes for a known centre")


def smaller_gram(rows: FloatArray) -> FloatArray:
    """Return the Gram matrix on the smaller side: same non-zero eigenvalues, same traces."""
    return rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows


def _without_variance(count: int, where: str) -> str:
    return f"all {count} changes are {where}, without variance; is the layer frozen, or the rate 0?"
