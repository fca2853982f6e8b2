"""The law of the sign test's statistic if the directions of the changes are uniform on the sphere."""

import numpy as np
import scipy  # heavy modules are imported on first use
from numpy.typing import ArrayLike

from featdyn_core.measures.one_step.gram import FloatArray


def sign_tail(z: ArrayLike, directions: int, p: int) -> FloatArray:
    """Return the right tail of the sign test's statistic if directions are uniform on the sphere.

    It is the tail of a standardised chi-square with the same skewness, which has ``f = 8 / skewness²`` degrees of
    freedom. So three moments are exact. The statistic is the standardised sum of ``h_ij`` over the ``M = N(N−1)/2``
    pairs. Here ``h_ij = (u_iᵀu_j)² − 1/p = ⟨A_i, A_j⟩``, and ``A_i = u_iu_iᵀ − I/p`` is a symmetric matrix of trace 0.
    These matrices have dimension ``d = (p+2)(p−1)/2``. Every ``h_ij`` has mean 0 given either of its directions. So a
    product of three of them has non-zero mean only if they are the same pair, or the sides of a triangle. Rotations act
    irreducibly on these matrices, so ``E[A⊗A]`` is ``c = (1 − 1/p)/d`` times the identity. It follows that ``E h² =
    c²d`` and ``E h_12 h_23 h_31 = c³d``. The third cumulant of the sum is ``M·E h³ + N(N−1)(N−2)·c³d``, so

        skewness = (γ + 2(N−2)/√d) / √M,  γ = 2√2·(p−2)√(p+2) / ((p+4)√(p−1)),

    where ``γ`` is the skewness of ``h``; it follows from the law of ``(u_1ᵀu_2)²``, which is Beta(1/2, (p−1)/2). As
    ``N`` grows, ``f`` tends to ``d``, and as ``p`` grows, to ``M``; the law itself has the same limits. For two
    directions the Beta law is used.

    With at least 5 directions and 4 features, simulated rejection rates lie within a tenth of the level at 5 % and 1 %,
    and are at most 1.5 times the level at 0.1 %. With fewer, they are at most 1.5 times the level at 5 % (3 directions
    in a plane).

    Args:
        z: statistics, of any shape.
        directions: ``N``, at least 2.
        p: number of features, at least 2.

    Returns:
        Tail probabilities, of the shape of ``z``.

    References:
        Pearson (1959), Biometrika 46:364, for matching three moments by a chi-square.
    """
    z = np.asarray(z, dtype=np.float64)
    pairs = directions * (directions - 1) / 2
    if directions == 2:
        spread = np.sqrt(2 * (p - 1) / (p + 2))  # of p·(u_1ᵀu_2)² − 1
        return np.asarray(scipy.stats.beta.sf((1 + z * spread) / p, 1 / 2, (p - 1) / 2))
    dimension = (p + 2) * (p - 1) / 2
    of_a_pair = np.sqrt(8 * (p + 2) / (p - 1)) * (p - 2) / (p + 4)
    f = 8 * pairs / (of_a_pair + 2 * (directions - 2) / np.sqrt(dimension)) ** 2
    return np.asarray(scipy.special.chdtrc(f, f + z * np.sqrt(2 * f)))
