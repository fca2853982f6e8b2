"""Commands that read evidence, and no store."""

import argparse
import json
from pathlib import Path
from typing import Any

from featdyn_core.cli.selection import path
from featdyn_core.report import compare
from featdyn_core.report.html import write_csv, write_figures, write_html
from featdyn_core.verdicts.evidence import read_document, read_evidence


def add_to(commands: Any) -> None:
    """Add the commands to a parser's."""
    report = commands.add_parser("report", help="make one HTML file of one or more evidence files")
    report.set_defaults(run=_report)
    report.add_argument("evidence", type=path, nargs="+")
    report.add_argument("-o", "--output", type=path, default=Path("report.html"))
    report.add_argument("--figures", type=path, help="folder for every curve, as PNG, SVG, PDF and CSV files")
    report.add_argument("--csv", metavar="FILE", type=path, help="file for every row with all of its columns, as CSV")
    comparison = commands.add_parser("compare", help="say how two evidence files differ; status 1 if a verdict does")
    comparison.set_defaults(run=_compare)
    comparison.add_argument("one", type=path)
    comparison.add_argument("other", type=path)
    comparison.add_argument("--json", action="store_true", help="as JSON, with what differs row by row")


def _report(options: argparse.Namespace) -> int:
    runs = {file.name if file.parent == Path() else str(file): read_document(file) for file in options.evidence}
    write_html(options.output, runs)
    print(f"wrote {options.output}")
    if options.csv:
        write_csv(options.csv, runs)
        print(f"wrote {options.csv}")
    if options.figures:
        written = write_figures(options.figures, [row for run in runs.values() for row in run.rows])
        print(f"wrote {len(written)} files of figures to {options.figures}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    rows = compare.compare(read_evidence(options.one), read_evidence(options.other))
    print(json.dumps(compare.to_plain(rows), indent=1) if options.json else "\n".join(compare.to_lines(rows)))
    return 0 if compare.same_verdicts(rows) else 1
