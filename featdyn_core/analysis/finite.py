"""The terms of theorem 3 (App. G) for one class in a world of finitely many inputs and features, as exact fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Law = list[Fraction]
"""Probability of each value."""


def finite_law(weights: Sequence[int]) -> Law:
    """Return the law that is proportional to non-negative weights; one of them must be positive.

    Examples:
        >>> finite_law([1, 3])
        [Fraction(1, 4), Fraction(3, 4)]
    """
    return [Fraction(weight, sum(weights)) for weight in weights]


def finite_total_variation(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    """Return the total variation ``½ Σ |p − q|`` of two laws on the same values, in [0, 1].

    Examples:
        >>> finite_total_variation(finite_law([1, 3]), finite_law([1, 1]))
        Fraction(1, 4)
    """
    return sum((abs(p - q) for p, q in zip(one, other, strict=True)), Fraction(0)) / 2


@dataclass(frozen=True)
class FiniteClass:
    """A class in a world of n inputs and m features.

    Attributes:
        true: weight of each input in the class's true law ``μ_c``, (n,).
        empirical: weight of each input in its empirical law ``μ̂_c``, (n,).
        features: feature of each input at each epoch u of the window, (U, n); the last epoch is t.
        classes: class that ``g_t`` predicts for each feature, (m,); the class in question is 0.

    Examples:
        >>> world = FiniteClass(true=(1, 3), empirical=(1, 1), features=((1, 0), (0, 1)), classes=(0, 1))
        >>> world.gap, world.variation, world.missed
        (Fraction(1, 4), Fraction(1, 4), Fraction(1, 2))
    """

    true: tuple[int, ...]
    empirical: tuple[int, ...]
    features: tuple[tuple[int, ...], ...]
    classes: tuple[int, ...]

    @property
    def gap(self) -> Fraction:
        """Generalisation gap ``|μ_c(f_t = c) − μ̂_c(f_t = c)|``."""
        return abs(self._accuracy(finite_law(self.true)) - self._accuracy(finite_law(self.empirical)))

    @property
    def variation(self) -> Fraction:
        """Total variation between true features at t and empirical features over the window."""
        window = [self._pushed(finite_law(self.empirical), features) for features in self.features]
        mixture = [sum(column, Fraction(0)) / len(window) for column in zip(*window, strict=True)]
        return finite_total_variation(self._pushed(finite_law(self.true), self.features[-1]), mixture)

    @property
    def missed(self) -> Fraction:
        """Miss rate ``ε_c``: probability over window and empirical law that ``g_t`` of a feature is not ``f_t``."""
        wanted = [self.classes[feature] for feature in self.features[-1]]
        shares = [
            p * (self.classes[feature] != right)
            for features in self.features
            for p, feature, right in zip(finite_law(self.empirical), features, wanted, strict=True)
        ]
        return sum(shares, Fraction(0)) / len(self.features)

    def _accuracy(self, inputs: Law) -> Fraction:
        pairs = zip(inputs, self.features[-1], strict=True)
        return sum((p for p, feature in pairs if self.classes[feature] == 0), Fraction(0))

    def _pushed(self, inputs: Law, features: Sequence[int]) -> Law:
        """Return the law of the features, from the law of the inputs."""
        pushed = [Fraction(0)] * len(self.classes)
        for p, feature in zip(inputs, features, strict=True):
            pushed[feature] += p
        return pushed
