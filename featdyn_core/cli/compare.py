"""Say how two evidence files differ.

The command prints how many verdicts changed; then each row's verdicts and numbers, those that changed first; then what
differs in protocol and environment. Its status is 1 where a verdict changed. One file is compared with the newest
published evidence that shares a row with it; no file stands for the project's own evidence.json.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from featdyn_core.cli.evidence import add_public_key, read_signed
from featdyn_core.cli.options import path
from featdyn_core.errors import EvidenceError
from featdyn_core.project import evidence_file, project_root
from featdyn_core.report import compare as comparison
from featdyn_core.report.documents import newest_published


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "compare",
        help="say how two evidence files differ; status 1 if a verdict does",
        description=__doc__,
        epilog="Example: featdyn compare before.json after.json",
    )
    command.set_defaults(run=compare)
    command.add_argument(
        "files", metavar="FILE", type=path, nargs="*", help="an evidence file, or two, the earlier one first"
    )
    command.add_argument("--json", action="store_true", help="as JSON, with what differs row by row")
    add_public_key(command)


def compare(options: argparse.Namespace) -> int:
    """Print how the files differ."""
    one, other = (list(read_signed(file, options.public_key).rows) for file in _pair(options.files))
    rows = comparison.compare(one, other)
    print(json.dumps(comparison.to_plain(rows), indent=1) if options.json else "\n".join(comparison.to_lines(rows)))
    return 0 if comparison.same_verdicts(rows) else 1


def _pair(files: list[Path]) -> tuple[Path, Path]:
    """Return the two files, the earlier one first; say which published one takes the place of a file left out.

    Raises:
        EvidenceError: there are more than two.
    """
    match files:
        case [one, other]:
            return one, other
        case [] | [_]:
            other = files[0] if files else evidence_file()
            one = newest_published(project_root(), other)
            print(f"featdyn: comparing {one}, as published, with {other}", file=sys.stderr)
            return one, other
    raise EvidenceError(f"compare takes two evidence files at most; got {len(files)}")
