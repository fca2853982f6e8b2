"""Memory at the level of a particle and of the empirical distribution, in exact fractions (definition 2)."""

from collections.abc import Sequence
from fractions import Fraction

Classes = Sequence[Sequence[int]]
"""Classes (U, N) that the composites (u, t) of a window predict for N samples."""


def particle_levels(predictions: Classes, reference: Sequence[int]) -> list[Fraction]:
    """Return each sample's miss rate (N,): the share of the window in which it is not classified as by ``f_t``.

    Particle-level memory ``(ε, Δ)`` of a sample is a miss rate of at most ε; one minus it is point-wise consistency.
    """
    return [
        Fraction(sum(row[sample] != wanted for row in predictions), len(predictions))
        for sample, wanted in enumerate(reference)
    ]


def empirical_level(particles: Sequence[Fraction]) -> Fraction:
    """Return the least ε of empirical-level memory: the mean miss rate over samples."""
    return sum(particles, Fraction(0)) / len(particles)


def share_within(particles: Sequence[Fraction], level: Fraction) -> Fraction:
    """Return the share of samples with particle-level memory at a level: that miss in no more of the window."""
    return Fraction(sum(rate <= level for rate in particles), len(particles))
