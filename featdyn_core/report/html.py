"""Evidence for readers: one HTML file that needs no other, figures as files, and rows as a table for programs."""

import csv
import hashlib
import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featdyn_core.errors import EvidenceError
from featdyn_core.report import outline, wording
from featdyn_core.report.columns import Table, columns, filled, legend, lines
from featdyn_core.report.drawing import marks
from featdyn_core.report.figures import curve_csv, curve_file, curve_svg
from featdyn_core.report.multiverse import CURVE, specification_csv, specification_file, specification_svg
from featdyn_core.report.planes import plane_csv, plane_file, plane_svg
from featdyn_core.report.strips import interval_strip
from featdyn_core.report.sweeps import sweep_tables
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import Document
from featdyn_core.verdicts.evidence import RULE, Evidence

if TYPE_CHECKING:
    import jinja2

Rows = Document | Sequence[Evidence]
"""An evidence file, or its rows alone."""

_KINDS = ("png", "svg", "pdf")
"""Of files that a figure is drawn as."""

MOST_ROWS, MOST_FIGURES = 1000, 500
"""Of a page that shows all of each row; a larger one would be opened by no browser, and takes long to draw."""

_LONGEST_SLUG = 150
"""Letters of a file's name that are words, which leaves some for a digest and the kind."""


def write_html(
    path: Path, runs: Mapping[str, Rows] | Rows, *, meanings: Mapping[str, str] | None = None, repository: str = ""
) -> None:
    """Write one HTML file that needs no other file and no network; the same evidence gives the same bytes.

    No rows, a curve that cannot be drawn and a file that cannot be written are an ``EvidenceError``.

    Args:
        path: of the file; missing folders are made.
        runs: one run, or several by the name of each run's evidence file; Holm adjusts within a run.
        meanings: claim to what was found of it, in a sentence for the reader.
        repository: address of the code's repository, whose commits the page links to; empty for no links.
    """
    documents = _documents(runs)
    rows = [row for run in documents.values() for row in run.rows]
    large = len(rows) > MOST_ROWS or sum(map(_figures, rows)) > MOST_FIGURES
    # One row a claim is enough to look at a thousand; the figures of all are files.
    shown = {row.claim: id(row) for row in reversed(rows)}

    def draw(run: str, row: Evidence) -> dict[str, str]:
        return _drawn(run, row) if not large or shown[row.claim] == id(row) else {}

    entries: list[outline.Entry] = []
    for name, run in documents.items():
        entries += outline.entries(name, run.rows, draw, start=len(entries))
    _need(entries)
    heads = [outline.head(name, run) for name, run in documents.items() if run.rows]
    _write(path, _render(heads, entries, large=large, meanings=meanings or {}, repository=repository).encode())


def write_csv(path: Path, runs: Mapping[str, Rows] | Rows) -> None:
    """Write all rows with all columns that ``report.columns`` has for programs, decided or not.

    No rows and a file that cannot be written are an ``EvidenceError``.

    Args:
        path: of the file, in UTF-8; missing folders are made.
        runs: one run, or several by the name of each run's evidence file; Holm adjusts within a run.
    """
    found = [line for name, run in _documents(runs).items() for line in lines(run.rows, name)]
    _need(found)
    text = io.StringIO(newline="")
    writer, chosen = csv.writer(text, lineterminator="\n"), columns(Table.CSV)
    writer.writerow(column.name for column in chosen)
    writer.writerows([column.text(line) for column in chosen] for line in found)
    _write(path, text.getvalue().encode())


def write_figures(folder: Path, rows: Sequence[Evidence]) -> list[Path]:
    """Write every figure as ``<row>-<title>`` in lower case, as .png, .svg, .pdf and .csv, and return the paths.

    Raises:
        EvidenceError: there are no rows, two curves would share a file name, a curve cannot be drawn, or a
            file cannot be written.
    """
    _need(rows)
    files: dict[Path, bytes] = {}
    for row in rows:
        for title, contents in _contents(row):
            path = folder / _slug(row.id, title)
            if path.with_suffix(".png") in files:
                raise EvidenceError(
                    f"{_titled(row, title)!r} is not the only curve for {path}.png: write each run into its own folder"
                )
            files |= {path.with_suffix(f".{kind}"): content for kind, content in contents.items()}
    for path, content in files.items():
        _write(path, content)
    return list(files)


def _documents(runs: Mapping[str, Rows] | Rows) -> dict[str, Document]:
    named = runs if isinstance(runs, Mapping) else {"": runs}
    if len(named) == 1:  # there is no other to tell it from
        named = {"": next(iter(named.values()))}
    return {name: run if isinstance(run, Document) else Document(tuple(run)) for name, run in named.items()}


def _titled(row: Evidence, title: str) -> str:
    return f"{row.claim} on {row.subject} ({wording.scale(row)}): {title}"


def _contents(row: Evidence) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the title of each figure of a row, and its files by their kind."""
    for title, plane in row.planes.items():
        drawn = {kind: plane_file(plane, _titled(row, title), kind) for kind in _KINDS}
        yield title, drawn | {"csv": plane_csv(plane).encode()}
    for title, curve in row.curves.items():
        drawn = {kind: curve_file(curve, _titled(row, title), kind, marks(row, curve)) for kind in _KINDS}
        yield title, drawn | {"csv": curve_csv(curve, row.seeds).encode()}
    if row.multiverse:
        drawn = {kind: specification_file(row.multiverse, _titled(row, CURVE), kind) for kind in _KINDS}
        yield CURVE, drawn | {"csv": specification_csv(row.multiverse).encode()}


def _drawn(run: str, row: Evidence) -> dict[str, str]:
    """Return a row's figures, title to ``<svg>`` element."""

    def name(title: str) -> str:
        return f"{run} {row.id}: {title}".strip()

    planes = {title: plane_svg(plane, name(title)) for title, plane in row.planes.items()}
    curves = {title: curve_svg(curve, name(title), marks(row, curve)) for title, curve in row.curves.items()}
    last = {CURVE: specification_svg(row.multiverse, name(CURVE))} if row.multiverse else {}
    return planes | curves | last


def _figures(row: Evidence) -> int:
    return len(row.planes) + len(row.curves) + bool(row.multiverse)


def _no_strip(_: object) -> None:
    return None


def _render(heads: Sequence[outline.Head], entries: Sequence[outline.Entry], *, large: bool, **words: object) -> str:
    environment = _environment(large=large)
    registered = [entry for entry in entries if not entry.row.variation]
    chapters = outline.chapters(entries)
    shown = [chapter for chapter in chapters if chapter.shown]
    return environment.get_template("page.html.jinja").render(
        large=large,
        multiverses=any(entry.row.multiverse for entry in entries),
        heads=heads,
        claims=len(chapters),
        chapters=shown,
        targets=[chapter.claim for chapter in shown],
        places=outline.places(registered),
        summary=outline.summary(chapters),
        counts=outline.counts(registered),
        rows=sum(not entry.row.extension for entry in registered),
        extensions=sum(bool(entry.row.extension) for entry in registered),
        verdicts=[verdict for verdict in Verdict if any(entry.row.verdict is verdict for entry in entries)],
        subjects=list(dict.fromkeys(entry.row.subject for entry in entries)),
        sweeps=sweep_tables([entry.row for entry in entries]),
        provenance=outline.provenance(entries),
        makers=outline.makers(entries),
        undecided=[entry for entry in entries if not entry.row.verdict.decided],
        several=len(heads) > 1,
        filled=lambda table, shown: filled(Table[table], shown),
        limit=f"{wording.P_LIMIT:g}",
        marks=wording.MARKS,
        symbols=wording.SYMBOLS,
        **words,
    )


def _environment(*, large: bool) -> "jinja2.Environment":
    import jinja2  # a test run, which shows no more than the terminal table, starts without it

    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "answers": wording.answers,
        "number": wording.number,
        "interval": wording.interval,
        "coverage": wording.coverage,
        "bound": wording.bound,
        "hold": wording.seeds_that_hold,
        "remarks": wording.remarks,
        "legend": legend,
        "p": wording.p_value,
        "duration": _duration,
        "slug": _slug,
        "strip": _no_strip if large else interval_strip,
        "hinge": wording.hinge,
        "emphasis": _emphasis,
        "commit": lambda text: text.removesuffix("-dirty"),
    }
    environment.globals["rule"] = RULE
    return environment


def _emphasis(text: str) -> str:
    """Return a sentence of ``meanings.toml``, which is Markdown, as HTML."""
    escaped = html.escape(text)
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", marked)


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
