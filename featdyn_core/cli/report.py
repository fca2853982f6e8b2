"""Make one HTML file of one or more evidence files.

The command writes report.html, or the file that ``--output`` names, and prints its name. With ``--figures`` it also
writes every figure as PNG, SVG, PDF and CSV files, in one folder per claim, and an index.html that shows them. With
``--csv`` it writes every row with all of its columns.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from featdyn_core.cli.evidence import add_public_key, read_signed
from featdyn_core.cli.options import path
from featdyn_core.launch.progress import progress
from featdyn_core.project import project_root
from featdyn_core.provenance import repository
from featdyn_core.report.badge import write_badge
from featdyn_core.report.folders import write_figures
from featdyn_core.report.html import write_csv, write_html
from featdyn_core.report.marked_tables import project_meanings


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "report",
        help="make one HTML file of one or more evidence files",
        description=__doc__,
        epilog="Example: featdyn report evidence.json -o report.html --figures figures",
    )
    command.set_defaults(run=report)
    command.add_argument("evidence", type=path, nargs="+", help="a file that a run of the claims has written")
    command.add_argument("-o", "--output", type=path, default=Path("report.html"), help="default: report.html")
    command.add_argument("--csv", metavar="FILE", type=path, help="CSV file for every row with all of its columns")
    command.add_argument("--figures", type=path, help="folder for all figures, and an index of them")
    command.add_argument("--badge", metavar="FILE", type=path, help="JSON file with the counts, for shields.io")
    add_public_key(command)


def report(options: argparse.Namespace) -> int:
    """Write the page, and the other files that the options ask for."""
    documents = [read_signed(file, options.public_key) for file in options.evidence]
    runs = dict(zip(_names(options.evidence), documents, strict=True))
    write_html(options.output, runs, meanings=project_meanings(project_root()), repository=repository())
    print(f"wrote {options.output}")
    if options.csv:
        write_csv(options.csv, runs)
        print(f"wrote {options.csv}")
    if options.figures:
        with progress("figures", "figures", Console(stderr=True)) as told:
            written = write_figures(options.figures, [row for run in runs.values() for row in run.rows], told)
        print(f"wrote {len(written) - 1} files of figures to {options.figures}; {written[-1]} shows them")
    if options.badge:
        write_badge(options.badge, [row for run in runs.values() for row in run.rows])
        print(f"wrote {options.badge}")
    return 0


def _names(files: Sequence[Path]) -> list[str]:
    """Return a short name of each run: its file, without the folders and the file name that all files share."""
    whole = [file.absolute() for file in files]
    shared = os.path.commonpath([file.parent for file in whole])
    found = [file.relative_to(shared) for file in whole]
    alike = len({file.name for file in found}) == 1 and Path() not in {file.parent for file in found}
    return [str(file.parent if alike else file) for file in found]
