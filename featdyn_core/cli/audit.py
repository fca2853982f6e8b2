"""Train one seed of the published evidence again, measure it, and compare the results with the published ones.

The command prints how many trajectories end in the published bits, how many records equal the published ones, and each
number that differs, with the interval that contains 95 % of other trainings. Its status is 1 if a number lies outside
its interval. It trains in a temporary folder; --store names a folder in which an interrupted audit can continue.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import add_register, path
from featdyn_core.cli.selection import register_of
from featdyn_core.errors import RecipeError
from featdyn_core.harness import audit as auditing
from featdyn_core.harness.claims import measures
from featdyn_core.harness.plan import cells
from featdyn_core.project import project_root, records_folder
from featdyn_core.provenance import environment
from featdyn_core.store.published import published


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "audit",
        help="train one seed of the published evidence again, and compare",
        description=__doc__,
        epilog="Example: featdyn audit --claims memory-window,beyond-churn --seed 31",
    )
    command.set_defaults(run=audit)
    command.add_argument("--claims", metavar="A,B", help="default: all published claims")
    command.add_argument("--scale", metavar="NAME", help="a scale of the register; default: the first")
    command.add_argument("--subject", metavar="NAME", help="default: the scale's first")
    command.add_argument("--seed", type=int, help="default: the first published seed")
    command.add_argument("--store", type=path, help="folder to train in; default: a temporary one")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    add_register(command)


def audit(options: argparse.Namespace) -> int:
    """Audit the rows that the options ask for.

    Raises:
        RecipeError: the scale has no such subject.
    """
    from featdyn_core.store.measurements import Measurements  # they import torch
    from featdyn_core.store.supply import Store

    register = register_of(options)
    scale = register.scale(options.scale or next(iter(register.scales)))
    subject = options.subject or next(iter(scale.recipes))
    if subject not in scale.recipes:
        raise RecipeError(f"the scale {scale.name!r} has no {subject!r}; it has {', '.join(scale.recipes)}")
    claims = options.claims.split(",") if options.claims else list(register.entries)
    chosen = [register.entry(claim).id for claim in claims]
    rows = [row for row in cells(register, scale.name, replayed=True) if row.entry.id in chosen]
    rows = [row for row in rows if row.subject == subject]
    seed = scale.seeds[subject][0] if options.seed is None else options.seed
    source = published(records_folder() / scale.name)
    requests = auditing.published_requests(rows, seed, source)
    here = environment()
    where = f"{here['machine']}, torch {here['torch']}"
    print(f"seed {seed} of {subject} ({scale.name}): {len(requests)} records, on {where}")
    with ExitStack() as stack:
        root = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featdyn-audit-")))
        measurements = Measurements(Store(root, device=options.device))
        audited = auditing.audit(requests, source, measurements.get)
    measure = measures(project_root() / "claims", [row.entry.id for row in rows])
    count, numbers = auditing.other_numbers(rows, measure, seed, source, audited)
    print("\n".join(auditing.lines(list(audited.values()), count, numbers)))
    return 0 if all(number.plausible for number in numbers) else 1
