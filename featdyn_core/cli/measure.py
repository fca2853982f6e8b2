"""Measure a tier's missing records on the trajectories that are trained.

The command prints how many records are in the store and how many are to be measured, and a line with the seconds for
each. Its status is 1 if a record is still missing at the end. It trains nothing.
"""

import argparse
import functools
from typing import Any

from featdyn_core.cli.options import add_choice, add_scale, add_workers
from featdyn_core.cli.selection import cluster_of, place_of, requests_of, usual_jobs
from featdyn_core.launch.measuring import measure_missing, say_all, spread_by_device
from featdyn_core.launch.processes import Spread, chosen_jobs, cores, spread


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "measure",
        help="measure a tier's missing records on the trajectories that are trained",
        description=__doc__,
        epilog="Example: featdyn measure --tier full --claims memory-window",
    )
    command.set_defaults(run=measure)
    add_scale(command)
    add_choice(command)
    add_workers(command)


def measure(options: argparse.Namespace) -> int:
    """Measure what the options ask for."""
    wanted = requests_of(options)
    jobs = chosen_jobs(options.jobs, usual_jobs(options), len(wanted))
    how: Spread = functools.partial(spread, jobs=jobs)
    if options.launcher != "local":
        how = cluster_of(options).spread
    elif options.jobs is None and usual_jobs(options) < cores():
        how = functools.partial(spread_by_device, jobs=cores())
    # Flushed, so that a reader of a log sees each line at once.
    say = functools.partial(print, flush=True)
    return 1 if say_all(measure_missing(place_of(options), wanted, how, say), say) else 0
