"""Evidence for readers: one HTML file that needs no other, and figures as files."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError
from featdyn_core.report import wording
from featdyn_core.report.drawing import marks
from featdyn_core.report.figures import curve_csv, curve_file, curve_svg
from featdyn_core.report.strips import interval_strip
from featdyn_core.verdicts.claim import Finding, Verdict
from featdyn_core.verdicts.evidence import Document, Evidence, adjusted_p_values

Rows = Document | Sequence[Evidence]
"""An evidence file, or its rows alone."""

_LONGEST_SLUG = 150
"""Letters of a file's name that are words, which leaves some for a digest and the kind."""


def write_html(path: Path, runs: Mapping[str, Rows] | Rows) -> None:
    """Write one HTML file that needs no other file and no network; the same evidence gives the same bytes.

    Args:
        path: of the file; missing folders are made.
        runs: one run, or several by the name of each run's evidence file; Holm adjusts within a run.

    Raises:
        EvidenceError: there are no rows, a curve cannot be drawn, or the file cannot be written.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    documents = {name: run if isinstance(run, Document) else Document(tuple(run)) for name, run in named.items()}
    entries = [entry for name, run in documents.items() for entry in _entries(name, run.rows)]
    _need(entries)
    heads = [_head(name, run) for name, run in documents.items() if run.rows]
    _write(path, _render(heads, entries).encode())


def write_figures(folder: Path, rows: Sequence[Evidence]) -> list[Path]:
    """Write every curve as ``<row>-<title>`` in lower case, as .png, .svg, .pdf and .csv, and return the paths.

    Raises:
        EvidenceError: there are no rows, two curves would share a file name, a curve cannot be drawn, or a
            file cannot be written.
    """
    _need(rows)
    files: dict[Path, bytes] = {}
    for row in rows:
        for title, curve in row.curves.items():
            name = f"{row.claim} on {row.subject} ({wording.scale(row)}): {title}"
            path = folder / f"{_slug(row.id, title)}.png"
            if path in files:
                raise EvidenceError(f"{name!r} is not the only curve for {path}: write each run into its own folder")
            for kind in ("png", "svg", "pdf"):
                files[path.with_suffix(f".{kind}")] = curve_file(curve, name, kind, marks(row, curve))
            files[path.with_suffix(".csv")] = curve_csv(curve, row.seeds).encode()
    for path, content in files.items():
        _write(path, content)
    return list(files)


@dataclass(frozen=True)
class _Head:
    """What the page says of a run before any of its rows.

    Attributes:
        name: of the run's evidence file, empty if there is only one.
        title: of the paper.
        arxiv: its number there.
        facts: in words, and what holds.
    """

    name: str
    title: str
    arxiv: str
    facts: dict[str, str]


@dataclass(frozen=True)
class _Entry:
    """One row as the page shows it.

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


def _head(name: str, run: Document) -> _Head:
    judges = [row.environment for row in run.rows] + [{}]
    environment = run.facts.get("environment") or judges[0]
    command = run.facts.get("command")
    facts = {
        "written": _at(run.facts, "written"),
        "commit": _at(environment, "commit"),
        "machine": ", ".join(filter(None, (_at(environment, "machine"), _at(environment, "host")))),
        "register": _at(run.facts, "register") or run.rows[0].register,
        "command": " ".join(map(str, command)) if isinstance(command, list) else "",
    }
    title, arxiv = (_at(run.facts, "paper", part) for part in ("title", "arxiv"))
    return _Head(name, title, arxiv, {word: fact for word, fact in facts.items() if fact})


def _at(facts: Any, *path: str) -> str:
    """Return the text at a place of what a file says of its run; empty where there is none."""
    for part in path:
        facts = facts.get(part) if isinstance(facts, dict) else None
    return facts if isinstance(facts, str) else ""


def _entries(run: str, rows: Sequence[Evidence]) -> list[_Entry]:
    return [
        _Entry(
            run=run,
            row=row,
            hinge=wording.hinge(row),
            control=wording.control(row),
            holm=holm,
            figures={
                title: curve_svg(curve, f"{run} {row.id}: {title}".strip(), marks(row, curve))
                for title, curve in row.curves.items()
            },
        )
        for row, holm in zip(rows, adjusted_p_values(rows), strict=True)
    ]


def _render(heads: Sequence[_Head], entries: Sequence[_Entry]) -> str:
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
        "makers": _makers,
    }
    claims: dict[str, list[_Entry]] = {}
    for entry in entries:
        if entry.row.verdict.decided:
            claims.setdefault(entry.row.claim, []).append(entry)
    return environment.get_template("report.html.jinja").render(
        heads=heads,
        claims=claims,
        undecided=[entry for entry in entries if not entry.row.verdict.decided],
        counts=_counts(entries),
        several=len(heads) > 1,
    )


def _counts(entries: Sequence[_Entry]) -> dict[Verdict, int]:
    found = {verdict: sum(entry.row.verdict is verdict for entry in entries) for verdict in Verdict}
    return {verdict: count for verdict, count in found.items() if count}


def _makers(row: Evidence) -> dict[str, list[str]]:
    """Fact to what it is for who judged a row, and for everyone who measured for it; facts that all lack left out."""
    makers = [row.environment, *row.measured]
    names = dict.fromkeys(name for maker in makers for name in maker)
    found = {name: [str(maker.get(name, "")) for maker in makers] for name in names}
    return {name: values for name, values in found.items() if any(values)}


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
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def _slug(*parts: str) -> str:
    """Return words as a file name of ASCII, below 200 bytes; what that leaves out is told apart by a digest."""
    text = "-".join(parts).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    if len(slug) <= _LONGEST_SLUG and not any(letter.isalnum() and not letter.isascii() for letter in text):
        return slug
    return f"{slug[:_LONGEST_SLUG]}-{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:8]}".strip("-")
