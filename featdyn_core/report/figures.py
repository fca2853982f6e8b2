"""Files of figures: a curve as drawn by matplotlib, and as a table."""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from featdyn_core.report.drawing import UNMARKED, Marks, draw, style
from featdyn_core.verdicts.curve import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


KINDS = ("png", "svg", "pdf")
"""Kinds of files for each figure; a PNG has 150 dots per inch."""


def curve_files(curve: Curve, name: str, marks: Marks = UNMARKED) -> dict[str, bytes]:
    """Draw a curve, its name above it, and return its files by their kind (see ``saved``).

    A curve without series, or a series that lacks an ordinate for a seed and an abscissa, is an ``EvidenceError``.

    Args:
        curve: to draw; its lines have a gap where a seed has no number.
        name: name of the figure.
        marks: bound and window to draw.
    """
    return saved(draw(curve, name, marks), name)


def curve_csv(curve: Curve, seeds: Sequence[int]) -> str:
    """Return a curve's numbers, one ordinate per line: series, seed, abscissa, ordinate (empty where there is none).

    Args:
        curve: the curve.
        seeds: seeds of each series' lines, in their order; counted from 0 where a series has another number of them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["series", "seed", curve.x_label, curve.y_label])
    for label, lines in curve.series.items():
        for seed, line in zip(seeds if len(seeds) == len(lines) else range(len(lines)), lines, strict=True):
            points = zip(curve.x, line, strict=True)
            writer.writerows(
                [label, seed, *("" if math.isnan(number) else number for number in point)] for point in points
            )
    return text.getvalue()


_DATED = {
    "svg": ("Date", "Creator", "Format", "Type"),
    "pdf": ("CreationDate", "Creator", "Producer"),
    "png": ("Software",),
}
"""Kind of a file to the metadata about date and software that matplotlib would write."""


def saved(figure: "Figure", name: str) -> dict[str, bytes]:
    """Return a figure's files by their kind: on white ground, without a date, the same for the same numbers."""
    files = {}
    with style(name):
        # Otherwise matplotlib computes the layout again, and so draws everything twice, for each file.
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)
        for kind in KINDS:
            buffer = io.BytesIO()
            undated = dict.fromkeys(_DATED[kind])
            figure.savefig(buffer, format=kind, dpi=150, metadata=undated, facecolor="white")
            files[kind] = buffer.getvalue()
    return files
