"""Noise along pairs of axes of feature space: principal, random, or not read by the last layer."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from featdyn_core.records.last_layer import LastLayer, Points
from featdyn_core.records.planting import CLASSES, IMAGES
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Counted

NOISE_AXES = 2
"""Number of axes along which noise is added, as in the paper."""

STRONG = 4
"""Size of noise that moves features out of their regions along random axes, in ``Noise.unit``."""

_ZERO = 1e-6
"""Singular values of float32 weights below this share of the largest are rounding errors."""


def principal_axes(points: Points) -> tuple[npt.NDArray[np.float64], Points]:
    """Return the principal components of points (..., p).

    Returns:
        Standard deviations (p,) along the axes, largest first, and the orthonormal axes (p, p), one per row.
    """
    variances, axes = np.linalg.eigh(np.cov(points.reshape(-1, points.shape[-1]), rowvar=False, bias=True))
    return np.sqrt(np.clip(variances[::-1], 0, None)), axes.T[::-1]


def unread_axes(weight: Points) -> Points:
    """Return orthonormal axes (m, p), m ≥ 0, along which a classifier with ``weight`` (classes, p) never changes class.

    The class depends on differences of logits, so the mean of the rows is not read either.

    Examples:
        >>> unread_axes(np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])).shape  # it reads one of three axes
        (2, 3)
    """
    _, lengths, axes = np.linalg.svd(weight - weight.mean(axis=0))
    return axes[int((lengths > _ZERO * lengths.max()).sum()) :]


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise along any pair of axes, with the same coordinates for each pair; they are uniform on [-1, 1].

    Attributes:
        features: the features; noise is added to those of past epochs.
        draws: number of independent draws for each image and epoch.
        rng: draws the coordinates and the random axes.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> noise = Noise(planted_sectors(rng, radius=10.0, spread=1.0), draws=2, rng=rng)
        >>> sorted(noise.pairs)
        ['least variance', 'of the drift', 'principal', 'random']
    """

    features: LastLayer
    draws: int
    rng: np.random.Generator

    @cached_property
    def coordinates(self) -> Points:
        """Coordinates of the noise, (draws, U - 1, N, 2)."""
        return self.rng.uniform(-1, 1, (self.draws, *self.features.past.shape[:-1], NOISE_AXES))

    @cached_property
    def random_axes(self) -> Points:
        """Random pairs of orthonormal axes, one per draw, (draws, 1, 2, p); only their signs are not uniform."""
        directions = self.rng.standard_normal((self.draws, 1, self.features.past.shape[-1], NOISE_AXES))
        return np.swapaxes(np.linalg.qr(directions).Q, -1, -2)

    @cached_property
    def pairs(self) -> dict[str, Points]:
        """Pairs of axes (2, p) by name.

        ``principal`` and ``least variance`` are the first and the last principal axes of all features. ``of the drift``
        are the first principal axes after each image's mean over epochs is subtracted. ``random`` is one pair for each
        draw.
        """
        points = self.features.points
        (_, all_axes), (_, drift) = principal_axes(points), principal_axes(points - points.mean(axis=0))
        return {
            "principal": all_axes[:NOISE_AXES],
            "of the drift": drift[:NOISE_AXES],
            "random": self.random_axes,
            "least variance": all_axes[-NOISE_AXES:],
        }

    @cached_property
    def unit(self) -> float:
        """Square root of the mean variance of all features along their two principal axes."""
        spread, _ = principal_axes(self.features.points)
        return float(np.sqrt(np.mean(spread[:NOISE_AXES] ** 2)))

    def share_inside(self, axes: Points, size: float) -> float:
        """Share of past features in the region of argmax ``f_t``, under noise uniform on [-size, size] along both axes.

        Args:
            axes: (2, p), or one pair for each draw.
            size: size of the noise, in the unit of the features.
        """
        along = size * self.features.weight @ np.swapaxes(axes, -1, -2)  # in logits, of which there are far fewer
        moved = along @ np.swapaxes(self.coordinates, -1, -2)
        moved += self._logits
        own = moved[..., self.features.reference, np.arange(len(self.features.reference))]
        return int(np.count_nonzero(own == moved.max(axis=-2))) / own.size

    def inside(self, pair: str, size: float | None = None) -> Counted:
        """Return the share inside under noise along a named pair of axes; the default size is one unit."""
        share = self.share_inside(self.pairs[pair], self.unit if size is None else size)
        return Counted(share, self.features.count)

    def gained(self, pair: str) -> Counted:
        """Return the share inside under noise of one unit along a named pair of axes, minus that along random axes."""
        return Counted(float(self.inside(pair)) - float(self.inside("random")), self.features.count)

    @cached_property
    def _logits(self) -> Points:
        """Logits of the past, (U - 1, classes, N); in this order the largest is found faster."""
        return np.ascontiguousarray(np.swapaxes(self.features.logits(self.features.past), -1, -2))


def inside_by_size(noise: Noise, *, bound: str) -> Lines:
    """Return the figure of the share inside over the size of the noise, with one line per pair of axes.

    ``bound`` is the name of the criterion whose bound is drawn.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> noise = Noise(planted_sectors(rng, radius=10.0, spread=1.0), draws=2, rng=rng)
        >>> sorted(inside_by_size(noise, bound="").series)
        ['least variance', 'of the drift', 'principal', 'random']
    """
    sizes = np.linspace(0, STRONG, 17)
    series = {
        name: [noise.share_inside(axes, size * noise.unit) for size in sizes] for name, axes in noise.pairs.items()
    }
    axes = "size of the noise, in standard deviations along the principal axes", "share inside the region of argmax f_t"
    return Lines(sizes, series, *axes, bound=bound)


def controls_of_noise(noise: Noise, stranger: LastLayer) -> dict[str, Counted]:
    """Return controls: features can lie outside, and noise along different axes does different harm.

    Args:
        noise: noise on the features of one seed.
        stranger: features of another seed, for the same images and epochs.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> layer = planted_sectors(rng, radius=10.0, spread=1.0)
        >>> sorted(controls_of_noise(Noise(layer, draws=2, rng=rng), layer))
        ['gained along unread axes, strong noise', "share inside of a stranger's features"]
    """
    features, random = noise.features, noise.pairs["random"]
    unread = unread_axes(features.weight)[:NOISE_AXES]
    kept, lost = (noise.share_inside(axes, STRONG * noise.unit) for axes in (unread, random))
    return {
        "share inside of a stranger's features": Counted(features.share_inside(stranger.past), features.count),
        "gained along unread axes, strong noise": Counted(kept - lost, features.count),
    }


def planted_sectors(
    rng: np.random.Generator, radius: float, spread: float, *, unread: int = 2, missed: float = 0.0
) -> LastLayer:
    """Return planted features at two epochs, each in the middle of one of ten equal sectors of a plane.

    Args:
        rng: draws the coordinates outside the plane, and which past features are missed.
        radius: distance of the features from the point where the sectors meet.
        spread: standard deviation along the axes that the classifier does not read.
        unread: number of these axes.
        missed: share of past features, in [0, 1], that lie in the opposite sector.

    Examples:
        >>> layer = planted_sectors(np.random.default_rng(0), radius=10.0, spread=1.0)
        >>> layer.share_inside(layer.past)
        1.0
    """
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    middles = np.pad(np.stack([np.cos(angles), np.sin(angles)], axis=-1), ((0, 0), (0, unread)))
    last = radius * middles[np.arange(IMAGES) % CLASSES]
    last[:, 2:] = spread * rng.standard_normal((IMAGES, unread))
    past = np.where(rng.random((IMAGES, 1)) < missed, -last, last)
    return LastLayer.planted(np.array([past, last]), middles)
