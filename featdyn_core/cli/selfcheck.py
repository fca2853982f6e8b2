"""Compare this machine's engines, precisions and devices: their speed, and whether they agree with plain steps.

The command trains the first epochs of a recipe in every way, and prints a table with a row for each way. Its status is
1 if a way does not agree with plain steps.
"""

import argparse
from typing import Any

from featdyn_core.launch.selfcheck import lines, try_all
from featdyn_core.trajectories.recipe import load_recipe


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "selfcheck",
        help="compare this machine's engines, precisions and devices",
        description=__doc__,
        epilog="Example: featdyn selfcheck --recipe digits-small",
    )
    command.set_defaults(run=selfcheck)
    command.add_argument("--recipe", default="digits-small", help="its name or path; default: digits-small")


def selfcheck(options: argparse.Namespace) -> int:
    """Train a few epochs in every way, and print the comparison."""
    ways = list(try_all(load_recipe(options.recipe)))
    print("\n".join(lines(ways)))
    wrong = [way for way in ways if not way.agrees]
    for way in wrong:
        print(f"{way.engine} on {way.device} does not agree with eager steps; train with --engine eager there")
    return 1 if wrong else 0
