"""Fetch a tier's missing trajectories and records from a remote store, and verify them.

The command prints a line for each trajectory and record. At the end it prints how many it fetched, how many were here
already, how many the remote store lacks and how many failed. Its status is 1 if one failed, such as one that arrived
damaged.
"""

import argparse
from typing import Any

from featdyn_core.cli.sync import add_sync, sync
from featdyn_core.launch import syncing
from featdyn_core.store.remote import Remote


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "pull",
        help="fetch a tier's missing trajectories and records from a remote store, and verify them",
        description=__doc__,
        epilog="Example: featdyn pull s3://bucket/featdyn --tier full --seeds 0",
    )
    command.set_defaults(run=pull)
    add_sync(command)


def pull(options: argparse.Namespace) -> int:
    """Fetch what the options ask for."""
    return sync(syncing.pull, options, Remote(options.url))
