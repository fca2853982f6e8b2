"""Send those of a tier's trajectories and records that are here to a remote store.

The command prints a line for each. At the end it prints how many it sent, how many were there already, how many are
missing here and how many failed. Its status is 1 if one failed.
"""

import argparse
from typing import Any

from featdyn_core.cli.sync import add_sync, sync
from featdyn_core.launch import syncing
from featdyn_core.store.remote import Remote


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "push",
        help="send those of a tier's trajectories and records that are here to a remote store",
        description=__doc__,
        epilog="Example: featdyn push s3://bucket/featdyn --tier full",
    )
    command.set_defaults(run=push)
    add_sync(command)
    command.add_argument(
        "--verify", action="store_true", help="also read what is there already, and send it again if it is damaged"
    )


def push(options: argparse.Namespace) -> int:
    """Send what the options ask for."""
    return sync(syncing.push, options, Remote(options.url, verify=options.verify))
