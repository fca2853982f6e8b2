"""A picture of decision regions in a plane, and of features that move among them."""

import math
from dataclasses import dataclass
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.tables import build

CLASSES = "0123456789abcdefghijklmnopqrstuvwxyz"
"""Letters of the classes, in their order."""


@dataclass(frozen=True)
class Path:
    """The positions of the two features of one image.

    Attributes:
        label: letter of its true class.
        x: first feature at each epoch of the plane.
        y: second feature at each epoch.
    """

    label: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True)
class Plane:
    """One seed's picture.

    Attributes:
        seed: the training seed.
        epochs: epochs of the paths, ascending; the last is the classifier's.
        x: smallest and largest first feature shown.
        y: smallest and largest second feature shown.
        regions: lines of a grid, from the largest second feature down; each letter is the class of a cell.
        paths: the paths of a few images.
    """

    seed: int
    epochs: list[int]
    x: list[float]
    y: list[float]
    regions: list[str]
    paths: list[Path]

    @classmethod
    def from_plain(cls, table: dict[str, Any], where: str) -> "Plane":
        """Return the picture whose fields were read from a file.

        Raises:
            RecipeError: it is not such a picture, or a coordinate is not finite.
        """
        plane = build(cls, table, where)
        lists = [plane.x, plane.y, *(numbers for path in plane.paths for numbers in (path.x, path.y))]
        if not all(math.isfinite(number) for numbers in lists for number in numbers):
            raise RecipeError(f"{where}: a coordinate is not finite")
        return plane
