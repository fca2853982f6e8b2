"""Commands that begin a project, try a machine, and tidy a store."""

import argparse
from pathlib import Path
from typing import Any

from featdyn_core.cli.selection import path
from featdyn_core.launch.selfcheck import lines, try_all
from featdyn_core.launch.starting import start_project
from featdyn_core.store.cleaning import free, idle
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.recipe import load_recipe


def add_to(commands: Any) -> None:
    """Add the commands to a parser's."""
    init = commands.add_parser("init", help="begin a project: the paper's claims, register, recipes and records")
    init.set_defaults(run=_init)
    init.add_argument("folder", type=path, nargs="?", default=Path(), help="default: the working directory")
    check = commands.add_parser("selfcheck", help="compare this machine's engines, precisions and devices")
    check.set_defaults(run=_selfcheck)
    check.add_argument("--recipe", default="digits-small", help="whose first epochs are trained; default: digits-small")
    clean = commands.add_parser("clean", help="say what the store can do without, or remove it")
    clean.set_defaults(run=_clean)
    clean.add_argument("--store", type=path, help="default: FEATDYN_STORE, or fixtures/cache")
    clean.add_argument("--yes", action="store_true", help="remove it")


def _init(options: argparse.Namespace) -> int:
    written = start_project(options.folder)
    print(f"wrote {written} files to {options.folder.absolute()}; decide the claims there with: pytest -m fast -n 2")
    return 0


def _selfcheck(options: argparse.Namespace) -> int:
    """Train a little in every way; one that does not agree with plain steps is a status of 1."""
    ways = list(try_all(load_recipe(options.recipe)))
    print("\n".join(lines(ways)))
    wrong = [way for way in ways if not way.agrees]
    for way in wrong:
        print(f"{way.engine} on {way.device} does not agree with eager steps: train with --engine eager there")
    return 1 if wrong else 0


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
