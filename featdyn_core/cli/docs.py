"""Write the tables of the project's documents from its register and its published evidence.

The command fills the marked places of README.md, docs/ and evidence/, and prints the names of the documents that it
changed. With ``--check`` it writes nothing, and its status is 1 if a document is out of date.
"""

import argparse
from typing import Any

from featdyn_core.errors import EvidenceError
from featdyn_core.files import write_atomically
from featdyn_core.project import project_root
from featdyn_core.report.marked_tables import outdated


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "docs",
        help="write the tables of the project's documents from its register and its published evidence",
        description=__doc__,
        epilog="Example: featdyn docs --check",
    )
    command.set_defaults(run=docs)
    command.add_argument("--check", action="store_true", help="write nothing; status 1 if a document is out of date")


def docs(options: argparse.Namespace) -> int:
    """Write the documents that are out of date, or name them.

    A register that cannot be read is a ``RecipeError`` (see ``outdated``).

    Raises:
        EvidenceError: a document cannot be written.
    """
    root = project_root()
    found = outdated(root)
    for path, text in found.items():
        name = path.relative_to(root)
        if options.check:
            print(f"{name} is out of date; write it again with: featdyn docs")
            continue
        try:
            write_atomically(path, text.encode())
        except OSError as error:
            raise EvidenceError(f"{path} cannot be written: {error}") from error
        print(f"wrote {name}")
    if not found:
        print("all documents are up to date")
    return 1 if found and options.check else 0
