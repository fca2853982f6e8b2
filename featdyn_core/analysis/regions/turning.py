"""Paths of two features turned about their ends: at every epoch as far from the end as the real path, but elsewhere."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from featdyn_core.records.last_layer import LastLayer, Points
from featdyn_core.records.planting import CLASSES
from featdyn_core.verdicts.measured import Lines

MIRRORED = (np.pi,)
RIGHT_ANGLES = (np.pi / 2, -np.pi / 2)

_ROUNDING = 1e-9
"""Relative rounding error; points this close to the distance of a border are checked."""


def turned(past: Points, last: Points, angle: float | npt.NDArray[np.float64]) -> Points:
    """Turn the path of each image about its end.

    Args:
        past: points of the paths, (..., N, 2).
        last: ends of the paths, (N, 2).
        angle: angles in radians, which broadcast with (..., N): one for all, one per image, or several for all, (A, 1);
            π mirrors a path at its end.

    Returns:
        Points (..., N, 2), at the same distances from ``last``.

    Examples:
        >>> turned(past=np.array([[1.0, 0.0]]), last=np.array([[0.0, 0.0]]), angle=MIRRORED).round(6).tolist()
        [[-1.0, 0.0]]
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = past[..., 0] - last[:, 0], past[..., 1] - last[:, 1]
    return np.stack([last[:, 0] + (cosine * x - sine * y), last[:, 1] + (sine * x + cosine * y)], axis=-1)


def all_round(turns: int) -> npt.NDArray[np.float64]:
    """Return the angles (turns - 1,) of a full turn in ``turns`` equal parts, without 0.

    Examples:
        >>> all_round(4) / np.pi
        array([0.5, 1. , 1.5])
    """
    return 2 * np.pi * np.arange(1, turns) / turns


def gained_over(features: LastLayer, past: Points, angles: Iterable[float]) -> float:
    """Return the share of ``past`` (..., N, 2) inside its regions, minus the mean share of paths turned by the angles.

    Examples:
        >>> layer = planted_paths(np.zeros(10))
        >>> gained_over(layer, layer.past, [MIRRORED])
        0.0
    """
    return _Far.of(features, past).gained_over(angles)


def gained_at_random(features: LastLayer, angles: Iterable[float], draws: int, rng: np.random.Generator) -> float:
    """Return the mean of ``gained_over`` for paths that are turned at random, whose expected gain is 0.

    Args:
        features: the features; each path is turned at random before it is compared.
        angles: angles by which paths are then turned for the comparison, in radians.
        draws: number of repetitions; the result is their mean.
        rng: draws the random angles.

    Examples:
        >>> layer = planted_paths(np.zeros(10))
        >>> gained_at_random(layer, [2 * np.pi], draws=2, rng=np.random.default_rng(0))  # a full turn changes nothing
        0.0
    """
    directions = rng.uniform(0, 2 * np.pi, (draws, len(features.last)))
    far = _Far.of(features, features.past)
    return float(np.mean([far.turned(angle[far.images]).gained_over(angles) for angle in directions]))


@dataclass(frozen=True, eq=False)
class _Far:
    """Points of paths that are at least as far from the end as a border; all other points stay inside at every angle.

    Attributes:
        features: the features with their regions.
        points: the far points of the paths, (..., m, 2), turned in one way or several ways.
        ends: ends of their paths, (m, 2).
        images: indices of their images, (m,).
        count: number of all points of the paths.
    """

    features: LastLayer
    points: Points
    ends: Points
    images: npt.NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, features: LastLayer, past: Points) -> "_Far":
        """Return the far points of ``past`` (..., N, 2)."""
        far = np.linalg.norm(past - features.last, axis=-1) > (1 - _ROUNDING) * features.room
        images = far.nonzero()[-1]
        return cls(features, past[far], features.last[images], images, far.size)

    def turned(self, angle: npt.NDArray[np.float64]) -> "_Far":
        """Return the points turned by angles in radians, which broadcast with (m,)."""
        return replace(self, points=turned(self.points, self.ends, angle))

    def gained_over(self, angles: Iterable[float]) -> float:
        """Return the gain, as the function ``gained_over`` does."""
        return self._share - self.turned(np.array([*angles])[:, None])._share

    @property
    def _share(self) -> float:
        """Share of all points of the paths that lie inside, over all ways."""
        images = np.broadcast_to(self.images, self.points.shape[:-1])
        ways = math.prod(images.shape[:-1])
        outside = images.size - self.features.inside(self.points.reshape(-1, self.points.shape[-1]), images.ravel())
        return 1 - outside / (ways * self.count)


def shares_by_epoch(features: LastLayer) -> dict[str, list[float]]:
    """Return the share inside at each past epoch, (U - 1,), for real paths, mirrored paths and paths at right angles.

    Examples:
        >>> shares_by_epoch(planted_paths(np.zeros(10)))
        {'real': [1.0, 1.0], 'mirrored': [1.0, 1.0], 'at right angles': [0.0, 1.0]}
    """
    ways = {"real": (0.0,), "mirrored": MIRRORED, "at right angles": RIGHT_ANGLES}
    return {
        name: [
            float(np.mean([features.share_inside(turned(past, features.last, angle)) for angle in angles]))
            for past in features.past
        ]
        for name, angles in ways.items()
    }


def inside_by_epoch(features: LastLayer, *, bound: str) -> Lines:
    """Return the figure of ``shares_by_epoch``; ``bound`` is the name of the criterion whose bound is drawn.

    Examples:
        >>> list(inside_by_epoch(planted_paths(np.zeros(10)), bound="").series)
        ['real', 'mirrored', 'at right angles']
    """
    axes = "epoch u", "share inside the region of argmax f_t"
    return Lines(features.epochs[:-1], shares_by_epoch(features), *axes, bound=bound, over_epochs=True)


def planted_paths(directions: npt.NDArray[np.float64], *, length: float = 4.0, others: int = 0) -> LastLayer:
    """Return planted paths of two features at three epochs among ten regions, which are equal sectors of the plane.

    Each path ends in the middle of its sector, at distance 10 from the centre and 3.1 from the sector's borders.

    Args:
        directions: direction from the end of each path to its past, in radians, (N,); 0 points to the centre.
        length: distance of the earliest point from the end.
        others: number of sectors by which all images are moved on, as in another training.

    Examples:
        >>> planted_paths(np.zeros(10)).past.shape  # two past epochs, an image a sector, two features
        (2, 10, 2)
    """
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    middles = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = 10 * middles[(np.arange(len(directions)) + others) % CLASSES]
    inwards = ends * (1 - np.array([length, length / 2, 0]) / 10)[:, None, None]
    return LastLayer.planted(turned(inwards, ends, directions), middles)
