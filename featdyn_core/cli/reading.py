"""Commands that print the README's tables, from evidence or the register."""

import argparse
from typing import Any

from featdyn_core.cli.options import path
from featdyn_core.cli.selection import register_of
from featdyn_core.report.markdown import claims_table, read_meanings, results_table, summary_table
from featdyn_core.report.sweeps import sweep_lines
from featdyn_core.verdicts.evidence import read_evidence


def add_to(commands: Any) -> None:
    """Add the commands to a parser's."""
    results = commands.add_parser(
        "results", help="print the README's table of results from evidence files, and those of sweeps, in Markdown"
    )
    results.set_defaults(run=_results)
    results.add_argument("evidence", type=path, nargs="+")
    summary = commands.add_parser("summary", help="print the README's table of what was found, a row for every claim")
    summary.set_defaults(run=_summary)
    summary.add_argument("evidence", type=path, nargs="+")
    summary.add_argument("--meanings", type=path, help="TOML file: claim to a sentence that says what was found")
    summary.add_argument("--register", type=path, help="folder; default: claims/register of the project")
    claims = commands.add_parser("claims", help="print the README's table of claims, in Markdown")
    claims.set_defaults(run=_claims)
    claims.add_argument("--register", type=path, help="folder; default: claims/register of the project")


def _results(options: argparse.Namespace) -> int:
    rows = [row for path in options.evidence for row in read_evidence(path)]
    tables = results_table(rows), sweep_lines(rows)
    print("\n\n".join("\n".join(table) for table in tables if len(table) > 2))
    return 0


def _summary(options: argparse.Namespace) -> int:
    rows = [row for file in options.evidence for row in read_evidence(file)]
    meanings = read_meanings(options.meanings) if options.meanings else {}
    print("\n".join(summary_table(register_of(options), rows, meanings)))
    return 0


def _claims(options: argparse.Namespace) -> int:
    print("\n".join(claims_table(register_of(options))))
    return 0
