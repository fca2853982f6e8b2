"""Commands that carry out a plan: look, train, measure, publish, send, fetch, verify."""

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from featdyn_core.cli.selection import (
    cluster_of,
    path,
    place_of,
    register_of,
    requests_of,
    rows_of,
    rows_to_publish,
    scale_of,
    trainings_of,
    usual_jobs,
)
from featdyn_core.errors import FeatdynError, RecipeError
from featdyn_core.harness.plan import requests
from featdyn_core.harness.tiers import SWEEP, TIERS
from featdyn_core.launch.inventory import dry_run, grouped, holdings, seed_ranges
from featdyn_core.launch.measuring import measure_missing, publish_records
from featdyn_core.launch.processes import chosen_jobs, spread
from featdyn_core.launch.training import Trainer, train_missing
from featdyn_core.launch.transfers import pull, push
from featdyn_core.project import records_folder
from featdyn_core.register.reading import parse_seeds
from featdyn_core.register.register import AUTO, FAST
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.remote import Remote
from featdyn_core.store.supply import Request, Store
from featdyn_core.store.verification import verify_folder, verify_store


def add_to(commands: Any) -> None:
    """Add the commands to a parser's."""
    for name, run, text in (
        ("status", _status, "list a tier's trajectories and records: complete, training, partial or missing"),
        ("train", _train, "train a tier's missing trajectories; what was interrupted goes on where it stopped"),
        ("measure", _measure, "measure a tier's missing records, of the trajectories that are trained"),
        ("publish", _publish, "write a tier's records into fixtures/records, where anyone can judge them again"),
        ("push", _push, "send a tier's trajectories and records to a remote store, whatever of them is here"),
        ("pull", _pull, "fetch what a tier lacks from a remote store, and verify what arrives"),
        ("verify", _verify, "check every byte of the trajectories of the store, or of a tier, and that they are some"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run, only=None, seeds=None, claims=None)
        if name in ("push", "pull"):
            command.add_argument("url", help="a folder, or an address such as s3://bucket/folder (featdyn[s3])")
        tiers = [tier for tier in TIERS if (name, tier) != ("publish", SWEEP)]  # with a scale its sweeps go along
        command.add_argument("--tier", choices=tiers, help=f"{FAST}, unless said otherwise")
        command.add_argument(
            "--scale",
            default=AUTO,
            metavar="NAME",
            help="of the register, for its tier and for sweeps; auto (default): the tier's first, with a GPU its last; "
            "of sweeps the first of all",
        )
        if name != "publish":  # which is of all of a scale: what a narrower choice leaves out would be removed
            command.add_argument("--only", metavar="RECIPE", help="one recipe, by name or path, in place of the tier's")
            command.add_argument("--seeds", metavar="0-2,7", help="in place of the register's")
            command.add_argument("--claims", metavar="A,B", help="what these claims need, in place of all")
        command.add_argument("--store", type=path, help="default: FEATDYN_STORE, or fixtures/cache")
        command.add_argument("--register", type=path, help="folder; default: claims/register of the project")
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
        if name in ("train", "measure"):
            command.add_argument("--jobs", type=int, help="processes at work at once: one a core, on a GPU one")
            command.add_argument(
                "--launcher", choices=["local", "slurm"], default="local", help="slurm: a job for each"
            )
            command.add_argument(
                "--slurm", default="", help="sbatch's options: partition=gpu,gres=gpu:1,time=240 (minutes)"
            )
        if name == "train":
            command.add_argument("--at-once", type=int, help="trajectories at once in a process: 4 on a GPU, else 1")
            command.add_argument("--engine", default="auto", help="auto, eager, graphs (GPU) or compiled")
            command.add_argument("--dry-run", action="store_true", help="say what there is to do and what it costs")
        if name in ("status", "verify"):
            command.add_argument("--json", action="store_true", help="for a program to read")


def _status(options: argparse.Namespace) -> int:
    store = Store(options.store, device=options.device, download=False)
    found = holdings(store, trainings_of(options))
    lines = [] if options.only else _record_counts(store, options)
    if options.json:
        document = {"store": str(store.root), "trajectories": list(map(dataclasses.asdict, found))} | dict(lines)
        print(json.dumps(document, indent=1))
        return 0
    print(f"trajectories in {store.root}")
    table = Table("recipe", "seeds", "state")
    reasons = list(dict.fromkeys(item.reason for item in found if item.reason))
    for (recipe, state, reason), seeds in grouped(found).items():
        note = f"{state} ({reasons.index(reason) + 1})" if reason else state
        table.add_row(recipe, seed_ranges(seeds), escape(note))
    Console().print(table)
    for number, reason in enumerate(reasons, start=1):
        print(f"({number}) {reason}")
    for name, value in lines:
        print(f"{name}: {value if isinstance(value, str) else '{measured} of {wanted} measured'.format(**value)}")
    return 0


def _record_counts(store: Store, options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Return how many of the wanted records are measured, or why that is not known."""
    try:
        wanted = requests(rows_of(options, parse_seeds(options.seeds)))
        measured = len(wanted) - len(Measurements(store).missing(wanted))
        return [("records", {"measured": measured, "wanted": len(wanted)})]
    except FeatdynError as error:
        return [("records", str(error))]


def _train(options: argparse.Namespace) -> int:
    wanted = trainings_of(options)
    if options.at_once is not None and options.at_once < 1:
        raise RecipeError(f"--at-once {options.at_once}: expected a number from 1 on")
    jobs = chosen_jobs(options.jobs, usual_jobs(options), len(wanted))
    if options.dry_run:
        print("\n".join(dry_run(Store(options.store, device=options.device, download=False), wanted, jobs)))
        return 0
    trainer = Trainer(options.store, options.device, options.engine, options.at_once)
    return train_missing(trainer, wanted, jobs, None if options.launcher == "local" else cluster_of(options).spread)


def _measure(options: argparse.Namespace) -> int:
    wanted = requests_of(options)
    jobs = chosen_jobs(options.jobs, usual_jobs(options), len(wanted))
    how = functools.partial(spread, jobs=jobs) if options.launcher == "local" else cluster_of(options).spread
    missing = measure_missing(place_of(options), wanted, how, lambda line: print(line, flush=True))
    return 1 if missing else 0


def _publish(options: argparse.Namespace) -> int:
    register = register_of(options)
    folder = records_folder() / scale_of(options, register)
    rows = rows_to_publish(options)
    read = [request for row in rows for seed in row.seeds for request in row.requests(seed).values()]
    wanted = list({request.identity: request for request in read}.values())
    published, missing = publish_records(place_of(options), wanted, folder, print)
    print(f"published {published} records in {folder}; {missing} are not measured")
    return 1 if missing else 0


def _push(options: argparse.Namespace) -> int:
    return _transfer(push, options)


def _pull(options: argparse.Namespace) -> int:
    return _transfer(pull, options)


def _transfer(way: Callable[..., int], options: argparse.Namespace) -> int:
    """Send or fetch the trajectories that the options ask for, and the register's records of them."""
    wanted = trainings_of(options)
    chosen = {(recipe.identity, seed) for recipe, seed in wanted}
    records = [one for one in requests(rows_of(options, ())) if (one.recipe.identity, one.seed) in chosen]
    measurements = place_of(options).measurements(measure=False)
    failed = way(measurements, Remote(options.url), wanted, records, lambda line: print(line, flush=True))
    return 1 if failed else 0


def _verify(options: argparse.Namespace) -> int:
    """Check what the options ask for, or all of the store; nothing checked is no success."""
    store = Store(options.store, device=options.device, download=False)
    asked = options.tier or options.only or options.seeds or options.claims
    found = {}
    for label, problems in _verify_requests(store, trainings_of(options)) if asked else verify_store(store):
        found[label] = problems
        if not options.json:
            print(f"{label}: {'; '.join(problems) if problems else 'good'}", flush=True)
    damaged = sum(map(bool, found.values()))
    if options.json:
        print(
            json.dumps(
                {"store": str(store.root), "checked": len(found), "damaged": damaged, "problems": found}, indent=1
            )
        )
    else:
        print(f"{len(found)} checked, {damaged} damaged")
    return 1 if damaged or not found else 0


def _verify_requests(store: Store, wanted: Sequence[Request]) -> Iterator[tuple[str, list[str]]]:
    """Yield each trajectory that is complete, with what is wrong with it."""
    for recipe, seed in wanted:
        label = f"{recipe.name} seed {seed}"
        try:
            if store.status(recipe, seed) != "complete":
                print(f"{label}: not complete, not checked", file=sys.stderr)
                continue
            yield label, verify_folder(store, store.folder(recipe, seed), (recipe, seed))
        except FeatdynError as error:
            yield label, [str(error)]
