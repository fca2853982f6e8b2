"""Create a project, with the paper's claims, register, recipes and records, or with some claims on your own trainings.

The command writes the project into a folder and prints how many files it wrote. It overwrites nothing. With --adopted
or --recipe, the project has the chosen claims and one scale, on these trainings.
"""

import argparse
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import path
from featdyn_core.errors import RecipeError
from featdyn_core.project import project_here, recipes_folder
from featdyn_core.register.reading import parse_seeds
from featdyn_core.scaffold.files import write_paper_project
from featdyn_core.scaffold.own import write_own_project
from featdyn_core.trajectories.recipe import load_recipe


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "init",
        help="create a project, with all claims of the paper or with some on your own trainings",
        description=__doc__,
        epilog="Example: featdyn init --adopted mine --window 14-20",
    )
    command.set_defaults(run=init)
    command.add_argument("folder", type=path, nargs="?", default=Path(), help="default: the working directory")
    command.add_argument(
        "--adopted", metavar="NAME", help="trainings that featdyn adopt has brought in under this name"
    )
    command.add_argument(
        "--recipe", type=path, metavar="FILE", help="your own recipe, whose trainings the claims are about"
    )
    command.add_argument("--claims", metavar="A,B", help="default: the claims that need only checkpoints and data")
    command.add_argument(
        "--window",
        metavar="A-B",
        help="first and last epoch of the late part of training; required with --adopted or --recipe",
    )
    command.add_argument("--seeds", metavar="0-2,7", help="default: all adopted seeds; with --recipe 0-2")
    command.add_argument("--images", type=int, default=1000, help="most images of each split; default: 1000")


def init(options: argparse.Namespace) -> int:
    """Write a project's files.

    Raises:
        RecipeError: the options exclude each other, or there is no such recipe.
    """
    own = [option for option in ("adopted", "recipe") if getattr(options, option)]
    if len(own) == 2:
        raise RecipeError("--adopted and --recipe exclude each other; give one of them")
    if not own:
        if idle := [option for option in ("claims", "window", "seeds") if getattr(options, option)]:
            raise RecipeError(f"--{idle[0]} is for a project on your own trainings; add --adopted or --recipe")
        written = write_paper_project(options.folder)
        advice = "decide the claims there with: pytest -m fast -n 2"
    else:
        written = _own_project(options)
        advice = "decide the claims there with: pytest"
    print(f"wrote {written} files to {options.folder.absolute()}; {advice}")
    return 0


def _own_project(options: argparse.Namespace) -> int:
    """Write a project on one recipe.

    Raises:
        RecipeError: there is no window, or no such recipe.
    """
    here = recipes_folder(project_here() or Path.cwd())
    file: Path = options.recipe or here / f"{options.adopted}.toml"
    if options.adopted and not file.is_file():
        raise RecipeError(f"{file} does not exist; bring checkpoints in first: featdyn adopt {options.adopted}")
    if not options.window:
        raise RecipeError("--window A-B is missing; the epochs of the claims must be fixed before anything is measured")
    first, last, *more = [*map(str.strip, options.window.split("-")), ""]
    if more != [""] or not (first.isdecimal() and last.isdecimal()):
        raise RecipeError(f"--window {options.window}: expected a first and a last epoch, such as 14-20")
    return write_own_project(
        options.folder,
        load_recipe(file),
        source=file,
        window=(int(first), int(last)),
        claims=options.claims.split(",") if options.claims else (),
        seeds=parse_seeds(options.seeds),
        images=options.images,
        say=print,
    )
