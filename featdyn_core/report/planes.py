"""Pictures of decision regions drawn: the plane coloured by class, paths with a dot where they end."""

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from featdyn_core.errors import EvidenceError
from featdyn_core.report.drawing import INK, style
from featdyn_core.report.figures import in_page, saved
from featdyn_core.verdicts.plane import CLASSES, Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PALE = 0.35
"""Opacity of the regions, so that paths of the same colour show on them."""

_SIZE = 5.0, 4.4
"""Width and height in inches."""


def plane_svg(plane: Plane, name: str) -> str:
    """Draw a picture to stand inside an HTML page (see ``figures.curve_svg``).

    Regions that are no grid of letters of classes are an ``EvidenceError``, and so is a path without a point for each
    epoch.
    """
    return in_page(_draw(plane, name), name)


def plane_file(plane: Plane, name: str, kind: str) -> bytes:
    """Draw a picture, its name above it, as a file on white ground (see ``figures.curve_file``).

    What ``plane_svg`` refuses is an ``EvidenceError`` here too.
    """
    return saved(_draw(plane, name, titled=True), name, kind, facecolor="white")


def plane_csv(plane: Plane) -> str:
    """Return the paths, one point a line: number of the path, its label, epoch, both features."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "epoch", "first feature", "second feature"])
    for number, path in enumerate(plane.paths):
        points = zip(plane.epochs, path.x, path.y, strict=True)
        writer.writerows([number, path.label, *point] for point in points)
    return text.getvalue()


def _draw(plane: Plane, name: str, *, titled: bool = False) -> "Figure":
    _check(plane, name)
    with style(name):
        from matplotlib import colormaps
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot(xlabel="first feature", ylabel="second feature")
        colours = colormaps["tab10"](
            np.arange(len(CLASSES)) % 10
        )  # those of classes ten apart are told by their letters
        regions = np.array([[CLASSES.index(cell) for cell in row] for row in plane.regions])
        axes.imshow(
            colours[regions],
            extent=(plane.x[0], plane.x[1], plane.y[0], plane.y[1]),
            aspect="auto",
            interpolation="nearest",
            alpha=_PALE,
        )
        for path in plane.paths:
            colour = colours[CLASSES.index(path.label)]
            axes.plot(path.x, path.y, "-", color=INK, linewidth=2.2)
            axes.plot(path.x, path.y, "-", color=colour, linewidth=1.2)
            axes.plot(path.x[-1:], path.y[-1:], "o", color=colour, markeredgecolor=INK, markersize=5)
        for number in np.unique(regions):
            row, column = np.argwhere(regions == number).mean(axis=0) + 0.5
            place = column / regions.shape[1], 1 - row / regions.shape[0]
            axes.annotate(CLASSES[number], place, xycoords="axes fraction", ha="center", va="center", fontsize=12)
        axes.set_xlim(*plane.x)
        axes.set_ylim(*plane.y)
        title = f"{name}, seed {plane.seed}, epochs {plane.epochs[0]} to {plane.epochs[-1]}"
        if titled:
            figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=9, wrap=True)
    return figure


def _check(plane: Plane, name: str) -> None:
    lengths = {len(row) for row in plane.regions}
    letters = set("".join(plane.regions)) | {path.label for path in plane.paths}
    if len(lengths) != 1 or 0 in lengths or not letters <= set(CLASSES):
        raise EvidenceError(f"picture {name!r}: its regions are no grid of letters of classes")
    points = {len(part) for path in plane.paths for part in (path.x, path.y)}
    if not plane.epochs or points - {len(plane.epochs)} or not len(plane.x) == len(plane.y) == 2:
        raise EvidenceError(f"picture {name!r}: it lacks ends, or a path has no point for each of its epochs")
