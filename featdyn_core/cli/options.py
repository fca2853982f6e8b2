"""Options that several commands share; what they ask for is in ``selection``."""

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
        argparse.ArgumentTypeError: it starts at a home folder that nobody knows.
    """
    try:
        return expanded(text, "it")
    except FeatdynError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_scale(command: argparse.ArgumentParser, tiers: Sequence[str] = TIERS) -> None:
    """Add what names a scale, and where it is worked on."""
    command.add_argument("--tier", choices=tiers, help=f"{FAST}, unless said otherwise")
    command.add_argument(
        "--scale",
        default=AUTO,
        metavar="NAME",
        help="of the register, for its tier and for sweeps; auto (default): the tier's first, with a GPU its last; "
        "of sweeps the first of all",
    )
    add_store(command)
    add_register(command)
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def add_choice(command: argparse.ArgumentParser) -> None:
    """Add what chooses a part of a scale."""
    command.add_argument(
        "--only",
        metavar="RECIPE",
        action="append",
        help="one recipe, by name or path, in place of the tier's; give it again for another one",
    )
    command.add_argument("--seeds", metavar="0-2,7", help="in place of the register's")
    command.add_argument("--claims", metavar="A,B", help="what these claims need, in place of all")


def add_workers(command: argparse.ArgumentParser) -> None:
    """Add what shares out the work."""
    command.add_argument("--jobs", type=int, help="processes at work at once: one a core, one for a GPU")
    command.add_argument("--launcher", choices=["local", "slurm"], default="local", help="slurm: a job for each")
    command.add_argument("--slurm", default="", help="sbatch's options: partition=gpu,gres=gpu:1,time=240 (minutes)")


def add_store(command: argparse.ArgumentParser) -> None:
    """Add the store's folder."""
    command.add_argument("--store", type=path, help="default: FEATDYN_STORE, or fixtures/cache")


def add_register(command: argparse.ArgumentParser) -> None:
    """Add the register's folder."""
    command.add_argument("--register", type=path, help="folder; default: claims/register of the project")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the switch to JSON."""
    command.add_argument("--json", action="store_true", help="for a program to read")
