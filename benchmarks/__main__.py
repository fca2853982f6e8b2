"""Run the benchmarks: ``python -m benchmarks [--only NAME] [--json FILE] [--quick]``."""

import argparse
import importlib
import pkgutil
from pathlib import Path

from rich.console import Console

import benchmarks
from benchmarks.ratio import Row, Scaling, machine, print_rows, print_scaling, write_json

PREFIX = "bench_"


def names() -> list[str]:
    """Return the names of the benchmarks, without the prefix of their modules."""
    modules = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name.removeprefix(PREFIX) for name in modules if name.startswith(PREFIX))


def main() -> None:
    """Run the chosen benchmarks one after another, print their tables and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("--only", action="append", choices=names(), help="run this one; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures and the machine to this file")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: a check that everything runs")
    options = parser.parse_args()

    console = Console()
    measured_on = machine()  # before the JSON file changes the state of the checkout that may hold it
    console.print(", ".join(f"{key} {value}" for key, value in measured_on.items()), highlight=False, soft_wrap=True)
    rows: list[Row] = []
    scalings: list[Scaling] = []
    for name in options.only or names():
        module = importlib.import_module(f"{benchmarks.__name__}.{PREFIX}{name}")
        console.rule(name)
        console.print(module.__doc__, highlight=False, markup=False, soft_wrap=True)
        fresh = module.run(options.quick)
        rows += fresh
        print_rows(fresh, console)
        if hasattr(module, "scaling"):
            scalings.append(module.scaling(options.quick))
            print_scaling(scalings[-1], console)
        if options.json:
            write_json(options.json, measured_on, rows, scalings)  # after each benchmark, so no failure loses them


if __name__ == "__main__":
    main()
