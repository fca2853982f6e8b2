"""Drawings of decision regions: the plane coloured by class, and paths that end in a dot."""

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from featdyn_core.errors import EvidenceError
from featdyn_core.report.axes import Axis, dots, path
from featdyn_core.report.drawing import INK, style
from featdyn_core.report.figures import saved
from featdyn_core.verdicts.plane import CLASSES, Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
"""Colours of the classes: matplotlib's ten (tab10)."""

_PALE = 0.35
"""Opacity of the regions, so that paths of the same colour show on them."""

_SIZE = 5.0, 4.4
"""Width and height of a file's figure in inches."""

_AREA = 40, 4, 311, 250
"""Left, top, width and height of a page's picture without its ticks, in pixels."""


@dataclass(frozen=True)
class PlanePanel:
    """A picture as a page draws it.

    Attributes:
        title: title of the picture.
        words: the seed and the epochs.
        x: axis of the first feature.
        y: axis of the second.
        cell: width and height of a cell of the regions, in pixels.
        regions: letter of a class to the number of its colour, and its cells as a path in units of a cell.
        centres: letter to its place, in pixels.
        paths: for each image, the number of its colour, its path in steps of ``axes.FINE``, and the path's end.
    """

    look: ClassVar[str] = "plane"

    title: str
    words: str
    x: Axis
    y: Axis
    cell: tuple[float, float]
    regions: dict[str, tuple[int, str]]
    centres: dict[str, tuple[float, float]]
    paths: list[tuple[int, str, str]]


def plane_panel(plane: Plane, title: str) -> PlanePanel:
    """Lay a picture out for a page.

    An ``EvidenceError`` is raised if the regions are not a grid of class letters, or if a path lacks a point for an
    epoch.
    """
    check_plane(plane, title)
    left, top, width, height = _AREA
    x = Axis(plane.x[0], plane.x[1], left, left + width)
    y = Axis(plane.y[0], plane.y[1], top + height, top)
    regions: dict[str, str] = {}
    middles: dict[str, list[tuple[float, float]]] = {}
    for row, line in enumerate(plane.regions):
        for letter, column, cells in _runs(line):
            regions[letter] = regions.get(letter, "") + f"M{column} {row}h{cells}v1h-{cells}z"
            middles.setdefault(letter, []).extend((place + 0.5, row + 0.5) for place in range(column, column + cells))
    cell = width / len(plane.regions[0]), height / len(plane.regions)
    centres = {
        letter: (left + cell[0] * sum(x for x, _ in at) / len(at), top + cell[1] * sum(y for _, y in at) / len(at))
        for letter, at in middles.items()
    }
    paths = [list(zip(map(x.place, one.x), map(y.place, one.y), strict=True)) for one in plane.paths]
    return PlanePanel(
        title=title,
        words=f"seed {plane.seed}, epochs {plane.epochs[0]} to {plane.epochs[-1]}",
        x=x,
        y=y,
        cell=cell,
        regions={letter: (_colour(letter), drawn) for letter, drawn in regions.items()},
        centres=centres,
        paths=[(_colour(one.label), path(at), dots(at[-1:])) for one, at in zip(plane.paths, paths, strict=True)],
    )


def _colour(letter: str) -> int:
    """Return the number of a class's colour; letters distinguish classes that share a colour."""
    return CLASSES.index(letter) % len(COLOURS)


def _runs(line: str) -> Iterator[tuple[str, int, int]]:
    """Yield letter, first column and length of each run of cells of one class."""
    at = 0
    for letter, cells in itertools.groupby(line):
        length = len(list(cells))
        yield letter, at, length
        at += length


def plane_files(plane: Plane, name: str) -> dict[str, bytes]:
    """Draw a picture with its name as the title, and return its files by their kind (see ``figures.saved``).

    It raises an ``EvidenceError`` in the same cases as ``plane_panel``.
    """
    return saved(_draw(plane, name), name)


def plane_csv(plane: Plane) -> str:
    """Return the paths, one point a line: number of the path, its label, epoch, both features."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "epoch", "first feature", "second feature"])
    for number, one in enumerate(plane.paths):
        points = zip(plane.epochs, one.x, one.y, strict=True)
        writer.writerows([number, one.label, *point] for point in points)
    return text.getvalue()


def _draw(plane: Plane, name: str) -> "Figure":
    check_plane(plane, name)
    with style(name):
        from matplotlib.colors import to_rgba_array
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot(xlabel="first feature", ylabel="second feature")
        colours = to_rgba_array([COLOURS[_colour(letter)] for letter in CLASSES])
        regions = np.array([[CLASSES.index(cell) for cell in row] for row in plane.regions])
        axes.imshow(
            colours[regions],
            extent=(plane.x[0], plane.x[1], plane.y[0], plane.y[1]),
            aspect="auto",
            interpolation="nearest",
            alpha=_PALE,
        )
        for one in plane.paths:
            colour = colours[CLASSES.index(one.label)]
            axes.plot(one.x, one.y, "-", color=INK, linewidth=2.2)
            axes.plot(one.x, one.y, "-", color=colour, linewidth=1.2)
            axes.plot(one.x[-1:], one.y[-1:], "o", color=colour, markeredgecolor=INK, markersize=5)
        for number in np.unique(regions):
            row, column = np.argwhere(regions == number).mean(axis=0) + 0.5
            place = column / regions.shape[1], 1 - row / regions.shape[0]
            axes.annotate(CLASSES[number], place, xycoords="axes fraction", ha="center", va="center", fontsize=12)
        axes.set_xlim(*plane.x)
        axes.set_ylim(*plane.y)
        title = f"{name}, seed {plane.seed}, epochs {plane.epochs[0]} to {plane.epochs[-1]}"
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=9, wrap=True)
    return figure


def check_plane(plane: Plane, name: str) -> None:
    """Refuse a picture that cannot be drawn.

    Args:
        plane: to draw.
        name: in the error's message.

    Raises:
        EvidenceError: the regions are not a grid of class letters, or a path lacks a point for an epoch.
    """
    lengths = {len(row) for row in plane.regions}
    letters = set("".join(plane.regions)) | {path.label for path in plane.paths}
    if len(lengths) != 1 or 0 in lengths or not letters <= set(CLASSES):
        raise EvidenceError(f"picture {name!r}: its regions are not a grid of class letters")
    points = {len(part) for path in plane.paths for part in (path.x, path.y)}
    ascending = all(len(ends) == 2 and ends[0] < ends[1] for ends in (plane.x, plane.y))
    if not plane.epochs or points - {len(plane.epochs)} or not ascending:
        raise EvidenceError(f"picture {name!r}: it lacks the ends of an axis, or a path lacks a point for an epoch")
