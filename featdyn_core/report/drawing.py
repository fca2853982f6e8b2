"""Drawings of curves: their series over seeds, with the bound and the window of the claim.

matplotlib takes long to import, so it is imported when the first curve is drawn: the test plugin draws none.
"""

import contextlib
import itertools
import math
import os
import sys
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featdyn_core.errors import EvidenceError
from featdyn_core.verdicts.criterion import Criterion
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Near-black of text and axes."""

LETTERS = 11.5
"""Size of all letters, in points."""

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", INK, "#8822ee")
"""Colours of the series: those of Okabe and Ito (2008) that show on white and on black, ink, violet."""

_STYLES = ("-", "--", "-.", ":", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)))
"""Line styles of the series. Their number shares no factor with the number of colours, so that forty series differ in
colour or style, and neighbours differ in both."""

MARKED = 12
"""Up to this many points each is marked: it shows at which epochs there was a checkpoint."""

_TITLE = 62
"""Letters in a line of a figure's title."""

_LABEL = 43
"""Most letters in the name of an axis or a series; letters of double width count twice."""

_UPRIGHT = 24
"""Letters in a line of the name of the ordinates."""

_WIDTHS = 4.5, 1.8
"""Line widths of the first and the last series' mean, in points."""

FAR = 3.0
"""A bound further from the middle of the axis than this many heights is named and not drawn, because the curves would
have no height left."""

_FROM, _TO = {"above": 10, "below": 11}, {"above": 6, "below": 7}
"""matplotlib's markers: carets that start at their place and point up or down, and that end there."""

_SIZE, _ROW = (5.0, 3.2), 0.23
"""Width and height of a figure without its legend, and height of a row of that, in inches."""

_LEGEND, _HANDLE = 53, 9
"""Letters in a row of the legend, and those for which the line before a label takes space."""


@dataclass(frozen=True)
class Marks:
    """The parts of a claim that a figure shows, besides the steps of the learning rate.

    Attributes:
        bound: the criterion whose bound is a horizontal line.
        window: name and ends of a shaded span.
    """

    bound: Criterion | None = None
    window: tuple[str, float, float] | None = None

    def shaded(self, x: Sequence[float]) -> tuple[str, float, float] | None:
        """Return the window, unless it covers all of the abscissae."""
        if self.window and self.window[1] <= min(x) <= max(x) <= self.window[2]:
            return None
        return self.window


UNMARKED = Marks()


def marks(row: Evidence, curve: Curve) -> Marks:
    """Return the bound and the window that a curve of a row names."""
    ends = row.windows.get(curve.window)
    return Marks(row.criterion(curve.bound), (curve.window, ends[0], ends[1]) if ends else None)


@contextlib.contextmanager
def style(name: str) -> Iterator[None]:
    """Use matplotlib's defaults and the settings below, independent of the user's own settings."""
    _import_matplotlib()
    import matplotlib
    from cycler import cycler

    settings: dict[Any, Any] = {
        "axes.prop_cycle": cycler(color=PALETTE * len(_STYLES)) + cycler(linestyle=_STYLES * len(PALETTE)),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": LETTERS,
        "legend.frameon": False,
        "legend.columnspacing": 1.6,
        "legend.handlelength": 3.0,
        "pdf.fonttype": 42,  # letters as letters: publishers refuse type 3
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,  # labels are words: a dollar sign in one is a dollar sign
        **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
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


def draw(curve: Curve, name: str, marks: Marks) -> "Figure":
    """Return a figure: its name, one thin line a seed and a thick one for the mean of each series, and the marks.

    No series, and one without an ordinate for each seed and abscissa, are an ``EvidenceError``.
    """
    check_curve(curve, name)
    with style(name):
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        axes = figure.add_subplot()
        _fill(axes, curve, marks)
        _draw_legend(figure, axes)
        title = textwrap.wrap(name, _TITLE, max_lines=3, placeholder=" …")
        figure.suptitle("\n".join(title), x=0.01, horizontalalignment="left", fontsize=9)
    return figure


def draw_on(axes: "Axes", curve: Curve, name: str, marks: Marks) -> None:
    """Draw a curve and its marks on given axes, with a legend inside them; raises as ``draw``."""
    check_curve(curve, name)
    _fill(axes, curve, marks)
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none")  # marks may lie behind it


def _fill(axes: "Axes", curve: Curve, marks: Marks) -> None:
    """Draw all but the legend."""
    upright = "\n".join(textwrap.wrap(_short(curve.y_label, _LABEL), _UPRIGHT))
    axes.set(xlabel=_short(curve.x_label, _LABEL), ylabel=upright)
    _draw_axes(axes, curve)
    _draw_series(axes, curve)
    _draw_window(axes, curve, marks.shaded(curve.x))
    _draw_bound(axes, marks.bound)
    _place_ticks(axes)


def check_curve(curve: Curve, name: str) -> None:
    """Refuse a curve that cannot be drawn.

    Args:
        curve: to draw.
        name: in the error's message.

    Raises:
        EvidenceError: no series, or one without an ordinate for each seed and abscissa.
    """
    if not curve.series:
        raise EvidenceError(f"curve {name!r} has no series: leave it out")
    for label, seeds in curve.series.items():
        if any(len(line) != len(curve.x) for line in seeds) or not seeds:
            lengths = ", ".join(str(len(line)) for line in seeds) or "none"
            raise EvidenceError(
                f"curve {name!r}, series {label!r}: each seed needs {len(curve.x)} ordinates, one for each "
                f"abscissa; found {lengths}"
            )


def _draw_axes(axes: "Axes", curve: Curve) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(color=INK, alpha=0.12, linewidth=0.6)
    axes.margins(x=0.02)
    if all(float(x).is_integer() for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    if curve.log and any(number > 0 for seeds in curve.series.values() for line in seeds for number in line):
        axes.set_yscale("log")


def _draw_series(axes: "Axes", curve: Curve) -> None:
    """Draw each mean thinner than the one below it, so that all show where they coincide; and every seed."""
    marker = "o" if len(curve.x) <= MARKED else ""
    widths = np.linspace(*_WIDTHS, len(curve.series)) if len(curve.series) > 1 else _WIDTHS[1:]
    for (label, seeds), width in zip(curve.series.items(), widths, strict=True):
        (mean,) = axes.plot(
            curve.x,
            np.mean(seeds, axis=0),
            marker=marker,
            markersize=width + 2,
            linewidth=width,
            label=_short(label, _LABEL),
        )
        look: dict[str, Any] = {
            "color": mean.get_color(),
            "linestyle": mean.get_linestyle(),
            "linewidth": 0.7,
            "alpha": 0.45,
        }
        axes.plot(curve.x, np.transpose(seeds), **look)


def _draw_window(axes: "Axes", curve: Curve, window: tuple[str, float, float] | None) -> None:
    """Shade a window, and draw the steps of the learning rate."""
    limits = axes.get_xlim()
    if window:
        name, *ends = window
        axes.axvspan(*ends, color=INK, alpha=0.08, linewidth=0, label=_short(f"window {name}", _LABEL))
    for number, step in enumerate(curve.steps):
        label = None if number else "step of the rate"
        axes.axvline(step, color=INK, linewidth=1.2, linestyle=(0, (1.5, 2.5)), label=label)
    axes.set_xlim(limits)


def _draw_bound(axes: "Axes", criterion: Criterion | None) -> None:
    """Draw a bound with arrows to the side on which its criterion holds; far from the data an arrow at the edge."""
    if not criterion or criterion.direction not in _FROM:
        return
    scale, bound = axes.yaxis.get_transform(), criterion.bound
    words = f"holds {criterion.direction} {bound:g}"
    low, high, place = scale.transform(np.array([*axes.get_ylim(), bound], float))
    side = "below" if place < low else "above"
    if not abs(place - (low + high) / 2) <= FAR * (high - low):
        axes.set_ylim(axes.get_ylim())
        edge: dict[str, Any] = {"transform": axes.transAxes, "marker": _TO[side], "linestyle": "none"}
        axes.plot(
            [0.5], [0 if side == "below" else 1], color=INK, clip_on=False, label=f"{words} ({side} the axis)", **edge
        )
        return
    margin = 0.08 * (max(high, place) - min(low, place))
    ends = scale.inverted().transform(np.array([min(low, place - margin), max(high, place + margin)]))
    line: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "linewidth": 1.2,
        "dashes": (6, 2),
        "marker": _FROM[criterion.direction],
    }
    axes.plot([0.01, 0.99], [bound, bound], color=INK, markersize=7, label=words, **line)
    axes.set_ylim(*map(float, ends))


def _place_ticks(axes: "Axes") -> None:
    """Spell the ticks of a logarithmic axis as numbers, at the powers of ten if it has several of them."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    if axes.get_yscale() != "log":
        return
    low, high = axes.get_ylim()
    few = high / low < 10
    axes.yaxis.set_major_locator(MaxNLocator(5) if few else LogLocator(subs=(1, 2, 5) if high / low < 1e3 else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))


def _draw_legend(figure: "Figure", axes: "Axes") -> None:
    """Write the legend below the axes, row by row, and make the figure as much higher."""
    handles, labels = axes.get_legend_handles_labels()

    def width(columns: int) -> int:
        return sum(max(map(len, labels[place::columns])) + _HANDLE for place in range(columns))

    columns = max(number for number in range(1, len(labels) + 1) if number == 1 or width(number) <= _LEGEND)
    order = [place for column in range(columns) for place in range(column, len(labels), columns)]
    figure.set_size_inches(_SIZE[0], _SIZE[1] + _ROW * math.ceil(len(labels) / columns))
    chosen = [handles[place] for place in order], [labels[place] for place in order]
    figure.legend(*chosen, loc="outside lower left", ncols=columns)
