"""The shared part of ``push`` and ``pull``: the remote store's address, and the transfer."""

import argparse
from collections.abc import Callable

from featdyn_core.cli.options import add_choice, add_scale
from featdyn_core.cli.selection import place_of, rows_of, trainings_of
from featdyn_core.harness.plan import requests
from featdyn_core.store.remote import Remote


def add_sync(command: argparse.ArgumentParser) -> None:
    """Add the address and the options that choose what to transfer."""
    command.add_argument("url", help="a folder, or an address such as s3://bucket/folder (needs featdyn[s3])")
    add_scale(command)
    add_choice(command)


def sync(way: Callable[..., int], options: argparse.Namespace, remote: Remote) -> int:
    """Send or fetch the trajectories that the options ask for, and the register's records of them."""
    wanted = trainings_of(options)
    chosen = {(recipe.identity, seed) for recipe, seed in wanted}
    # All rows are planned and then filtered by seed, because a claim refuses fewer seeds than it is judged on.
    records = [one for one in requests(rows_of(options, ())) if (one.recipe.identity, one.seed) in chosen]
    measurements = place_of(options).measurements(measure=False)
    failed = way(measurements, remote, wanted, records, lambda line: print(line, flush=True))
    return 1 if failed else 0
