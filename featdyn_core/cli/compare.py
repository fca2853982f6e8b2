"""Show how two evidence files differ.

The command prints how many verdicts changed. Then it prints each row's verdicts and numbers, with changed rows first
and rows of one file alone last, and then the differences of protocol and environment. Its status is 1 if a verdict
changed. With one file, the command compares it with the newest published evidence that shares a row with it. Without a
file, it takes the project's own evidence.json.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from featdyn_core.cli.evidence import add_public_key, read_signed, without_collecting
from featdyn_core.cli.options import path
from featdyn_core.errors import EvidenceError
from featdyn_core.project import evidence_file, project_root
from featdyn_core.report import compare as comparison
from featdyn_core.report.marked_tables import newest_published


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "compare",
        help="show how two evidence files differ; status 1 if a verdict changed",
        description=__doc__,
        epilog="Example: featdyn compare before.json after.json",
    )
    command.set_defaults(run=compare)
    command.add_argument(
        "files", metavar="FILE", type=path, nargs="*", help="one evidence file, or two with the earlier one first"
    )
    command.add_argument("--json", action="store_true", help="print JSON, with the differences of each row")
    add_public_key(command)


def compare(options: argparse.Namespace) -> int:
    """Print the differences between the files."""
    with without_collecting():
        one, other = (list(read_signed(file, options.public_key).rows) for file in _pair(options.files))
        rows = comparison.compare(one, other)
    print(json.dumps(comparison.to_plain(rows), indent=1) if options.json else "\n".join(comparison.to_lines(rows)))
    return 0 if comparison.same_verdicts(rows) else 1


def _pair(files: list[Path]) -> tuple[Path, Path]:
    """Return the two files, the earlier one first; print which published file replaces one that was left out.

    Raises:
        EvidenceError: more than two files are given.
    """
    match files:
        case [one, other]:
            return one, other
        case [] | [_]:
            other = files[0] if files else evidence_file()
            one = newest_published(project_root(), other)
            print(f"featdyn: comparing the published {one} with {other}", file=sys.stderr)
            return one, other
    raise EvidenceError(f"compare takes at most two evidence files, and got {len(files)}")
