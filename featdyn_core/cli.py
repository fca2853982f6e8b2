"""The ``featdyn`` command: what is trained, train it, check it, report on it."""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table

from featdyn_core.errors import FeatdynError, RecipeError
from featdyn_core.harness.register import Register, load_register, parse_seeds
from featdyn_core.launch.progress import Watcher, bars
from featdyn_core.numerics import resolve_device
from featdyn_core.report.html import write_figures, write_html
from featdyn_core.store.folder import Watch
from featdyn_core.store.heartbeats import Beat
from featdyn_core.store.supply import Request, Store
from featdyn_core.store.verification import verify_folder, verify_store
from featdyn_core.trajectories.recipe import Recipe, load_recipe, recipes_folder
from featdyn_core.trajectories.trajectory import EpochRecord
from featdyn_core.verdicts.evidence import read_evidence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status. Bad input is one line on stderr and status 2."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="featdyn", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("status", _status, "list a tier's trajectories: complete, training, partial or missing"),
        ("train", _train, "train a tier's missing trajectories; what was interrupted goes on where it stopped"),
        ("verify", _verify, "check every byte of the trajectories of the store, or of a tier, and that they are some"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--tier", choices=["fast", "full"], help="fast, unless said otherwise")
        command.add_argument(
            "--scale",
            choices=["auto", "reduced", "paper"],
            default="auto",
            help="of the full tier: paper (the default with a GPU) or reduced (without)",
        )
        command.add_argument("--only", metavar="RECIPE", help="one recipe, by name or path, in place of the tier's")
        command.add_argument("--seeds", metavar="0,1,2", help="in place of the register's")
        command.add_argument("--store", type=Path, help="default: FEATDYN_STORE, or fixtures/cache")
        command.add_argument("--register", type=Path, default=Path("claims/register.toml"))
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
        if name == "train":
            command.add_argument("--jobs", type=int, help="processes that train at once: one a core, on a GPU one")
            command.add_argument("--at-once", type=int, help="trajectories at once in a process: 4 on a GPU, else 1")
            command.add_argument("--engine", default="auto", help="auto, eager, graphs (GPU) or compiled")
    report = commands.add_parser("report", help="make one HTML file of one or more evidence files")
    report.set_defaults(run=_report)
    report.add_argument("evidence", type=Path, nargs="+")
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    report.add_argument("--figures", type=Path, help="folder for every curve as a PNG file")
    return parser


def _requests(options: argparse.Namespace) -> list[Request]:
    """Return the (recipe, seed) pairs that the options ask for."""
    register: Register = load_register(options.register)
    scale = register.scale(options.tier or "fast", options.scale, resolve_device(options.device))
    seeds = parse_seeds(options.seeds) or scale.seeds
    if options.only:
        recipes = [load_recipe(options.only)]
    else:
        arms = [entry.arms_of(scale.name) for entry in register.entries.values()]
        suffixes = dict.fromkeys(suffix for named in arms for suffix in named.values())
        names = [base + suffix for base in scale.recipes.values() for suffix in suffixes]
        recipes = [load_recipe(name) for name in names if (recipes_folder() / f"{name}.toml").is_file()]
    return [(recipe, seed) for seed in seeds for recipe in recipes]


def _status(options: argparse.Namespace) -> int:
    store = Store(options.store, device=options.device, download=False)
    table = Table("recipe", "seed", "state", "folder", title=f"trajectories in {store.root}")
    for recipe, seed in _requests(options):
        try:
            state, folder = store.status(recipe, seed), store.folder(recipe, seed).name
        except FeatdynError as error:
            state, folder = str(error), "-"
        table.add_row(recipe.name, str(seed), state, folder)
    Console().print(table)
    return 0


def _train(options: argparse.Namespace) -> int:
    requests = _requests(options)
    for option in ("jobs", "at_once"):
        if (value := getattr(options, option)) is not None and value < 1:
            raise RecipeError(f"--{option.replace('_', '-')} {value}: expected a number from 1 on")
    on_gpu = resolve_device(options.device).type == "cuda"
    jobs = min(options.jobs or (1 if on_gpu else os.cpu_count() or 1), len(requests))
    if jobs == 1:
        return _train_here(requests, options)
    watcher = Watcher(_training_store(options).root, print)
    watcher.start()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_silently, args=(requests, options)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    watcher.stop()
    return max(abs(worker.exitcode or 0) for worker in workers)


def _train_here(requests: Sequence[Request], options: argparse.Namespace) -> int:
    """Train in this process, with a progress bar on a terminal and a line an epoch elsewhere.

    What other processes train meanwhile, so that this one may wait for it, has lines of its own.
    """
    console = Console()
    with bars("epochs", console, disable=not console.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def show(key: str, recipe: Recipe, seed: int, record: EpochRecord) -> None:
            if key not in tasks:
                tasks[key] = shown.add_task("", total=recipe.training.epochs, completed=record.epoch - 1)
            label = f"{recipe.name} seed {seed}, loss {record.train_loss:.4f}"
            shown.update(tasks[key], completed=record.epoch, description=label)
            if not console.is_terminal:
                beat = (record.epoch, recipe.training.epochs, record.train_loss, record.seconds, time.time())
                print(Beat(key, recipe.name, seed, *beat), flush=True)

        store = _training_store(options, show)
        watcher = Watcher(store.root, shown.console.print, skip=tasks)
        watcher.start()
        try:
            store.get_many(requests)
        finally:
            watcher.stop()
    return 0


def _training_store(options: argparse.Namespace, watch: Watch | None = None) -> Store:
    return Store(options.store, device=options.device, engine=options.engine, at_once=options.at_once, watch=watch)


def _train_silently(requests: Sequence[Request], options: argparse.Namespace) -> None:
    """Train in a process of its own; the parent shows what the store's heartbeats say."""
    try:
        _training_store(options).get_many(requests)
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        sys.exit(2)


def _verify(options: argparse.Namespace) -> int:
    """Check what the options ask for, or all of the store; nothing checked is no success."""
    store = Store(options.store, device=options.device, download=False)
    asked = options.tier or options.only or options.seeds
    damaged = checked = 0
    for label, problems in _verify_requests(store, _requests(options)) if asked else verify_store(store):
        checked += 1
        damaged += bool(problems)
        print(f"{label}: {'; '.join(problems) if problems else 'good'}", flush=True)
    print(f"{checked} checked, {damaged} damaged")
    return 1 if damaged or not checked else 0


def _verify_requests(store: Store, requests: Sequence[Request]) -> Iterator[tuple[str, list[str]]]:
    """Yield each trajectory that is complete, with what is wrong with it."""
    for recipe, seed in requests:
        label = f"{recipe.name} seed {seed}"
        try:
            if store.status(recipe, seed) != "complete":
                print(f"{label}: not complete, not checked")
                continue
            yield label, verify_folder(store, store.folder(recipe, seed))
        except FeatdynError as error:
            yield label, [str(error)]


def _report(options: argparse.Namespace) -> int:
    rows = {path.name if path.parent == Path() else str(path): read_evidence(path) for path in options.evidence}
    write_html(options.output, rows)
    print(f"wrote {options.output}")
    if options.figures:
        written = write_figures(options.figures, [row for run in rows.values() for row in run])
        print(f"wrote {len(written)} figures to {options.figures}")
    return 0
