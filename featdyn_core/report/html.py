"""Evidence for readers: a table for the terminal, one HTML file for everybody else, figures as PNG files."""

import datetime
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.errors import EvidenceError
from featdyn_core.report.figures import curve_png, curve_svg, interval_strip
from featdyn_core.verdicts.claim import Evidence, Finding, Outcome, Role, Verdict
from featdyn_core.verdicts.evidence import adjusted_p_values

_HEAD = ("claim", "subject", "scale", "verdict", "control", "seeds", "Holm p")
_DROPPED = ("scale", "seeds", "Holm p", "control")
"""Columns of the terminal table that are left out, in this order, where the terminal is too narrow."""

_NOTHING = "–"
_INDENT = "  "


def hinge(row: Evidence) -> Finding | None:
    """Return the finding that the verdict hangs on; None if nothing was measured.

    It is the one nearest to failing, or furthest in it, that is with the largest p-value: of the controls if
    the verdict is INVALID, else of the deciding criteria, whose p-value is then the row's own.
    """
    role = Role.CONTROL if row.verdict is Verdict.INVALID else Role.DECIDES
    return max(row.of(role), key=lambda finding: finding.p_value, default=None)


def terminal_table(rows: Sequence[Evidence], width: int) -> list[str]:
    """Return the rows as lines of plain text, none longer than the terminal.

    Two lines a row: what was decided, and the criterion that the verdict hangs on (see ``hinge``) with its
    interval and bound. Where nothing was measured the reason stands instead, in full.

    Args:
        rows: in the order to show them.
        width: of the terminal, in characters.

    Raises:
        EvidenceError: there are no rows.
    """
    _need(rows)
    adjusted = adjusted_p_values(rows)
    heads = _aligned([_HEAD, *(_head(row, holm) for row, holm in zip(rows, adjusted, strict=True))], width)
    titles = "decided by", f"estimate [{_coverage(rows)}]", "bound"
    details = _aligned([titles, *(_detail(hinge(row)) for row in rows)], width - len(_INDENT))
    reasons = ["", *(row.reason for row in rows)]
    lines = []
    for head, detail, reason in zip(heads, details, reasons, strict=True):
        lines += [head, _INDENT + detail] if detail else [head]
        lines += textwrap.wrap(reason, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [line[:width] for line in lines]


def write_html(path: Path, rows: Mapping[str, Sequence[Evidence]] | Sequence[Evidence]) -> None:
    """Write one HTML file that needs no other file and no network; the same rows give the same bytes.

    Args:
        path: of the file; missing folders are made.
        rows: of one run, or of several by the name of each run's evidence file; Holm adjusts within a run.

    Raises:
        EvidenceError: there are no rows, a curve cannot be drawn, or the file cannot be written.
    """
    runs = rows if isinstance(rows, Mapping) else {"": rows}
    entries = [entry for name, run in runs.items() for entry in _entries(name, run)]
    _need(entries)
    _write(path, _render(entries).encode())


def write_figures(folder: Path, rows: Sequence[Evidence]) -> list[Path]:
    """Write every curve as ``<claim>-<subject>-<title>.png``, in lower case, and return the paths.

    Raises:
        EvidenceError: there are no rows, two curves would share a file name, a curve cannot be drawn, or a
            file cannot be written.
    """
    _need(rows)
    figures: dict[Path, bytes] = {}
    for row in rows:
        for title, curve in row.curves.items():
            name = f"{row.claim} on {row.subject}: {title}"
            path = folder / f"{_slug(row.claim, row.subject, title)}.png"
            if path in figures:
                raise EvidenceError(f"{name!r} is not the only curve for {path}: write each run into its own folder")
            figures[path] = curve_png(curve, name)
    for path, content in figures.items():
        _write(path, content)
    return list(figures)


@dataclass(frozen=True)
class _Entry:
    """One row as the HTML report shows it.

    Attributes:
        run: name of the run's evidence file, empty if there is only one.
        row: the row.
        hinge: see the function.
        control: worst outcome of its controls.
        holm: its adjusted p-value.
        figures: title to ``<svg>`` element.
    """

    run: str
    row: Evidence
    hinge: Finding | None
    control: str
    holm: float | None
    figures: dict[str, str]


def _entries(run: str, rows: Sequence[Evidence]) -> list[_Entry]:
    return [
        _Entry(
            run=run,
            row=row,
            hinge=hinge(row),
            control=_control(row),
            holm=holm,
            figures={
                title: curve_svg(curve, f"{run} {row.claim} on {row.subject}: {title}".strip())
                for title, curve in row.curves.items()
            },
        )
        for row, holm in zip(rows, adjusted_p_values(rows), strict=True)
    ]


def _render(entries: Sequence[_Entry]) -> str:
    import jinja2  # a test run, which shows no more than the terminal table, starts without it

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "interval": _interval,
        "coverage": _coverage,
        "bound": _bound,
        "p": _p_value,
        "duration": _duration,
        "slug": _slug,
        "strip": interval_strip,
    }
    counts = {verdict: sum(entry.row.verdict is verdict for entry in entries) for verdict in Verdict}
    return environment.get_template("report.html.jinja").render(
        entries=entries, counts=counts, runs=list(dict.fromkeys(entry.run for entry in entries))
    )


def _need(rows: Sequence[object]) -> None:
    if not rows:
        raise EvidenceError("there is no evidence to report: run the claims first, such as with pytest -m fast")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error}") from error


def _aligned(table: Sequence[Sequence[str]], width: int) -> list[str]:
    """Align columns, titles first; to fit the width leave some out, then shorten the first."""
    columns = {column[0]: column for column in zip(*table, strict=True)}
    spaces = {title: max(map(len, column)) for title, column in columns.items()}

    def excess() -> int:
        return sum(spaces.values()) + len(_INDENT) * (len(spaces) - 1) - width

    for title in _DROPPED:
        if excess() > 0:
            spaces.pop(title, None)
    first = table[0][0]
    spaces[first] = max(1, spaces[first] - max(0, excess()))
    cells = [[_shorten(cell, space).ljust(space) for cell in columns[title]] for title, space in spaces.items()]
    return [_INDENT.join(line).rstrip() for line in zip(*cells, strict=True)]


def _head(row: Evidence, holm: float | None) -> tuple[str, ...]:
    seeds = str(len(row.seeds)) if row.seeds else _NOTHING
    scale = f"{row.tier}/{row.scale}"
    return row.claim, row.subject, scale, str(row.verdict), _control(row), seeds, _p_value(holm)


def _detail(finding: Finding | None) -> tuple[str, ...]:
    return (finding.criterion.name, _interval(finding), _bound(finding)) if finding else ("", "", "")


def _control(row: Evidence) -> str:
    """Worst outcome of the controls."""
    found = {finding.outcome for finding in row.of(Role.CONTROL)}
    return next(
        (str(outcome) for outcome in (Outcome.FAILS, Outcome.UNDECIDED, Outcome.HOLDS) if outcome in found),
        _NOTHING,
    )


def _shorten(text: str, space: int) -> str:
    return text if len(text) <= space else text[: space - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _coverage(rows: Sequence[Evidence]) -> str:
    """Return what the rows' intervals are, such as "95 % interval"."""
    levels = sorted({finding.interval.confidence for row in rows for finding in row.findings})
    return f"{' or '.join(f'{100 * level:g} %' for level in levels)} interval".lstrip()


def _interval(finding: Finding) -> str:
    found = finding.interval
    return f"{_number(found.estimate)} [{_number(found.low)}, {_number(found.high)}]"


def _bound(finding: Finding) -> str:
    return f"{'>' if finding.criterion.above else '<'} {finding.criterion.bound:g}"


def _p_value(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{datetime.timedelta(seconds=round(seconds))} h"


def _slug(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
