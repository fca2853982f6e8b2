"""Evidence for readers as one self-contained HTML file, and rows as a table for programs."""

import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featdyn_core.report import outline, wording
from featdyn_core.report.columns import Table, columns, filled, legend, lines
from featdyn_core.report.drawing import INK, PALETTE
from featdyn_core.report.items import asked
from featdyn_core.report.multiverse import specification_panel
from featdyn_core.report.panels import multiples
from featdyn_core.report.planes import COLOURS, plane_panel
from featdyn_core.report.strips import interval_strip
from featdyn_core.report.sweeps import sweep_tables
from featdyn_core.report.writing import need, slug, write
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import Document
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.inference import LEVEL

if TYPE_CHECKING:
    import jinja2

Rows = Document | Sequence[Evidence]
"""An evidence file, or only its rows."""

MOST_ROWS, MOST_FIGURES = 1000, 1500
"""Largest page that shows everything of each row; browsers cannot open a larger one, and it takes long to draw."""


def write_html(
    path: Path, runs: Mapping[str, Rows] | Rows, *, meanings: Mapping[str, str] | None = None, repository: str = ""
) -> None:
    """Write one self-contained HTML file, which needs no network; the same evidence gives the same bytes.

    It raises an ``EvidenceError`` if there are no rows, or if a curve cannot be drawn or the file cannot be written.

    Args:
        path: path of the file; missing folders are made.
        runs: one run, or several by the name of each run's evidence file; Holm adjusts within a run.
        meanings: claim to its finding, in a sentence for the reader.
        repository: address of the code's repository, whose commits the page links to; empty for no links.
    """
    documents = _documents(runs)
    rows = [row for run in documents.values() for row in run.rows]
    # Other rows have no numbers, or are in the tables of sweeps.
    whole = [row for row in rows if row.verdict.decided and not row.variation]
    large = len(rows) > MOST_ROWS or sum(map(_figures, whole)) > MOST_FIGURES
    if large:  # one row per claim is enough to read; --figures writes the figures of all rows
        whole = list({row.claim: row for row in reversed(whole)}.values())
    drawn = set(map(id, whole))

    def draw(row: Evidence) -> list[outline.Figure]:
        return _drawn(row) if id(row) in drawn else []

    entries: list[outline.Entry] = []
    for name, run in documents.items():
        entries += outline.entries(name, run.rows, draw, start=len(entries))
    need(entries)
    heads = [outline.head(name, run) for name, run in documents.items() if run.rows]
    write(path, _render(heads, entries, large=large, meanings=meanings or {}, repository=repository).encode())


def write_csv(path: Path, runs: Mapping[str, Rows] | Rows) -> None:
    """Write all rows, decided or not, with all columns that ``report.columns`` has for programs.

    It raises an ``EvidenceError`` if there are no rows, or if the file cannot be written.

    Args:
        path: path of the file, in UTF-8; missing folders are made.
        runs: one run, or several by the name of each run's evidence file; Holm adjusts within a run.
    """
    found = [line for name, run in _documents(runs).items() for line in lines(run.rows, name)]
    need(found)
    text = io.StringIO(newline="")
    writer, chosen = csv.writer(text, lineterminator="\n"), columns(Table.CSV)
    writer.writerow(column.name for column in chosen)
    writer.writerows([column.text(line) for column in chosen] for line in found)
    write(path, text.getvalue().encode())


def _documents(runs: Mapping[str, Rows] | Rows) -> dict[str, Document]:
    named = runs if isinstance(runs, Mapping) else {"": runs}
    if len(named) == 1:  # a single run needs no name
        named = {"": next(iter(named.values()))}
    return {name: run if isinstance(run, Document) else Document(tuple(run)) for name, run in named.items()}


def _drawn(row: Evidence) -> list[outline.Figure]:
    planes = [plane_panel(plane, title) for title, plane in row.planes.items()]
    return [*planes, *multiples(row), *([specification_panel(row.multiverse)] if row.multiverse else [])]


def _figures(row: Evidence) -> int:
    return len(row.planes) + len(row.curves) + bool(row.multiverse)


def _no_strip(_: object) -> None:
    return None


def _render(heads: Sequence[outline.Head], entries: Sequence[outline.Entry], *, large: bool, **words: object) -> str:
    filled_in = environment(large=large)
    registered = [entry for entry in entries if not entry.row.variation]
    chapters = outline.chapters(entries)
    shown = [chapter for chapter in chapters if chapter.shown]
    return filled_in.get_template("page.html.jinja").render(
        large=large,
        colours=[colour.replace(INK, "currentColor") for colour in PALETTE],
        classes=COLOURS,
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
        limit=f"{LEVEL:g}",
        marks=wording.MARKS,
        symbols=wording.SYMBOLS,
        **words,
    )


def environment(*, large: bool = False) -> "jinja2.Environment":
    """Return the environment of the page templates; a ``large`` page has no strips in its tables."""
    import jinja2  # a test run shows only the terminal table, and starts without it

    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    found = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {
        "answers": wording.answers,
        "section": wording.section,
        "number": wording.number,
        "interval": wording.interval,
        "coverage": wording.coverage,
        "bound": wording.bound,
        "hold": wording.seeds_that_hold,
        "remarks": wording.remarks,
        "reproduction": wording.reproduction,
        "legend": legend,
        "p": wording.p_value,
        "duration": _duration,
        "slug": slug,
        "strip": _no_strip if large else interval_strip,
        "asked": asked,
        "px": _pixels,
        "emphasis": _emphasis,
        "commit": lambda text: text.removesuffix("-dirty"),
    }
    found.globals["rule"] = RULE
    return found


def _pixels(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _emphasis(text: str) -> str:
    """Return a sentence of ``meanings.toml``, which is Markdown, as HTML."""
    escaped = html.escape(text)
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", marked)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
