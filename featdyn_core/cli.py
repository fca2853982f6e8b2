"""The ``featdyn`` command: what is trained, train it, check it, report on it."""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from featdyn_core.errors import FeatdynError, RecipeError
from featdyn_core.evidence import read_evidence
from featdyn_core.progress import Watcher
from featdyn_core.recipe import Recipe, load_recipe, recipes_folder
from featdyn_core.register import Register, load_register
from featdyn_core.report import write_figures, write_html
from featdyn_core.store import Request, Store, verify
from featdyn_core.trajectory import EpochRecord
from featdyn_core.trajectory_folder import Watch


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
        ("verify", _verify, "check every byte of a tier's trajectories, and that they are trajectories"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--tier", choices=["fast", "full"], default="fast")
        command.add_argument("--scale", choices=["reduced", "paper"], default="reduced", help="of the full tier")
        command.add_argument("--only", metavar="RECIPE", help="one recipe, by name or path, in place of the tier's")
        command.add_argument("--seeds", metavar="0,1,2", help="in place of the register's")
        command.add_argument("--store", type=Path, help="default: FEATDYN_STORE, or fixtures/cache")
        command.add_argument("--register", type=Path, default=Path("claims/register.toml"))
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
        if name == "train":
            command.add_argument("--jobs", type=int, default=1, help="processes that train at once")
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
    scale = register.scales["small" if options.tier == "fast" else options.scale]
    try:
        seeds = tuple(int(seed) for seed in options.seeds.split(",")) if options.seeds else scale.seeds
    except ValueError as error:
        raise RecipeError(f"--seeds {options.seeds!r}: expected integers with commas between") from error
    if options.only:
        recipes = [load_recipe(options.only)]
    else:
        arms = [entry.arms_of(scale.name) for entry in register.entries.values()]
        suffixes = dict.fromkeys(suffix for named in arms for suffix in named.values())
        names = [base + suffix for base in scale.recipes.values() for suffix in suffixes]
        recipes = [load_recipe(name) for name in names if (recipes_folder() / f"{name}.toml").is_file()]
    return [(recipe, seed) for seed in seeds for recipe in recipes]


def _status(options: argparse.Namespace) -> int:
    store = Store(options.store, device=options.device)
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
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // options.jobs))
    if options.jobs == 1:
        return _train_here(requests, options)
    watcher = Watcher(_training_store(options).root, print)
    watcher.start()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_silently, args=(requests, options)) for _ in range(options.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    watcher.stop()
    return max(abs(worker.exitcode or 0) for worker in workers)


def _train_here(requests: Sequence[Request], options: argparse.Namespace) -> int:
    """Train in this process, with a progress bar on a terminal and a line an epoch elsewhere."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, object] = {}

        def show(key: str, recipe: Recipe, seed: int, record: EpochRecord) -> None:
            if not console.is_terminal:
                print(
                    f"{recipe.name} seed {seed}: epoch {record.epoch}/{recipe.training.epochs}, "
                    f"loss {record.train_loss:.4f}, {record.seconds:.1f} s",
                    flush=True,
                )
                return
            if key not in tasks:
                tasks[key] = bars.add_task(f"{recipe.name} seed {seed}", total=recipe.training.epochs)
            bars.update(tasks[key], completed=record.epoch)  # type: ignore[arg-type]

        _training_store(options, show).get_many(requests)
    return 0


def _training_store(options: argparse.Namespace, watch: Watch | None = None) -> Store:
    return Store(options.store, device=options.device, engine=options.engine, at_once=options.at_once, watch=watch)


def _train_silently(requests: Sequence[Request], options: argparse.Namespace) -> None:
    """Train in a process of its own; the parent shows what the store's heartbeats say."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // options.jobs))
    try:
        _training_store(options).get_many(requests)
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        sys.exit(2)


def _verify(options: argparse.Namespace) -> int:
    store = Store(options.store, device=options.device)
    damaged = checked = 0
    for recipe, seed in _requests(options):
        label = f"{recipe.name} seed {seed}"
        try:
            if store.status(recipe, seed) != "complete":
                print(f"{label}: not complete, not checked")
                continue
            problems = verify(store.open(recipe, seed))
        except FeatdynError as error:
            problems = [str(error)]
        checked += 1
        damaged += bool(problems)
        print(f"{label}: {'; '.join(problems) if problems else 'good'}")
    print(f"{checked} checked, {damaged} damaged")
    return 1 if damaged else 0


def _report(options: argparse.Namespace) -> int:
    rows = {path.name if path.parent == Path() else str(path): read_evidence(path) for path in options.evidence}
    write_html(options.output, rows)
    print(f"wrote {options.output}")
    if options.figures:
        written = write_figures(options.figures, [row for run in rows.values() for row in run])
        print(f"wrote {len(written)} figures to {options.figures}")
    return 0
