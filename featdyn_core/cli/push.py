"""Send a tier's trajectories and records to a remote store, whatever of them is here.

The command prints a line for each, and in the end how many it sent, how many were there already, are missing here or
failed. Its status is 1 where one failed.
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
        help="send a tier's trajectories and records to a remote store, whatever of them is here",
        description=__doc__,
        epilog="Example: featdyn push s3://bucket/featdyn --tier full",
    )
    command.set_defaults(run=push)
    add_sync(command)
    command.add_argument("--verify", action="store_true", help="read what is there, and send it again if damaged")


def push(options: argparse.Namespace) -> int:
    """Send what the options ask for."""
    return sync(syncing.push, options, Remote(options.url, verify=options.verify))
