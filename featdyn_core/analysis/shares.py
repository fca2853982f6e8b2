"""Shares of variance along leading directions, and their law under isotropy (section 6).

The spectrum of few changes in many features falls even under isotropy. So shares are compared with draws from their
exact law under isotropy, at the sample's own size. Shares have no unit, so this law has no other parameter.

If a few changes are much longer than the others, each makes its own direction lead. So shares are also computed from
*directions* alone, as in the sign test (see ``isotropy.sign_test``): differences of disjoint pairs of changes, scaled
to length 1. Their law is the same for every spherical law of the changes, however heavy its tails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from featdyn_core.analysis.statistics import geometric_mean
from featdyn_core.measures.one_step.concentration import Kept, spectrum
from featdyn_core.measures.one_step.gram import ChangeGram, FloatArray
from featdyn_core.measures.one_step.isotropy import directions_kept
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Counted, Number, share_of

LEADING = (1, 5, 10)
"""Numbers of leading directions whose share is computed."""

LEAST_P = 1e-3
"""Largest p-value of changes that count as beyond all isotropic samples."""

DRAWN = 20
"""Number of leading directions in a figure."""

SAMPLES = 512
"""Number of samples whose shares stay in memory, because the next claim or world uses the same planted samples."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the variance of one sample or several samples.

    Attributes:
        values: shares, largest first, with sum 1, (..., m).
    """

    values: FloatArray

    def top(self, k: int) -> FloatArray:
        """Share of the ``k`` leading directions together, in (0, 1], (...); 1 if there are at most ``k``."""
        return self._cumulated[..., min(k, self._cumulated.shape[-1]) - 1]

    @cached_property
    def _cumulated(self) -> FloatArray:
        return np.cumsum(self.values, axis=-1)

    @cached_property
    def participation(self) -> FloatArray:
        """Participation ratio ``1 / Σ share²``, between 1 and m, (...)."""
        return 1 / np.square(self.values).sum(axis=-1)

    @cached_property
    def ordered(self) -> dict[str, FloatArray]:
        """What p-values compare, larger where a sample is more concentrated, in ascending order over the samples."""
        return {name: np.sort(values, axis=None) for name, values in self.concentration.items()}

    @property
    def concentration(self) -> dict[str, FloatArray]:
        """Measures of concentration (...): "top 1" and so on if there are more directions, and "participation ratio".

        The participation ratio has a minus sign, because it is smaller where a sample is more concentrated.
        """
        tops = {f"top {k}": self.top(k) for k in LEADING if k < self.values.shape[-1]}
        return tops | {"participation ratio": -self.participation}


@dataclass(frozen=True, eq=False)
class Concentration:
    """Concentration of the changes of one sample, compared with isotropic Gaussian changes of the same size.

    Attributes:
        shares: shares of their variance.
        participation: their participation ratio, divided by the mean of isotropic changes.
        participation_of_directions: the same ratio for their directions.
        p_values: p-values of their shares (see the function ``p_values``).
        of_directions: p-values of the shares of their directions.
    """

    shares: Shares
    participation: float
    participation_of_directions: float
    p_values: dict[str, float]
    of_directions: dict[str, float]

    @property
    def largest_p(self) -> float:
        """Largest of all p-values, including those of directions."""
        return max(*self.p_values.values(), *self.of_directions.values())


def against_isotropy(changes: Kept, draws: int) -> Concentration:
    """Compare changes with ``draws`` isotropic samples.

    If all changes are equal, or one equals its partner, the error is a ``MeasurementError``.

    Examples:
        >>> rows = np.random.default_rng(0).normal(size=(48, 20)) * [9, *[1] * 19]  # one axis leads
        >>> against_isotropy(ChangeGram.of(rows), draws=99).participation < 0.2
        True
    """
    shares, directions = variance_shares(changes), direction_shares(changes)
    null, null_directions = (
        isotropic_shares(changes.updates, changes.features, draws, of) for of in (variance_shares, direction_shares)
    )
    compared, of_directions = p_values(shares, null), p_values(directions, null_directions)
    return Concentration(
        shares,
        float(shares.participation / null.participation.mean()),
        float(directions.participation / null_directions.participation.mean()),
        {name: float(value) for name, value in compared.items()},
        {name: float(value) for name, value in of_directions.items()},
    )


def concentrated(images: Sequence[Concentration]) -> dict[str, Number]:
    """Return the mean concentration of the changes of several images.

    Returns:
        "variance in the top 1", "5" and "10"; the geometric means of "participation ratio against isotropic" and "the
        same of directions"; and "beyond all isotropic samples", the share of images whose p-values are all at most
        ``LEAST_P``.

    Examples:
        >>> rows = np.random.default_rng(0).normal(size=(48, 20)) * [9, *[1] * 19]  # one axis leads
        >>> concentrated([against_isotropy(ChangeGram.of(rows), draws=999)])["beyond all isotropic samples"]
        Counted(value=1.0, of=1)
    """
    count = len(images)
    return {
        **{
            f"variance in the top {k}": Counted(float(np.mean([one.shares.top(k) for one in images])), count)
            for k in LEADING
        },
        "participation ratio against isotropic": geometric_mean([one.participation for one in images]),
        "the same of directions": geometric_mean([one.participation_of_directions for one in images]),
        "beyond all isotropic samples": share_of(sum(one.largest_p <= LEAST_P for one in images), count),
    }


def spectrum_lines(samples: Mapping[str, Kept]) -> Lines:
    """Return the figure of the share of variance along each leading direction, with one line per sample.

    Examples:
        >>> changes = ChangeGram.gaussian(rows=48, features=100, rng=np.random.default_rng(0))
        >>> list(spectrum_lines({"isotropic": changes}).series)
        ['isotropic']
    """
    series = {name: variance_shares(sample).values[:DRAWN] for name, sample in samples.items()}
    return Lines(range(1, DRAWN + 1), series, "direction", "share of variance", log=True)


def isotropic_p_values(samples: Sequence[Kept], draws: int, of: Callable[[Kept], Shares]) -> dict[str, FloatArray]:
    """Return the ``p_values`` (n,) of samples of one size against ``draws`` isotropic samples.

    Args:
        samples: the changes of n samples.
        draws: number of isotropic samples.
        of: ``variance_shares`` or ``direction_shares``.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> samples = [ChangeGram.gaussian(rows=48, features=20, rng=rng) for _ in range(3)]
        >>> p_values = isotropic_p_values(samples, 99, variance_shares)
        >>> list(p_values), p_values["top 1"].shape
        (['top 1', 'top 5', 'top 10', 'participation ratio'], (3,))
    """
    found = Shares(np.array([of(sample).values for sample in samples]))
    return p_values(found, isotropic_shares(samples[0].updates, samples[0].features, draws, of))


@lru_cache(maxsize=SAMPLES)
def variance_shares(changes: Kept) -> Shares:
    """Return the shares of the ``min(K − 1, p)`` directions of the changes' covariance.

    If all changes are equal, the error is a ``MeasurementError``.

    Examples:
        >>> changes = ChangeGram.of([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> variance_shares(changes).values[:2].round(4).tolist()
        [0.8, 0.2]
    """
    eigenvalues = spectrum(changes)
    return Shares(eigenvalues / eigenvalues.sum())


@lru_cache(maxsize=SAMPLES)
def direction_shares(changes: Kept) -> Shares:
    """Return the shares of the ``K // 2`` directions, which are the differences between changes and their partners.

    A change that equals its partner, and spectra without directions, are a ``MeasurementError``.

    Examples:
        >>> changes = ChangeGram.gaussian(rows=48, features=100, rng=np.random.default_rng(0))
        >>> len(direction_shares(changes).values)
        24
    """
    found = directions_kept(changes)
    eigenvalues = found if found.ndim == 1 else np.linalg.eigvalsh(found)[::-1]
    return Shares(np.maximum(eigenvalues, 0) / len(found))


@lru_cache(maxsize=2)
def isotropic_changes(
    rows: int, features: int, draws: int, tail: float, *, seed: int, stream: str
) -> tuple[tuple[ChangeGram, ...], tuple[ChangeGram, ...]]:
    """Draw isotropic changes, in which no direction leads.

    Args:
        rows: ``K``.
        features: ``p``.
        draws: number of samples of each kind.
        tail: degrees of freedom of the samples with heavy tails.
        seed: the training seed.
        stream: name of the random stream.

    Returns:
        Gaussian samples, and samples of the multivariate t law.

    Examples:
        >>> gaussian, heavy = isotropic_changes(8, 20, draws=3, tail=5, seed=0, stream="planted")
        >>> len(gaussian), heavy[0].updates
        (3, 8)
    """
    rng = numpy_generator(seed, "measure", stream)
    gaussian = tuple(ChangeGram.gaussian(rows, features, rng) for _ in range(draws))
    return gaussian, tuple(ChangeGram.heavy_tailed(rows, features, tail, rng) for _ in range(draws))


def isotropic_shares(rows: int, features: int, draws: int, of: Callable[[Kept], Shares] = variance_shares) -> Shares:
    """Draw the shares of isotropic Gaussian changes.

    Args:
        rows: ``K``.
        features: ``p``.
        draws: number of samples.
        of: ``variance_shares`` or ``direction_shares``.

    Returns:
        Shares with values (draws, m). Every call with the same size returns the same read-only array.

    Examples:
        >>> isotropic_shares(rows=8, features=20, draws=5).values.shape
        (5, 7)
    """
    return _isotropic_laws(rows, features, draws)[of]


@lru_cache(maxsize=64)
def _isotropic_laws(rows: int, features: int, draws: int) -> dict[Callable[[Kept], Shares], Shares]:
    """Return both laws from the same samples, because drawing them takes most of the time."""
    rng = np.random.default_rng((rows, features, draws))
    samples = (ChangeGram.gaussian(rows, features, rng) for _ in range(draws))
    pairs = [(variance_shares(sample).values, direction_shares(sample).values) for sample in samples]
    laws = [Shares(np.array(values)) for values in zip(*pairs, strict=True)]
    for law in laws:
        law.values.setflags(write=False)
    return dict(zip((variance_shares, direction_shares), laws, strict=True))


def p_values(found: Shares, null: Shares) -> dict[str, FloatArray]:
    """Return p-values: how rarely isotropic changes are at least as concentrated.

    Args:
        found: shares of one sample or several samples, (..., m).
        null: shares of isotropic samples of the same size.

    Returns:
        "top 1", "top 5" and "top 10" (if there are more directions), and "participation ratio", to the p-values (...):
        ``(1 + #{draws at least as concentrated}) / (draws + 1)``.
    """
    draws = len(null.values)
    return {
        name: (1 + draws - null.ordered[name].searchsorted(values)) / (draws + 1)
        for name, values in found.concentration.items()
    }
