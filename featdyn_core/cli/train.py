"""Train a tier's missing trajectories. Interrupted trainings continue where they stopped.

The command prints a line for each epoch, or progress bars on a terminal. At the end it prints how many trajectories it
trained, how many were complete before and how many are still incomplete. Its status is 2 if a training fails.
"""

import argparse
from typing import Any

from featdyn_core.cli.options import add_choice, add_scale, add_workers
from featdyn_core.cli.selection import cluster_of, trainings_of, usual_jobs
from featdyn_core.errors import RecipeError
from featdyn_core.launch.inventory import dry_run
from featdyn_core.launch.processes import chosen_jobs
from featdyn_core.launch.training import Trainer, train_missing
from featdyn_core.store.supply import Store


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "train",
        help="train a tier's missing trajectories; interrupted trainings continue where they stopped",
        description=__doc__,
        epilog="Example: featdyn train --tier full --jobs 2",
    )
    command.set_defaults(run=train)
    add_scale(command)
    add_choice(command)
    add_workers(command)
    command.add_argument("--at-once", type=int, help="trajectories at once in one process; default: 4 on a GPU, else 1")
    command.add_argument("--engine", default="auto", help="auto, eager, graphs (GPU) or compiled")
    command.add_argument("--dry-run", action="store_true", help="only print what is to be trained and what it costs")


def train(options: argparse.Namespace) -> int:
    """Train what the options ask for, or print what is to be trained.

    Raises:
        RecipeError: ``--at-once`` is below 1.
    """
    wanted = trainings_of(options)
    if options.at_once is not None and options.at_once < 1:
        raise RecipeError(f"--at-once {options.at_once}: expected a number from 1 on")
    jobs = chosen_jobs(options.jobs, usual_jobs(options), len(wanted))
    if options.dry_run:
        how = {"device": options.device, "engine": options.engine, "at_once": options.at_once}
        store = Store(options.store, **how, download=False)
        print("\n".join(dry_run(store, wanted, jobs)))
        return 0
    trainer = Trainer(options.store, options.device, options.engine, options.at_once)
    return train_missing(trainer, wanted, jobs, None if options.launcher == "local" else cluster_of(options).spread)
