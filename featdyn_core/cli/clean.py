"""List what the store can do without, or remove it.

The command prints a line, with the size, for each interrupted training or pull and for each record of other code. It
removes them only with ``--yes``. It never removes finished trajectories.
"""

import argparse
from typing import Any

from featdyn_core.cli.options import add_store
from featdyn_core.store.cleaning import free, idle
from featdyn_core.store.supply import Store


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "clean",
        help="list what the store can do without, or remove it",
        description=__doc__,
        epilog="Example: featdyn clean --yes",
    )
    command.set_defaults(run=clean)
    add_store(command)
    command.add_argument("--yes", action="store_true", help="remove what is listed")


def clean(options: argparse.Namespace) -> int:
    """List what can be removed, and remove it with ``--yes``."""
    store = Store(options.store, download=False)
    found = list(idle(store))  # listed in full before the first is removed
    for item in found:
        print(f"{item.what}: {item.size / 1e6:.1f} MB", flush=True)
        if options.yes:
            free(store, item)
    size = sum(item.size for item in found) / 1e6
    done = "freed" if options.yes else "would be freed; remove it with: featdyn clean --yes"
    print(f"{len(found)} things, {size:.1f} MB {done if found else 'to be freed'}")
    return 0
