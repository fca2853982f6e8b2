"""Options that several commands share; ``selection`` works out what they ask for."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from featdyn_core.errors import FeatdynError
from featdyn_core.harness.tiers import TIERS
from featdyn_core.project import expanded
from featdyn_core.register.register import AUTO, FAST


def path(text: str) -> Path:
    """Read a path on the command line.

    Raises:
        argparse.ArgumentTypeError: it starts with ``~``, and no home folder is known.
    """
    try:
        return expanded(text, "it")
    except FeatdynError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_scale(command: argparse.ArgumentParser, tiers: Sequence[str] = TIERS, usual: str = FAST) -> None:
    """Add the options that choose a scale, the store, the register and the device; ``usual`` is the usual tier."""
    command.add_argument("--tier", choices=tiers, help=f"default: {usual}")
    command.add_argument(
        "--scale",
        default=AUTO,
        metavar="NAME",
        help="a scale of the register, for its own tier and for sweeps; auto (default): the tier's first scale, or its "
        "last on a GPU; for sweeps the register's first scale",
    )
    add_store(command)
    add_register(command)
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def add_choice(command: argparse.ArgumentParser) -> None:
    """Add the options that choose a part of a scale."""
    command.add_argument(
        "--only",
        metavar="RECIPE",
        action="append",
        help="only this recipe, by name or path; repeat the option for more recipes",
    )
    command.add_argument("--seeds", metavar="0-2,7", help="default: the seeds of the register")
    command.add_argument("--claims", metavar="A,B", help="only what these claims need; default: all claims")


def add_workers(command: argparse.ArgumentParser) -> None:
    """Add the options that distribute the work."""
    command.add_argument("--jobs", type=int, help="processes at the same time; default: one per core, or one on a GPU")
    command.add_argument(
        "--launcher", choices=["local", "slurm"], default="local", help="slurm: one job for each piece"
    )
    command.add_argument("--slurm", default="", help="options of sbatch: partition=gpu,gres=gpu:1,time=240 (minutes)")


def add_store(command: argparse.ArgumentParser) -> None:
    """Add the store's folder."""
    command.add_argument("--store", type=path, help="folder of the store; default: FEATDYN_STORE, or fixtures/cache")


def add_register(command: argparse.ArgumentParser) -> None:
    """Add the register's folder."""
    command.add_argument("--register", type=path, help="folder of the register; default: the project's claims/register")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the switch to JSON."""
    command.add_argument("--json", action="store_true", help="print JSON")
