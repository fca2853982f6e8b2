"""Memory at the particle level and at the empirical level (definition 2).

In the worlds of a theorem, levels are exact fractions. For records, they are counts that are divided once.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError

Classes = Sequence[Sequence[int]]
"""Classes (U, N) that the composites (u, t) of a window predict for N samples."""


def particle_levels(predictions: Classes, reference: Sequence[int]) -> list[Fraction]:
    """Return each sample's miss rate (N,): the share of the window in which its class differs from that of ``f_t``.

    Particle-level memory ``(ε, Δ)`` of a sample is a miss rate of at most ε; one minus it is point-wise consistency.

    Examples:
        >>> particle_levels([[0, 1], [1, 1]], [1, 1])  # the first of two samples is missed once in two epochs
        [Fraction(1, 2), Fraction(0, 1)]
    """
    return [
        Fraction(sum(row[sample] != wanted for row in predictions), len(predictions))
        for sample, wanted in enumerate(reference)
    ]


def empirical_level(particles: Sequence[Fraction]) -> Fraction:
    """Return the least ε of empirical-level memory: the mean miss rate over samples.

    Examples:
        >>> empirical_level([Fraction(1, 2), Fraction(0)])
        Fraction(1, 4)
    """
    return sum(particles, Fraction(0)) / len(particles)


def share_within(particles: Sequence[Fraction], level: Fraction) -> Fraction:
    """Return the share of samples with particle-level memory at a level, which is a largest miss rate.

    Examples:
        >>> share_within([Fraction(1, 2), Fraction(0)], Fraction(1, 4))
        Fraction(1, 2)
    """
    return Fraction(sum(rate <= level for rate in particles), len(particles))


def miss_rates(
    predictions: npt.ArrayLike, reference: npt.ArrayLike, epochs: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the miss rates at both levels over every memory window; each epoch counts once.

    Checkpoints are denser in some periods, which would otherwise count most. **Reading:** a checkpoint stands for the
    epochs from it up to the next one. Missed epochs are counted and divided once, so that rounding never lifts a rate
    above an equal tolerance.

    Args:
        predictions: classes (U, N) of the composites (u, t), u ascending up to t.
        reference: classes (N,) of ``f_t``.
        epochs: the U ascending epochs u, the last being t.

    Returns:
        For the window from each epoch u to t: the rate over all samples, (U,), and that of each sample, (U, N).

    Raises:
        MeasurementError: the shapes do not match, there are no epochs or samples, or the epochs do not ascend.

    Examples:
        >>> mean, of_each = miss_rates([[0, 1], [1, 1]], [1, 1], epochs=[0, 1])
        >>> mean.tolist(), of_each.tolist()
        ([0.25, 0.0], [[0.5, 0.0], [0.0, 0.0]])
    """
    cube, row, times = np.asarray(predictions), np.asarray(reference), np.asarray(epochs)
    if not cube.size or cube.shape != (*times.shape, *row.shape) or cube.ndim != 2 or (np.diff(times) <= 0).any():
        raise MeasurementError(
            "miss rates need predictions (U, N), a reference (N,) and U ascending epochs, "
            f"found {cube.shape}, {row.shape} and {times.tolist()}"
        )
    stands_for = np.append(np.diff(times), 1)
    missed = np.cumsum(((cube != row) * stands_for[:, None])[::-1], axis=0)[::-1]
    lengths = times[-1] - times + 1
    return missed.sum(axis=1) / (lengths * len(row)), missed / lengths[:, None]
