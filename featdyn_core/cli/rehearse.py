"""Try a new machine in a few minutes: the most useful checks come first, each with a time limit.

The parts are the machine and its versions, the tests that need a GPU, seconds per epoch, a comparison of engines and
devices, and then the trainings, records and evidence of a tier, by default the full one. The command prints the results
of each part and saves them in a report. Called again, it continues where it stopped. Its status is 1 if a part failed.
"""

import argparse
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import add_choice, add_scale, path
from featdyn_core.cli.selection import place_of, register_of, requests_of, scale_of, trainings_of
from featdyn_core.devices import resolve_device
from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import most_useful_first
from featdyn_core.launch.inventory import Queue
from featdyn_core.launch.measuring import measure_missing, spread_by_device
from featdyn_core.launch.processes import cores
from featdyn_core.launch.rehearsal import Part, agreement, command, go_through, machine, speeds
from featdyn_core.project import project_root
from featdyn_core.register.register import FULL
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import load_recipe

TESTS_RAN = (0, 1)
"""Exit statuses of pytest after a run; others say that it could not run, or was broken off."""

SAMPLE = "digits-small"
"""Recipe on which engines and devices are compared; it takes seconds on the CPU."""


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    wanted = commands.add_parser(
        "rehearse",
        help="try a new machine in a few minutes, the most useful checks first",
        description=__doc__,
        epilog="Example: featdyn rehearse --minutes 7",
    )
    add_scale(wanted, usual=FULL)
    wanted.set_defaults(run=rehearse, tier=FULL)
    add_choice(wanted)
    wanted.add_argument("--minutes", type=float, default=15.0, help="time limit for all parts together; default: 15")
    wanted.add_argument("--jobs", type=int, help="processes for measurements on the CPU; default: one per core")
    wanted.add_argument(
        "--recipe", default="cifar10-paper", help="recipe whose epochs are timed; default: cifar10-paper"
    )
    wanted.add_argument("--report", type=path, default=Path("rehearsal.json"), help="report; default: rehearsal.json")


def rehearse(options: argparse.Namespace) -> int:
    """Do the parts until the time is up.

    Raises:
        RecipeError: ``--minutes`` is not above 0.
    """
    if not options.minutes > 0:
        raise RecipeError(f"--minutes {options.minutes:g}: expected a number above 0")
    say = functools.partial(print, flush=True)
    return 0 if go_through(parts(options), 60 * options.minutes, options.report, say) else 1


def parts(options: argparse.Namespace) -> list[Part]:
    """Return the parts of a rehearsal, the most useful first."""
    device, timed, sample = resolve_device(options.device), load_recipe(options.recipe), load_recipe(SAMPLE)
    return [
        Part("machine", 0.1, machine),
        Part("tests that need a GPU", 0.2, _tests),
        Part("seconds of an epoch", 0.25, functools.partial(speeds, timed, device)),
        Part("engines and devices", 0.2, functools.partial(agreement, sample)),
        Part("trainings", 0.7, functools.partial(_train, options), goes_on=True),
        Part("records", 0.8, functools.partial(_measure, options), goes_on=True),
        Part("evidence", 1.0, functools.partial(_judge, options), goes_on=True),
    ]


def _tests() -> Iterator[str]:
    """Run the tests that need a GPU, if they are installed; a wheel has none.

    Yields:
        Their summary line.
    """
    found = importlib.util.find_spec("featdyn_core.tests")
    if found is None or found.origin is None:
        yield "this installation has no tests"
        return
    yield from command("pytest", "-q", "-m", "gpu", str(Path(found.origin).parent), folder=project_root())


def _train(options: argparse.Namespace) -> Iterator[str]:
    """Train what the options ask for, the most useful first; an interrupted training continues in the next call.

    Yields:
        The state of the queue, before and after.
    """
    register = register_of(options)
    wanted = most_useful_first(trainings_of(options), register.scale(scale_of(options, register)))
    store = Store(options.store, device=options.device)
    queue = Queue(store, wanted)
    yield queue.line()
    store.get_many(wanted)
    yield queue.line()


def _measure(options: argparse.Namespace) -> Iterator[str]:
    """Measure the records of trained trajectories.

    Yields:
        How many records there are, a line for each that is not here, and how many are missing afterwards.
    """
    how = functools.partial(spread_by_device, jobs=options.jobs or cores())
    say = functools.partial(print, flush=True)
    missing = yield from measure_missing(place_of(options), requests_of(options), how, say)
    yield f"{missing} are missing"


def _judge(options: argparse.Namespace) -> Iterator[str]:
    """Decide the claims on the records that exist; a refuted claim is no failure here.

    Yields:
        The summary line of the run.
    """
    words = ["--no-train", "--device", options.device, "--scale", options.scale]
    words += ["--store", str(Store(options.store, device=options.device).root.absolute())]
    yield from command("pytest", "-q", "-m", options.tier, *words, folder=project_root(), accepted=TESTS_RAN)
