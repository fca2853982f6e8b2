"""Shares of variance along leading directions, and what they are by chance where no direction leads (section 6).

The spectrum of few changes in many features falls even under isotropy. Its exact law there is drawn at the sample's own
size; as shares have no unit, the law has no parameter.

A few changes much longer than the others lead a direction each, whatever their directions. So shares are also taken of
*directions* alone, as the sign test takes them (see ``isotropy.sign_test``): differences of disjoint pairs of changes,
at length 1. Their law under isotropy is the same for every spherical law, however heavy its tails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from featdyn_core.measures.one_step.concentration import Kept, spectrum
from featdyn_core.measures.one_step.gram import ChangeGram, FloatArray
from featdyn_core.measures.one_step.isotropy import directions_kept

LEADING = (1, 5, 10)
"""How many leading directions are looked at."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the variance of one sample, or of several.

    Attributes:
        values: (..., m) shares, largest first, sum 1.
    """

    values: FloatArray

    def top(self, k: int) -> FloatArray:
        """Share of the ``k`` leading directions together, (...), in (0, 1]; 1 where there are fewer."""
        return self._cumulated[..., min(k, self._cumulated.shape[-1]) - 1]

    @cached_property
    def _cumulated(self) -> FloatArray:
        return np.cumsum(self.values, axis=-1)

    @cached_property
    def participation(self) -> FloatArray:
        """Participation ratio ``1 / Σ share²``, (...), between 1 and m."""
        return 1 / np.square(self.values).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class Concentration:
    """How concentrated the changes of one sample are, beside isotropic Gaussian changes of as many rows and features.

    Attributes:
        shares: of their variance.
        participation: their participation ratio over the mean of isotropic changes.
        p_values: of their shares, by what is looked at (see ``p_values``).
        of_directions: the same of the shares of directions.
    """

    shares: Shares
    participation: float
    p_values: dict[str, float]
    of_directions: dict[str, float]


def against_isotropy(changes: Kept, draws: int) -> Concentration:
    """Compare changes with so many isotropic samples.

    Changes that are all equal, or one that equals its partner, are a ``MeasurementError``.
    """
    shares = variance_shares(changes)
    null = isotropic_shares(changes.updates, changes.features, draws)
    return Concentration(
        shares,
        float(shares.participation / null.participation.mean()),
        p_values(shares, null),
        isotropic_p_values(changes, draws, of=direction_shares),
    )


def isotropic_p_values(changes: Kept, draws: int, of: Callable[[Kept], Shares]) -> dict[str, float]:
    """Return the ``p_values`` of changes among so many isotropic samples, of their variance or of their directions."""
    return p_values(of(changes), isotropic_shares(changes.updates, changes.features, draws, of))


def variance_shares(changes: Kept) -> Shares:
    """Return the shares of the ``min(K − 1, p)`` directions of the changes' covariance.

    Changes that are all equal are a ``MeasurementError``.
    """
    eigenvalues = spectrum(changes)
    return Shares(eigenvalues / eigenvalues.sum())


def direction_shares(changes: Kept) -> Shares:
    """Return the shares of the ``K // 2`` directions in which changes differ from their partners.

    A change that equals its partner, and spectra without directions, are a ``MeasurementError``.
    """
    found = directions_kept(changes)
    eigenvalues = found if found.ndim == 1 else np.linalg.eigvalsh(found)[::-1]
    return Shares(np.maximum(eigenvalues, 0) / len(found))


def isotropic_shares(rows: int, features: int, draws: int, of: Callable[[Kept], Shares] = variance_shares) -> Shares:
    """Draw the shares of isotropic Gaussian changes.

    Args:
        rows: ``K``.
        features: ``p``.
        draws: number of samples.
        of: ``variance_shares`` or ``direction_shares``.

    Returns:
        Shares of (draws, m), the same for all who ask for this size, and read-only.
    """
    return _isotropic_laws(rows, features, draws)[of]


@lru_cache(maxsize=64)
def _isotropic_laws(rows: int, features: int, draws: int) -> dict[Callable[[Kept], Shares], Shares]:
    """Return both laws, of the same samples: most of the time goes into drawing them."""
    rng = np.random.default_rng((rows, features, draws))
    samples = (ChangeGram.gaussian(rows, features, rng) for _ in range(draws))
    pairs = [(variance_shares(sample).values, direction_shares(sample).values) for sample in samples]
    laws = [Shares(np.array(values)) for values in zip(*pairs, strict=True)]
    for law in laws:
        law.values.setflags(write=False)
    return dict(zip((variance_shares, direction_shares), laws, strict=True))


def p_values(found: Shares, null: Shares) -> dict[str, float]:
    """Return how seldom isotropic changes are as concentrated, by what is looked at.

    Args:
        found: of one sample.
        null: of isotropic samples of its size.

    Returns:
        "top 1", "top 5", "top 10" (those that are not all of the directions) and "participation ratio" to the p-value
        ``(1 + #{draws at least as concentrated}) / (draws + 1)``.
    """
    hits = {f"top {k}": null.top(k) >= found.top(k) for k in LEADING if k < null.values.shape[-1]}
    hits["participation ratio"] = null.participation <= found.participation
    return {name: float((1 + np.count_nonzero(hit)) / (len(null.values) + 1)) for name, hit in hits.items()}
