"""Evidence for readers: one HTML file that needs no other, and figures as PNG files."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.errors import EvidenceError
from featdyn_core.report import wording
from featdyn_core.report.figures import curve_png, curve_svg, interval_strip
from featdyn_core.verdicts.claim import Finding, Verdict
from featdyn_core.verdicts.evidence import Evidence, adjusted_p_values


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
            hinge=wording.hinge(row),
            control=wording.control(row),
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
        "number": wording.number,
        "interval": wording.interval,
        "coverage": wording.coverage,
        "bound": wording.bound,
        "p": wording.p_value,
        "duration": _duration,
        "slug": _slug,
        "strip": interval_strip,
        "scale": wording.scale,
        "verdict": wording.verdict,
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


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{datetime.timedelta(seconds=round(seconds))} h"


def _slug(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
