"""Begin a project: the paper's claims, their register, recipes and published records.

The command writes them into a folder, and prints how many files it wrote. It overwrites nothing.
"""

import argparse
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import path
from featdyn_core.launch.starting import start_project


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "init",
        help="begin a project: the paper's claims, register, recipes and records",
        description=__doc__,
        epilog="Example: featdyn init my-claims",
    )
    command.set_defaults(run=init)
    command.add_argument("folder", type=path, nargs="?", default=Path(), help="default: the working directory")


def init(options: argparse.Namespace) -> int:
    """Write a project's files."""
    written = start_project(options.folder)
    print(f"wrote {written} files to {options.folder.absolute()}; decide the claims there with: pytest -m fast -n 2")
    return 0
