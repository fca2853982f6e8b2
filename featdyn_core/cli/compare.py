"""Say how two evidence files differ.

The command prints how many verdicts changed; then each row's verdicts and numbers, those that changed first; then what
differs in protocol and environment. Its status is 1 where a verdict changed.
"""

import argparse
import json
from typing import Any

from featdyn_core.cli.evidence import add_public_key, read_signed
from featdyn_core.cli.options import path
from featdyn_core.report import compare as comparison


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
    add_public_key(command)


def compare(options: argparse.Namespace) -> int:
    """Print how the files differ."""
    one, other = (list(read_signed(file, options.public_key).rows) for file in (options.one, options.other))
    rows = comparison.compare(one, other)
    print(json.dumps(comparison.to_plain(rows), indent=1) if options.json else "\n".join(comparison.to_lines(rows)))
    return 0 if comparison.same_verdicts(rows) else 1
