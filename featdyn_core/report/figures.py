"""Figures of the report: a curve as SVG for a page, as a file, and as a table."""

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from featdyn_core.report.drawing import INK, UNMARKED, Marks, draw, style
from featdyn_core.verdicts.curve import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curve_svg(curve: Curve, name: str, marks: Marks = UNMARKED) -> str:
    """Draw a curve as one ``<svg>`` element to stand inside an HTML page, in the page's text colour.

    No series, and one without an ordinate for each seed and abscissa, are an ``EvidenceError``.

    Args:
        curve: what to draw; where a seed has no number the lines have a gap.
        name: in error messages, and what keeps the identifiers of several figures of one page apart.
        marks: what else is drawn.

    Returns:
        Mark-up without date and without reference to anything outside it: the same for the same numbers.
    """
    return in_page(draw(curve, name, marks), name)


def in_page(figure: "Figure", name: str) -> str:
    """Return a figure as one ``<svg>`` element to stand inside an HTML page (see ``curve_svg``)."""
    drawn = saved(figure, name, "svg").decode()
    drawn = drawn[drawn.index("<svg") :]  # without XML declaration and document type
    # a style sheet would hold for the whole page, and groups are numbered alike in every figure
    drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<g) id="[\w.]+"', r"\1", drawn)
    # what follows halves a page of a hundred rows: no eye tells a tenth of a pixel
    drawn = re.sub(r"(\d\.\d)\d+(?=[ \"])", r"\1", drawn)
    drawn = re.sub(r"\s*\n\s*", " ", drawn).replace("> <", "><")
    drawn = _LINES.sub(_one_line, _MARKERS.sub(_together, drawn))
    return drawn.replace(INK, "currentColor").strip()


_MARKERS = re.compile(r'(?:<use [^>]*? style="([^"]*)"/>)(?:<use [^>]*? style="\1"/>)+')
"""Markers of one look, one after the other."""


_LINES = re.compile(r'<g><path d="[^"]*"( clip-path="[^"]*" style="[^"]*")/></g>(?:<g><path d="[^"]*"\1/></g>)+')
"""Lines of one look, one after the other, such as those of the seeds."""


def _one_line(lines: re.Match[str]) -> str:
    """Return lines of one look as one, broken where they were."""
    joined = " ".join(re.findall(r' d="([^"]*)"', lines[0]))
    return f'<g><path d="{joined}"{lines[1]}/></g>'


def _together(markers: re.Match[str]) -> str:
    """Return markers with their look said once."""
    look = f' style="{markers[1]}"'
    return f"<g{look}>{markers[0].replace(look, '')}</g>"


def curve_file(curve: Curve, name: str, kind: str, marks: Marks = UNMARKED) -> bytes:
    """Draw a curve, its name above it, as a file on white ground.

    What ``curve_svg`` refuses is an ``EvidenceError`` here too.

    Args:
        curve: what to draw.
        name: of the figure.
        kind: ``svg``, ``pdf``, or ``png`` with 150 dots an inch.
        marks: what else is drawn.
    """
    return saved(draw(curve, name, marks, titled=True), name, kind, facecolor="white")


def curve_csv(curve: Curve, seeds: Sequence[int]) -> str:
    """Return a curve's numbers, one ordinate a line: series, seed, abscissa, ordinate (empty where there is none).

    Args:
        curve: the curve.
        seeds: of each series' lines, in their order; counted from 0 where a series has another number of them.
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
"""What matplotlib would say in a file of when it was made and by what, by the file's kind."""


def saved(figure: "Figure", name: str, kind: str, **options: Any) -> bytes:
    """Return a figure as a file without a date, the same for the same numbers; transparent unless ``facecolor`` is."""
    undated = dict.fromkeys(_DATED[kind])
    with style(name):
        # Left to itself, matplotlib draws everything once more for the layout's sake.
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format=kind, dpi=150, transparent="facecolor" not in options, metadata=undated, **options
        )
    return buffer.getvalue()
