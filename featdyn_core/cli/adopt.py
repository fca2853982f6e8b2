"""Adopt checkpoints of trainings that ran elsewhere, as trajectories of the store.

The command checks every checkpoint, prints one line per training, and writes a recipe that leads to the trajectories.
It ends with an error if the checkpoints of a seed do not come from one training.
"""

import argparse
from pathlib import Path
from typing import Any

from featdyn_core.cli.options import add_store
from featdyn_core.errors import RecipeError
from featdyn_core.launch.adopting import adopt_into
from featdyn_core.project import project_here, recipes_folder, store_root
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.adoption import Adoption, read_adoption


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    command = commands.add_parser(
        "adopt",
        help="adopt checkpoints of trainings that ran elsewhere, as trajectories of the store",
        description=__doc__,
        epilog="Example: featdyn adopt mine --network nets:small --data cifar10 --cuts conv1,conv2 "
        "--seed '0=runs/a/epoch_{epoch}.pt' --seed '1=runs/b/epoch_{epoch}.pt' --seed '2=runs/c/epoch_{epoch}.pt'",
    )
    command.set_defaults(run=adopt)
    command.add_argument("name", help="name of the collection, or a .toml file that replaces the options")
    command.add_argument("--network", metavar="MODULE:FUNCTION", help="function that makes the network")
    command.add_argument("--data", help="image set: a name, or the path of an .npz file")
    command.add_argument(
        "--seed", action="append", default=[], metavar="S=PATTERN", help="files of seed S, with {epoch} or {step}"
    )
    command.add_argument("--cuts", help="submodules after which the network is cut, such as A,B")
    command.add_argument(
        "--take", action="append", default=[], metavar="S=A-B", help="take only epochs A to B of seed S"
    )
    command.add_argument("--source", action="append", default=[], metavar="S=TEXT", help="origin of seed S")
    command.add_argument("--batch-size", type=int, help="batch size of the trainings, if known")
    command.add_argument("--learning-rate", type=float, help="learning rate of the trainings, if known")
    command.add_argument("--augmentation", help="augmentation of the trainings, if known: none or crop-flip")
    command.add_argument("--image-mean", type=_numbers, help="mean of images in [0, 1]; default: that of the image set")
    command.add_argument("--image-std", type=_numbers, help="their standard deviation; default: that of the image set")
    command.add_argument("--accept-order", action="store_true", help="accept an order of epochs that looks wrong")
    add_store(command)


def adopt(options: argparse.Namespace) -> int:
    """Adopt the checkpoints that the options, or the file that they name, describe."""
    here = project_here() or Path.cwd()
    is_file = options.name.endswith(".toml")
    adoption = read_adoption(Path(options.name)) if is_file else _asked(options)
    name = Path(options.name).stem if is_file else options.name
    store = Store(options.store or store_root(here), device="cpu")
    recipe, path = adopt_into(
        recipes_folder(here),
        store,
        name,
        adoption,
        accept_order=options.accept_order,
        say=lambda line: print(line, flush=True),
    )
    assert recipe.adopted is not None, "an adopted recipe has a table [adopted]"
    epochs, unit = recipe.training.checkpoints, recipe.adopted.unit
    print(f"adopted {len(recipe.adopted.checkpoints)} trainings, {unit}s {epochs[0]} to {epochs[-1]} of each: {path}")
    if project_here() is None:
        print(f"begin a project on them: featdyn init --adopted {name} --window A-B")
    return 0


def _asked(options: argparse.Namespace) -> Adoption:
    """Return the adoption that the options describe.

    Raises:
        RecipeError: the network or the data is missing.
    """
    for option in ("network", "data"):
        if not getattr(options, option):
            raise RecipeError(f"--{option} is missing: add it, or name a .toml file that has it")
    scaling = {"image_mean": options.image_mean, "image_std": options.image_std}
    return Adoption(
        network=options.network,
        data=options.data,
        seeds=_by_seed(options.seed, "--seed"),
        cuts=tuple(options.cuts.split(",")) if options.cuts else (),
        take={seed: _span(text) for seed, text in _by_seed(options.take, "--take").items()},
        options={name: value for name, value in scaling.items() if value is not None},
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        augmentation=options.augmentation,
        sources=_by_seed(options.source, "--source"),
    )


def _by_seed(given: list[str], option: str) -> dict[str, str]:
    """Return seed to the value of an option for it.

    Raises:
        RecipeError: an ``=`` is missing, or a seed occurs twice.
    """
    found: dict[str, str] = {}
    for text in given:
        seed, equals, value = text.partition("=")
        if not equals or seed in found:
            raise RecipeError(f"{option} {text}: " + ("this seed occurs twice" if equals else "write it as SEED=…"))
        found[seed] = value
    return found


def _span(text: str) -> tuple[int, ...]:
    """Read epochs such as ``4-29``.

    Raises:
        RecipeError: the text is not two numbers.
    """
    try:
        first, last = map(int, text.split("-"))
    except ValueError as error:
        raise RecipeError(f"{text!r} is not a first and a last epoch, such as 4-29") from error
    return first, last


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
