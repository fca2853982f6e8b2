"""Figures of the report: curves over seeds as SVG, PNG or CSV, intervals against their bounds as positions.

matplotlib takes long to import, so that happens when the first curve is drawn: the test plugin draws none.
"""

import contextlib
import csv
import io
import itertools
import math
import os
import re
import sys
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featdyn_core.errors import EvidenceError
from featdyn_core.verdicts.claim import Finding
from featdyn_core.verdicts.evidence import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#010203"
"""Near-black of text and axes; ``currentColor`` in SVG, so that a figure follows its page into dark mode."""

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", _INK, "#8822ee")
"""Colours of the series: those of Okabe and Ito (2008) that show on white and on black, ink, violet."""

_STYLES = ("-", "--", "-.", ":", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)))
"""Line styles of the series: as many as share no factor with the colours, so that forty series differ in one of them,
and neighbours in both."""

_MARKED = 12
"""Up to this many points each is marked: it shows at which epochs there was a checkpoint."""

_TITLE = 70
"""Letters in a line of a figure's title."""

_LABEL = 50
"""Most letters of the name of an axis or a series; one that is twice as wide counts twice."""

_MARGIN = 8.0
"""Free space on either side of an interval strip, in per cent of its width."""


@dataclass(frozen=True)
class Strip:
    """Where a finding's numbers lie on a horizontal line, in per cent of its width, each in [0, 100].

    Attributes:
        bound: the criterion's bound.
        low: lower end of the interval.
        estimate: mean over seeds.
        high: upper end of the interval.
        values: one a seed.
        holds: (start, width) of the part of the line in which the criterion holds.
    """

    bound: float
    low: float
    estimate: float
    high: float
    values: tuple[float, ...]
    holds: tuple[float, float]


def interval_strip(finding: Finding) -> Strip:
    """Lay a finding out on a line that just holds its values, its interval and its bound."""
    numbers = finding.criterion.bound, finding.interval.low, finding.interval.estimate, finding.interval.high
    least, most = min(*numbers, *finding.values), max(*numbers, *finding.values)

    def place(number: float) -> float:
        share = (number - least) / (most - least) if most > least else 0.5
        return round(_MARGIN + share * (100 - 2 * _MARGIN), 2)

    bound, low, estimate, high = map(place, numbers)
    holds = (bound, round(100 - bound, 2)) if finding.criterion.above else (0.0, bound)
    return Strip(bound, low, estimate, high, tuple(map(place, finding.values)), holds)


def curve_svg(curve: Curve, name: str) -> str:
    """Draw a curve as one ``<svg>`` element to stand inside an HTML page, in the page's text colour.

    Args:
        curve: what to draw; where a seed has no number the lines have a gap.
        name: in error messages, and what keeps the identifiers of several figures of one page apart.

    Returns:
        Mark-up without date and without reference to anything outside it: the same for the same numbers.

    Raises:
        EvidenceError: no series, or one without an ordinate for each seed and abscissa.
    """
    drawn = _saved(_drawn(curve, name), name, "svg").decode()
    drawn = drawn[drawn.index("<svg") :]  # without XML declaration and document type
    # a style sheet would hold for the whole page, and groups are numbered alike in every figure
    drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<g) id="[\w.]+"', r"\1", drawn)
    return drawn.replace(_INK, "currentColor").strip()


def curve_file(curve: Curve, name: str, kind: str) -> bytes:
    """Draw a curve, its name above it, as a file on white ground.

    Args:
        curve: what to draw.
        name: of the figure.
        kind: ``svg``, or ``png`` with 150 dots an inch.

    Raises:
        EvidenceError: as ``curve_svg``.
    """
    return _saved(_drawn(curve, name, titled=True), name, kind, facecolor="white")


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


@contextlib.contextmanager
def _style(name: str) -> Iterator[None]:
    """The figures' look: matplotlib's defaults and these, whatever the user's own settings."""
    _import_matplotlib()
    import matplotlib
    from cycler import cycler

    settings: dict[Any, Any] = {
        "axes.prop_cycle": cycler(color=PALETTE * len(_STYLES)) + cycler(linestyle=_STYLES * len(PALETTE)),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "legend.frameon": False,
        "legend.handlelength": 3.5,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,  # labels are words: a dollar sign in one is a dollar sign
        **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), _INK),
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        # An SVG's reader has the letters that the font lacks; in a PNG they are boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


def _import_matplotlib() -> None:
    """Import matplotlib for the first time, which fails where MPLBACKEND names a backend that is not installed.

    A notebook passes its own on to the processes that it starts. No figure here needs any; where the backend is
    one, it is the one of whoever uses matplotlib afterwards.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


def _short(text: str, most: int) -> str:
    """Return a label as long as there is space for it: one that is longer would leave none for the curves."""
    widths = itertools.accumulate(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    fitting = sum(width <= most for width in widths)
    return text if fitting == len(text) else f"{text[: fitting - 1]}…"


def _saved(figure: "Figure", name: str, kind: str, **options: Any) -> bytes:
    """Return a figure as a file without a date, the same for the same numbers; transparent unless ``facecolor`` is."""
    undated = dict.fromkeys(("Date", "Creator", "Format", "Type") if kind == "svg" else ("Software",))
    with _style(name):
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format=kind, dpi=150, transparent="facecolor" not in options, metadata=undated, **options
        )
    return buffer.getvalue()


def _drawn(curve: Curve, name: str, *, titled: bool = False) -> "Figure":
    with _style(name):
        figure = _figure(curve, name)
        if titled:
            figure.suptitle(
                "\n".join(textwrap.wrap(name, _TITLE, max_lines=3, placeholder=" …")),
                x=0.01,
                horizontalalignment="left",
                fontsize=9,
            )
    return figure


def _figure(curve: Curve, name: str) -> "Figure":
    """One thin line a seed and a thick one for the mean of each series."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not curve.series:
        raise EvidenceError(f"curve {name!r} has no series: leave it out")
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel=_short(curve.x_label, _LABEL), ylabel=_short(curve.y_label, _LABEL))
    axes.grid(color=_INK, alpha=0.12, linewidth=0.6)
    axes.margins(x=0.02)
    if all(float(x).is_integer() for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    for label, seeds in curve.series.items():
        if any(len(line) != len(curve.x) for line in seeds) or not seeds:
            lengths = ", ".join(str(len(line)) for line in seeds) or "none"
            raise EvidenceError(
                f"curve {name!r}, series {label!r}: each seed needs {len(curve.x)} ordinates, one for each "
                f"abscissa; found {lengths}"
            )
        marker = "o" if len(curve.x) <= _MARKED else ""
        (mean,) = axes.plot(
            curve.x, np.mean(seeds, axis=0), marker=marker, markersize=4, linewidth=2, label=_short(label, _LABEL)
        )
        axes.plot(
            curve.x,
            np.transpose(seeds),
            color=mean.get_color(),
            linestyle=mean.get_linestyle(),
            linewidth=0.7,
            alpha=0.45,
        )
    figure.legend(loc="outside right center")
    return figure
