"""List a tier's trajectories and records.

The command prints a table with a row for each recipe and state (complete, training, partial or missing), and how many
records are measured. It trains, measures and downloads nothing.
"""

import argparse
import dataclasses
import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from featdyn_core.cli.options import add_choice, add_json, add_scale
from featdyn_core.cli.selection import rows_of, trainings_of
from featdyn_core.errors import FeatdynError
from featdyn_core.harness.plan import requests
from featdyn_core.launch.inventory import Holding, grouped, holdings, seed_ranges
from featdyn_core.register.reading import parse_seeds
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.supply import Store


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "status",
        help="list a tier's trajectories and records: complete, training, partial or missing",
        description=__doc__,
        epilog="Example: featdyn status --tier full",
    )
    command.set_defaults(run=status)
    add_scale(command)
    add_choice(command)
    add_json(command)


def status(options: argparse.Namespace) -> int:
    """Print which of the wanted trajectories and records the store has."""
    store = Store(options.store, device=options.device, download=False)
    found = holdings(store, trainings_of(options))
    # Records belong to claims, and a recipe may belong to none.
    lines = [] if options.only else _record_counts(store, options)
    if options.json:
        document = {"store": str(store.root), "trajectories": list(map(dataclasses.asdict, found))} | dict(lines)
        print(json.dumps(document, indent=1))
        return 0
    print(f"trajectories in {store.root}")
    _print_table(found)
    told = [item.reason for item in found]
    for name, value in lines:
        said = value if isinstance(value, str) else "{measured} of {wanted} measured".format(**value)
        print(f"{name}: {'unknown, for the reason above' if said in told else said}")
    return 0


def _print_table(found: list[Holding]) -> None:
    """Print a row for each recipe and state; long reasons are numbered and follow the table."""
    table = Table("recipe", "seeds", "state")
    reasons = list(dict.fromkeys(item.reason for item in found if item.reason))
    for (recipe, state, reason), seeds in grouped(found).items():
        note = f"{state} ({reasons.index(reason) + 1})" if reason else state
        table.add_row(recipe, seed_ranges(seeds), escape(note))
    Console().print(table)
    for number, reason in enumerate(reasons, start=1):
        print(f"({number}) {reason}")


def _record_counts(store: Store, options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Return how many of the wanted records are measured, or why this is unknown."""
    try:
        wanted = requests(rows_of(options, parse_seeds(options.seeds)))
        measured = len(wanted) - len(Measurements(store).missing(wanted))
        return [("records", {"measured": measured, "wanted": len(wanted)})]
    except FeatdynError as error:  # the trajectories are shown all the same
        return [("records", str(error))]
