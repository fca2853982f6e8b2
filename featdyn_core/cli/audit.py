"""Train one seed of the published evidence again, measure it, and compare it with what is published.

The command prints how many trajectories end in the published bits, how many records are the published ones, and each
number that differs, beside the interval in which other trainings lie. Its status is 1 where a number lies outside.
Nothing that was trained before is used, unless --store names a folder in which an audit goes on.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import add_register, path
from featdyn_core.cli.selection import register_of
from featdyn_core.errors import RecipeError
from featdyn_core.harness.audit import audit as audit_records
from featdyn_core.harness.audit import lines, other_numbers, published_requests
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
    command.add_argument("--claims", metavar="A,B", help="default: all that are published")
    command.add_argument("--scale", metavar="NAME", help="of the register; default: its first")
    command.add_argument("--subject", metavar="NAME", help="default: the scale's first")
    command.add_argument("--seed", type=int, help="default: the first published one")
    command.add_argument("--store", type=path, help="folder in which it trains; default: a temporary one")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    add_register(command)


def audit(options: argparse.Namespace) -> int:
    """Audit what the options ask for.

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
    requests = published_requests(rows, seed, source)
    here = environment()
    where = f"{here['machine']}, torch {here['torch']}"
    print(f"seed {seed} of {subject} ({scale.name}): {len(requests)} records, on {where}")
    with ExitStack() as stack:
        root = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featdyn-audit-")))
        measurements = Measurements(Store(root, device=options.device))
        audited = audit_records(requests, source, measurements.get)
    measure = measures(project_root() / "claims", [row.entry.id for row in rows])
    count, numbers = other_numbers(rows, measure, seed, source, audited)
    print("\n".join(lines(list(audited.values()), count, numbers)))
    return 0 if all(number.plausible for number in numbers) else 1
