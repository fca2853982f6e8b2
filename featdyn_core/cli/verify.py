"""Check every byte of the trajectories of the store, or of a tier, and that they are some.

The command prints a line for each trajectory, which says that it is good or what is wrong with it, and in the end how
many it checked. Its status is 1 where one is damaged and where there is none to check.
"""

import argparse
import json
import sys
from typing import Any

from featdyn_core.cli.options import add_choice, add_json, add_scale
from featdyn_core.cli.selection import trainings_of
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import verify_store, verify_trainings


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "verify",
        help="check every byte of the trajectories of the store, or of a tier, and that they are some",
        description=__doc__,
        epilog="Example: featdyn verify --tier full",
    )
    command.set_defaults(run=verify)
    add_scale(command)
    add_choice(command)
    add_json(command)


def verify(options: argparse.Namespace) -> int:
    """Check what the options ask for, or all of the store; nothing checked is no success."""
    store = Store(options.store, device=options.device, download=False)
    asked = options.tier or options.only or options.seeds or options.claims
    found = {}
    for label, problems in verify_trainings(store, trainings_of(options)) if asked else verify_store(store):
        if problems is None:
            print(f"{label}: not complete, not checked", file=sys.stderr)
            continue
        found[label] = problems
        if not options.json:
            print(f"{label}: {'; '.join(problems) if problems else 'good'}", flush=True)
    damaged = sum(map(bool, found.values()))
    if options.json:
        counts = {"store": str(store.root), "checked": len(found), "damaged": damaged}
        print(json.dumps(counts | {"problems": found}, indent=1))
    else:
        print(f"{len(found)} checked, {damaged} damaged")
    return 1 if damaged or not found else 0
