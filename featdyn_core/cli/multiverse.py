"""Compute each row's verdict under every other reasonable choice of the register, from records alone.

The command covers the rows whose records are published or in the store. For each row it prints the number of
specifications, and the share of each verdict over them in %. With ``--figures`` it draws the specification curves. It
trains, measures and decides nothing.
"""

import argparse
import dataclasses
import json
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

from rich.console import Console

from featdyn_core.cli.options import add_json, add_register, add_store, path
from featdyn_core.cli.selection import register_of
from featdyn_core.errors import RecipeError
from featdyn_core.harness.claims import measures
from featdyn_core.harness.laboratory import Laboratory, decide
from featdyn_core.harness.multiverse import has_multiverse, with_multiverse
from featdyn_core.harness.plan import Cell, cells
from featdyn_core.launch.progress import progress
from featdyn_core.project import project_root, records_folder, store_root
from featdyn_core.register.reading import parse_seeds
from featdyn_core.register.register import Register
from featdyn_core.report.folders import write_figures
from featdyn_core.report.multiverse import multiverse_lines
from featdyn_core.store.published import published
from featdyn_core.verdicts.evidence import Evidence


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "multiverse",
        help="compute each row's verdict under every other reasonable choice, from records alone",
        description=__doc__,
        epilog="Example: featdyn multiverse memory-window --scale reduced --figures figures",
    )
    command.set_defaults(run=multiverse)
    command.add_argument("claims", metavar="CLAIM", nargs="*", help="default: all claims with a multiverse")
    command.add_argument("--scale", metavar="NAME", help="a scale of the register; default: all scales")
    command.add_argument("--seeds", metavar="0-2,7", help="default: the seeds of the register")
    command.add_argument("--figures", type=path, help="folder for the specification curves, and an index of them")
    add_store(command)
    add_register(command)
    add_json(command)


def multiverse(options: argparse.Namespace) -> int:
    """Print the shares, and write the figures if asked to."""
    rows = _rows(register_of(options), options)
    judged = [row for row in rows if row.multiverse]
    figures = []
    if options.figures and judged:
        alone = [dataclasses.replace(row, curves={}, planes={}) for row in judged]
        with progress("figures", "figures", Console(stderr=True)) as told:
            figures = write_figures(options.figures, alone, told)
    if options.json:
        print(json.dumps([_plain(row) for row in rows], indent=1))
        return 0
    if judged:
        print("\n".join(multiverse_lines(judged, shutil.get_terminal_size().columns)))
    if left := [row for row in rows if not row.multiverse]:
        print(f"{len(left)} rows have no records here, such as {left[0].id}: {left[0].reason}")
    if figures:
        print(f"wrote {len(figures) - 1} files of figures to {options.figures}; {figures[-1]} shows them")
    return 0


def _rows(register: Register, options: argparse.Namespace) -> list[Evidence]:
    """Judge the rows that the options ask for; rows without records here are NOT RUN.

    Raises:
        RecipeError: none of the rows has a multiverse.
    """
    claims = [register.entry(claim).id for claim in options.claims or register.entries]
    scales = [register.scale(options.scale).name] if options.scale else list(register.scales)
    seeds = parse_seeds(options.seeds)
    found = [row for scale in scales for row in _planned(register, scale, seeds)]
    chosen = [row for claim in claims for row in found if row.entry.id == claim and has_multiverse(row)]
    if not chosen:
        which = f"{', '.join(options.claims)}: there is no" if options.claims else "no claim has a"
        raise RecipeError(f"{which} [multiverse] in the register; write one into the claim's file")
    measure = measures(project_root() / "claims", list(dict.fromkeys(row.entry.id for row in chosen)))
    laboratory = Laboratory(register, {row.id: row for row in chosen}, options.store or store_root(), _no_store)
    return [
        with_multiverse(decide(row, measure[row.entry.id], laboratory.recorded(row)), laboratory, measure[row.entry.id])
        for row in chosen
    ]


def _planned(register: Register, scale: str, seeds: Sequence[int]) -> list[Cell]:
    """Return the rows of a scale: those of published records, if any, and those of the store."""
    known = (True, False) if published(records_folder() / scale).present else (False,)
    return [row for replayed in known for row in cells(register, scale, seeds=seeds, replayed=replayed)]


def _no_store() -> NoReturn:
    raise AssertionError("a multiverse is computed from records alone")


def _plain(row: Evidence) -> dict[str, Any]:
    found = row.multiverse
    told = {"row": row.id, "claim": row.claim, "subject": row.subject, "scale": row.scale, "seeds": list(row.seeds)}
    if found is None:
        return {**told, "verdict": str(row.verdict), "reason": row.reason}
    return {**told, "verdict": str(row.verdict), "counts": found.counts, **dataclasses.asdict(found)}
