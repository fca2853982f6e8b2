"""The ``featdyn`` command: what is trained and measured, train, measure, publish and check it, report on it."""

import argparse
import dataclasses
import functools
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from featdyn_core.errors import FeatdynError, RecipeError
from featdyn_core.harness.plan import Cell, cells, requests, trainings
from featdyn_core.launch.cluster import Cluster, read_settings
from featdyn_core.launch.inventory import dry_run, grouped, holdings, seed_ranges
from featdyn_core.launch.measuring import Place, measure_missing, publish_records
from featdyn_core.launch.processes import chosen_jobs, cores, spread
from featdyn_core.launch.starting import start_project
from featdyn_core.launch.training import INTERRUPTED, Trainer, train_missing
from featdyn_core.launch.transfers import pull, push
from featdyn_core.measures.kinds import Request as Measurement
from featdyn_core.numerics import resolve_device
from featdyn_core.project import expanded, records_folder, register_folder, store_root
from featdyn_core.provenance import commit, version
from featdyn_core.report import compare
from featdyn_core.report.html import write_figures, write_html
from featdyn_core.report.markdown import claims_table, results_table
from featdyn_core.report.sweeps import sweep_lines
from featdyn_core.store.cleaning import free, idle
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.remote import Remote
from featdyn_core.store.supply import Request, Store
from featdyn_core.store.verification import verify_folder, verify_store
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.verdicts.evidence import read_document, read_evidence
from featdyn_core.verdicts.register import Register, load_register, parse_seeds

BROKEN_PIPE = 141
"""Exit status of a process whose reader went away, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever the terminal lacks letters for is still to be read
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(given)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except FeatdynError as error:
        print(f"featdyn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"featdyn: interrupted; go on with: featdyn {shlex.join(given)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough; what is still to be flushed has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="featdyn", description=__doc__)
    parser.add_argument("--version", action="version", version=f"featdyn {version('featdyn')} {commit()}".strip())
    parser.set_defaults(run=_advise)
    commands = parser.add_subparsers(metavar="COMMAND")
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
        command.add_argument("--tier", choices=["fast", "full"], help="fast, unless said otherwise")
        command.add_argument(
            "--scale",
            choices=["auto", "reduced", "paper"],
            default="auto",
            help="of the full tier: paper (the default with a GPU) or reduced (without)",
        )
        if name != "publish":  # which is of all of a scale: what a narrower choice leaves out would be removed
            command.add_argument("--only", metavar="RECIPE", help="one recipe, by name or path, in place of the tier's")
            command.add_argument("--seeds", metavar="0-2,7", help="in place of the register's")
            command.add_argument("--claims", metavar="A,B", help="what these claims need, in place of all")
        command.add_argument("--store", type=_path, help="default: FEATDYN_STORE, or fixtures/cache")
        command.add_argument("--register", type=_path, help="folder; default: claims/register of the project")
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
    _add_readers(commands)
    return parser


def _add_readers(commands: Any) -> None:
    """Add the commands that look at no plan."""
    report = commands.add_parser("report", help="make one HTML file of one or more evidence files")
    report.set_defaults(run=_report)
    report.add_argument("evidence", type=_path, nargs="+")
    report.add_argument("-o", "--output", type=_path, default=Path("report.html"))
    report.add_argument("--figures", type=_path, help="folder for every curve, as PNG, SVG, PDF and CSV files")
    comparison = commands.add_parser("compare", help="say how two evidence files differ; status 1 if a verdict does")
    comparison.set_defaults(run=_compare)
    comparison.add_argument("one", type=_path)
    comparison.add_argument("other", type=_path)
    comparison.add_argument("--json", action="store_true", help="as JSON, with what differs row by row")
    results = commands.add_parser(
        "results", help="print the README's table of results from evidence files, and those of sweeps, in Markdown"
    )
    results.set_defaults(run=_results)
    results.add_argument("evidence", type=_path, nargs="+")
    claims = commands.add_parser("claims", help="print the README's table of claims, in Markdown")
    claims.set_defaults(run=_claims)
    claims.add_argument("--register", type=_path, help="folder; default: claims/register of the project")

    init = commands.add_parser("init", help="begin a project: the paper's claims, register, recipes and records")
    init.set_defaults(run=_init)
    init.add_argument("folder", type=_path, nargs="?", default=Path(), help="default: the working directory")
    clean = commands.add_parser("clean", help="say what the store can do without, or remove it")
    clean.set_defaults(run=_clean)
    clean.add_argument("--store", type=_path, help="default: FEATDYN_STORE, or fixtures/cache")
    clean.add_argument("--yes", action="store_true", help="remove it")


def _path(text: str) -> Path:
    try:
        return expanded(text, "it")
    except FeatdynError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _register(options: argparse.Namespace) -> Register:
    return load_register(options.register or register_folder())


def _scale(options: argparse.Namespace, register: Register) -> str:
    """Name of the scale of a tier."""
    tier = options.tier or "fast"
    if tier == "full" and options.scale == "auto":
        return "paper" if resolve_device(options.device).type == "cuda" else "reduced"
    if tier == "full":
        return str(options.scale)
    found = [scale.name for scale in register.scales.values() if scale.tier == tier]
    if not found:
        raise RecipeError(f"the register has no scale of the tier {tier}")
    return found[0]


def _rows(options: argparse.Namespace, seeds: Sequence[int]) -> list[Cell]:
    """Return the plan's rows of the claims that the options ask for."""
    register = _register(options)
    chosen = register.entries if options.claims is None else options.claims.split(",")
    entries = [register.entry(claim) for claim in chosen]
    return [row for row in cells(register, _scale(options, register), seeds=seeds) if row.entry in entries]


def _trainings(options: argparse.Namespace) -> list[Request]:
    """Return the (recipe, seed) pairs that the options ask for."""
    seeds, register = parse_seeds(options.seeds), _register(options)
    if options.only:
        recipe = load_recipe(options.only)
        return [(recipe, seed) for seed in seeds or _seeds_of(recipe, register, options)]
    if seeds:  # pilot seeds and few ones may be trained, though not judged
        wanted = trainings(_rows(options, ()))
        return [
            (recipe, seed) for seed in seeds for recipe in {recipe.identity: recipe for recipe, _ in wanted}.values()
        ]
    return trainings(_rows(options, ()))


def _seeds_of(recipe: Recipe, register: Register, options: argparse.Namespace) -> Sequence[int]:
    """Seeds of the first scale that uses the recipe; of the tier's scale if none does."""
    for scale in register.scales.values():
        if any(recipe in row.recipes.values() for row in cells(register, scale.name)):
            return scale.seeds
    return register.scales[_scale(options, register)].seeds


def _advise(_: argparse.Namespace) -> int:
    """Say what there is to do next, to somebody who named no command."""
    print("Decide the paper's claims on small networks, which are trained on the spot:  pytest -m fast -n 2")
    print("See what larger scales need, and what of it is here:  featdyn status --tier full")
    print("Train it, measure it, decide:  featdyn train --tier full; featdyn measure --tier full; pytest -m full")
    print("All commands:  featdyn --help")
    return 0


def _status(options: argparse.Namespace) -> int:
    store = Store(options.store, device=options.device, download=False)
    found = holdings(store, _trainings(options))
    lines = [] if options.only else _record_counts(store, options)
    if options.json:
        document = {"store": str(store.root), "trajectories": list(map(dataclasses.asdict, found))} | dict(lines)
        print(json.dumps(document, indent=1))
        return 0
    table = Table("recipe", "seeds", "state", title=escape(f"trajectories in {store.root}"))
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
        wanted = requests(_rows(options, parse_seeds(options.seeds)))
        measured = len(wanted) - len(Measurements(store).missing(wanted))
        return [("records", {"measured": measured, "wanted": len(wanted)})]
    except FeatdynError as error:
        return [("records", str(error))]


def _train(options: argparse.Namespace) -> int:
    wanted = _trainings(options)
    if options.at_once is not None and options.at_once < 1:
        raise RecipeError(f"--at-once {options.at_once}: expected a number from 1 on")
    jobs = chosen_jobs(options.jobs, _usual_jobs(options), len(wanted))
    if options.dry_run:
        print("\n".join(dry_run(Store(options.store, device=options.device, download=False), wanted, jobs)))
        return 0
    trainer = Trainer(options.store, options.device, options.engine, options.at_once)
    return train_missing(trainer, wanted, jobs, None if options.launcher == "local" else _cluster(options).spread)


def _init(options: argparse.Namespace) -> int:
    written = start_project(options.folder)
    print(f"wrote {written} files to {options.folder.absolute()}; decide the claims there with: pytest -m fast -n 2")
    return 0


def _clean(options: argparse.Namespace) -> int:
    """Say what can go, and remove it if told so."""
    store = Store(options.store, download=False)
    found = list(idle(store))
    for item in found:
        print(f"{item.what}: {item.size / 1e6:.1f} MB", flush=True)
        if options.yes:
            free(store, item)
    size = sum(item.size for item in found) / 1e6
    done = "freed" if options.yes else "would be freed; remove it with: featdyn clean --yes"
    print(f"{len(found)} things, {size:.1f} MB {done if found else 'to be freed'}")
    return 0


def _measure(options: argparse.Namespace) -> int:
    wanted = _requests(options)
    jobs = chosen_jobs(options.jobs, _usual_jobs(options), len(wanted))
    how = functools.partial(spread, jobs=jobs) if options.launcher == "local" else _cluster(options).spread
    missing = measure_missing(_place(options), wanted, how, lambda line: print(line, flush=True))
    return 1 if missing else 0


def _publish(options: argparse.Namespace) -> int:
    register = _register(options)
    folder = records_folder() / _scale(options, register)
    published, missing = publish_records(_place(options), _requests(options), folder)
    print(f"published {published} records in {folder}; {missing} are not measured")
    return 1 if missing else 0


def _push(options: argparse.Namespace) -> int:
    return _transfer(push, options)


def _pull(options: argparse.Namespace) -> int:
    return _transfer(pull, options)


def _transfer(way: Callable[..., int], options: argparse.Namespace) -> int:
    """Send or fetch the trajectories that the options ask for, and the register's records of them."""
    wanted = _trainings(options)
    chosen = {(recipe.identity, seed) for recipe, seed in wanted}
    records = [one for one in requests(_rows(options, ())) if (one.recipe.identity, one.seed) in chosen]
    measurements = _place(options).measurements(measure=False)
    failed = way(measurements, Remote(options.url), wanted, records, lambda line: print(line, flush=True))
    return 1 if failed else 0


def _place(options: argparse.Namespace) -> Place:
    return Place(options.store or store_root(), options.device)


def _requests(options: argparse.Namespace) -> list[Measurement]:
    wanted = requests(_rows(options, parse_seeds(options.seeds)))
    if not options.only:
        return wanted
    recipe = load_recipe(options.only)
    chosen = [request for request in wanted if request.recipe.identity == recipe.identity]
    if not chosen:
        scale = _scale(options, _register(options))
        raise RecipeError(f"no claim reads a record of {recipe.name} at scale {scale}; choose another tier or scale")
    return chosen


def _cluster(options: argparse.Namespace) -> Cluster:
    return Cluster((options.store or store_root()).absolute() / "jobs", read_settings(options.slurm), options.jobs)


def _usual_jobs(options: argparse.Namespace) -> int:
    return 1 if resolve_device(options.device).type == "cuda" else cores()


def _verify(options: argparse.Namespace) -> int:
    """Check what the options ask for, or all of the store; nothing checked is no success."""
    store = Store(options.store, device=options.device, download=False)
    asked = options.tier or options.only or options.seeds or options.claims
    found = {}
    for label, problems in _verify_requests(store, _trainings(options)) if asked else verify_store(store):
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


def _report(options: argparse.Namespace) -> int:
    runs = {path.name if path.parent == Path() else str(path): read_document(path) for path in options.evidence}
    write_html(options.output, runs)
    print(f"wrote {options.output}")
    if options.figures:
        written = write_figures(options.figures, [row for run in runs.values() for row in run.rows])
        print(f"wrote {len(written)} files of figures to {options.figures}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    rows = compare.compare(read_evidence(options.one), read_evidence(options.other))
    print(json.dumps(compare.to_plain(rows), indent=1) if options.json else "\n".join(compare.to_lines(rows)))
    return 0 if compare.same_verdicts(rows) else 1


def _results(options: argparse.Namespace) -> int:
    rows = [row for path in options.evidence for row in read_evidence(path)]
    tables = results_table(rows), sweep_lines(rows)
    print("\n\n".join("\n".join(table) for table in tables if len(table) > 2))
    return 0


def _claims(options: argparse.Namespace) -> int:
    print("\n".join(claims_table(_register(options))))
    return 0
