"""Curves of a page as small multiples: one panel per depth, all panels of a figure on the same axes.

A page has figures of a hundred rows, so they are drawn without matplotlib, which draws only the files.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featdyn_core.report.axes import Axis, dots, fitted, path
from featdyn_core.report.drawing import FAR, MARKED, Marks, check_curve, marks
from featdyn_core.report.wording import asked
from featdyn_core.verdicts.criterion import Criterion
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence

SMALL, LARGE = (174, 132), (356, 216)
"""Width and height of a panel in pixels: of one among several, and of a single one.

Two small panels fit beside each other on a telephone, and so does one large panel."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 5, 16, 18
"""Pixels around the axes, for ticks and for the panel's title."""

_WIDTHS = 3.2, 1.4
"""Line widths of the first and the last series' mean, in pixels."""

_DEPTH = re.compile(r"(?:\s+at)?[\s,]*\b(depth \d+)\b[\s,]*")
"""The part of a title, or of the name of a series, that names the depth."""

_OWN = "at this depth"
"""The name of a series that only its depth names."""


@dataclass(frozen=True)
class Line:
    """One series in a panel.

    Attributes:
        look: number of its colour and dashes, the same for a series in every panel.
        width: width of the mean's line, in pixels; each is thinner than the one below it, so that all show.
        mean: its path, in the steps of ``axes.FINE``.
        seeds: paths of all seeds, one after the other.
        dots: dots of the mean, if there are few points.
    """

    look: int
    width: float
    mean: str
    seeds: str
    dots: str


@dataclass(frozen=True)
class Panel:
    """One panel: its series, and its title, which is empty for a single panel."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Multiples:
    """A figure of one panel or of several on the same axes.

    Attributes:
        title: title of the figure.
        panels: in the order of their depths.
        size: width and height of each, in pixels.
        x: axis of the abscissae.
        y: axis of the ordinates.
        x_label: with unit.
        y_label: with unit.
        legend: look to label, of each series once.
        bounds: heights of the bound's lines, in pixels.
        arrow: to the side on which the criterion holds: -1 upwards, 1 downwards, 0 for none.
        window: left edge and width of a shaded span, in pixels; empty for none.
        steps: abscissae at which the learning rate changes, in pixels.
        words: explanations of the bound, the window and the steps.
    """

    look: ClassVar[str] = "multiples"

    title: str
    panels: tuple[Panel, ...]
    size: tuple[int, int]
    x: Axis
    y: Axis
    x_label: str
    y_label: str
    legend: dict[int, str]
    bounds: tuple[float, ...]
    arrow: int
    window: tuple[float, ...]
    steps: tuple[float, ...]
    words: tuple[str, ...]


def multiples(row: Evidence) -> list[Multiples]:
    """Return a row's curves as figures, with a panel for each depth that a title or a series names.

    No series, and one without an ordinate for each seed and abscissa, are an ``EvidenceError``.
    """
    for title, curve in row.curves.items():
        check_curve(curve, f"{row.id}: {title}")
    return [_figure(title, parts, marks(row, next(iter(parts.values())))) for title, parts in _figures(row)]


def _figures(row: Evidence) -> list[tuple[str, dict[str, Curve]]]:
    """Return title and panels of each figure; curves whose titles differ only in their depths share a figure."""
    found: dict[object, tuple[str, dict[str, Curve]]] = {}
    for title, curve in row.curves.items():
        depth, rest = _split(title)
        if not depth:
            found[title] = title, _by_depth(curve)
            continue
        shared = curve.x_label, curve.y_label, curve.log, curve.bound, curve.window, tuple(curve.steps)
        found.setdefault((rest, *shared), (rest, {}))[1][depth] = curve
    return list(found.values())


def _split(label: str) -> tuple[str, str]:
    """Return the depth in a label, empty if there is none, and the rest of the label."""
    found = _DEPTH.search(label)
    if not found:
        return "", label
    return found[1], " ".join(filter(None, [label[: found.start()], label[found.end() :]]))


def _by_depth(curve: Curve) -> dict[str, Curve]:
    """Split a curve by the depths of its series, if there are several; a series without a depth is in every part."""
    named = {label: _split(label) for label in curve.series}
    depths = list(dict.fromkeys(depth for depth, _ in named.values() if depth))
    if len(depths) < 2:
        return {"": curve}
    shared = {label: curve.series[label] for label, (depth, _) in named.items() if not depth}
    parts = {}
    for depth in depths:
        own = {rest or _OWN: curve.series[label] for label, (of, rest) in named.items() if of == depth}
        parts[depth] = dataclasses.replace(curve, series=own | shared)
    return parts


def _figure(title: str, parts: dict[str, Curve], shown: Marks) -> Multiples:
    curves = list(parts.values())
    first, (width, height) = curves[0], SMALL if len(parts) > 1 else LARGE
    across = [x for curve in curves for x in curve.x]
    x = fitted(across, _LEFT, width - _RIGHT)
    y, near = _holding(curves, shown.bound, height - _BOTTOM, _TOP)
    labels = dict.fromkeys(label for curve in curves for label in curve.series)
    looks = {label: look for look, label in enumerate(labels)}
    window = shown.shaded(across)
    edges = [min(max(x.place(end), _LEFT), width - _RIGHT) for end in window[1:]] if window else []
    return Multiples(
        title=title,
        panels=tuple(Panel(depth, tuple(_lines(curve, x, y, looks))) for depth, curve in parts.items()),
        size=(width, height),
        x=x,
        y=y,
        x_label=first.x_label,
        y_label=first.y_label,
        legend={look: label for label, look in looks.items()},
        bounds=tuple(map(y.place, near)),
        arrow={"above": -1, "below": 1}.get(shown.bound.direction, 0) if shown.bound else 0,
        window=(edges[0], edges[1] - edges[0]) if edges else (),
        steps=tuple(map(x.place, first.steps)),
        words=tuple(_words(shown.bound, near, y, window, first.steps)),
    )


def _holding(
    curves: Sequence[Curve], criterion: Criterion | None, bottom: float, top: float
) -> tuple[Axis, list[float]]:
    """Return the axis of ordinates, and the ends of a bound that are near enough to lie on it."""
    log = curves[0].log
    numbers = [number for curve in curves for seeds in curve.series.values() for line in seeds for number in line]
    axis = fitted(numbers, bottom, top, log=log)
    ends = criterion.asked.ends if criterion else ()
    near = [end for end in ends if abs(axis.place(end) - (bottom + top) / 2) <= FAR * (bottom - top)]
    return (fitted([*numbers, *near], bottom, top, log=log) if near else axis), near


def _lines(curve: Curve, x: Axis, y: Axis, looks: dict[str, int]) -> Iterator[Line]:
    across = [x.place(number) for number in curve.x]
    widths = np.linspace(*_WIDTHS, len(curve.series)) if len(curve.series) > 1 else _WIDTHS[1:]
    for (label, seeds), width in zip(curve.series.items(), widths, strict=True):
        mean = list(zip(across, map(y.place, np.mean(seeds, axis=0).tolist()), strict=True))
        each = "".join(path(zip(across, map(y.place, line), strict=True)) for line in seeds) if len(seeds) > 1 else ""
        yield Line(looks[label], round(float(width), 1), path(mean), each, dots(mean) if len(mean) <= MARKED else "")


def _words(
    criterion: Criterion | None,
    near: Sequence[float],
    y: Axis,
    window: tuple[str, float, float] | None,
    steps: Sequence[float],
) -> Iterator[str]:
    if criterion:
        side = "above" if criterion.bound > y.high else "below"
        yield f"dashed: bound, must lie {asked(criterion)}" + ("" if near else f" ({side} the axis)")
    if window:
        yield f"shaded: window {window[0]}"
    if steps:
        yield f"dotted: step{'s' if len(steps) > 1 else ''} of the rate"
