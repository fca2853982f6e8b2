"""Say how two evidence files differ.

The command prints how many verdicts changed; then each row's verdicts and numbers, those that changed first; then what
differs in protocol and environment. Its status is 1 where a verdict changed.
"""

import argparse
import json
from typing import Any

from featdyn_core.cli.options import path
from featdyn_core.report import compare as comparison
from featdyn_core.verdicts.documents import read_evidence


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "compare",
        help="say how two evidence files differ; status 1 if a verdict does",
        description=__doc__,
        epilog="Example: featdyn compare before.json after.json",
    )
    command.set_defaults(run=compare)
    command.add_argument("one", type=path, help="an evidence file")
    command.add_argument("other", type=path, help="another one")
    command.add_argument("--json", action="store_true", help="as JSON, with what differs row by row")


def compare(options: argparse.Namespace) -> int:
    """Print how the files differ."""
    rows = comparison.compare(read_evidence(options.one), read_evidence(options.other))
    print(json.dumps(comparison.to_plain(rows), indent=1) if options.json else "\n".join(comparison.to_lines(rows)))
    return 0 if comparison.same_verdicts(rows) else 1
